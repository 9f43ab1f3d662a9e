// Package guard is the role of a resource server: it admits only calls with a good token, enough scope and a permit, and
// publishes the metadata of RFC 9728. It links no database, no HTML, no policy engine and no metrics client.
//
// A Go program that is an http.Handler takes the tokens of a Doorward so, which is examples/plain:
//
//	g, err := guard.New(guard.Config{
//		Resource: oauth.Resource{URI: address + "/mcp"},
//		Servers:  []string{issuer},
//		Issuers:  []token.Issuer{guard.Issuer(issuer, address+"/mcp")},
//	})
//	if err != nil {
//		return err
//	}
//	mux.Handle("/mcp", g.Protect(server))
//	mux.Handle("/.well-known/oauth-protected-resource/mcp", g.Metadata())
//
// and finds its caller with From. guard/gosdk and guard/mcpgo do it for the libraries that servers are made with. Other
// authorization servers: provider has what is known of their tokens, and Keys reads their keys.
//
// Without Revocations a token that was taken back is good until it expires; an Issuer with Introspect asks instead.
//
// A token comes under Bearer, or, if it is bound to a key, under DPoP with a proof (RFC 9449); each is refused under the other.
// Where several replicas serve one resource, keeping replayed proofs out takes one shared insert for each such call
// (DPoP.Once).
//
// Admit is the path of a request up to the decision, from top to bottom: Origin, token, message, decisions. What it
// refuses it has recorded. Guard looks at headers and bodies; it knows no upstream.
package guard
