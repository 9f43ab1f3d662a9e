// Package client is the role of an MCP client: it finds out who may issue tokens for a server, registers there, signs
// a person in, keeps the tokens, refreshes them and asks for more scope when the server wants it.
//
// A [Transport] is an http.RoundTripper for one server. It answers a 401 or a 403 insufficient_scope like this:
//
//	challenge ─► resource metadata (RFC 9728) ─► issuer ─► server metadata (RFC 8414, OpenID)
//	          ─► client id: listed, metadata document, dynamic (RFC 7591)
//	          ─► browser, loopback redirect, PKCE S256, state, iss (RFC 9207), resource (RFC 8707)
//	          ─► code for tokens ─► kept under issuer and resource ─► the request again
//
// It works with servers of all four revisions: without any metadata it takes the server's origin as the issuer and the
// default endpoints of 2025-03-26. It asks a person at most a bounded number of times and never loops.
//
// It does not speak MCP: the official go-sdk, or any other client, sits on top, either on the Transport or through
// TokenSource and Authorize, which satisfy go-sdk's auth.OAuthHandler. It reads no flags and no environment, and writes
// for a person only where Show and Ask are told to. It leaves out the grants without a person (client_credentials,
// ID-JAG, workload identities), DPoP, and revoking tokens.
package client
