// Package authserver is the role of an authorization server: authorize, token, revoke, keys and metadata.
//
// It knows no password, no session and no HTML. Signing in is a state machine over a stored request: Authorize validates,
// stores a Pending and sends the browser to the page of the first Step that is due; each page gives its Answer, which is
// stored, and the browser returns to Authorize, which decides again from what is stored. No step holds another.
//
//	authorize.go   the request, and the next step        token.go    POST /token, a row for each grant type
//	pending.go     what is stored between the two        revoke.go   POST /revoke, RFC 7009
//	keys.go        our signing keys, shown before used   clientauth.go  who asks
//
// Of OAuth 2.1 and its companions it leaves out: request objects (RFC 9101), mutual TLS (RFC 8705), impersonation (RFC 8693),
// and authorization_details of any type but token.TaskType (RFC 9396).
package authserver
