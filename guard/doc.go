// Package guard is the role of a resource server: it admits only calls with a good token, enough scope and a permit, and
// publishes the metadata of RFC 9728. It links no database, no HTML, no policy engine and no metrics client.
//
//	g, err := guard.New(guard.Config{…})
//	http.Handle("/mcp", g.Protect(server))
//	http.Handle("/.well-known/oauth-protected-resource/mcp", g.Metadata())
//
// A token comes under Bearer, or, if it is bound to a key, under DPoP with a proof (RFC 9449); each is refused under the other.
// Where several replicas serve one resource, keeping replayed proofs out takes one shared insert for each such call
// (DPoP.Once).
//
// Admit is the path of a request up to the decision, from top to bottom: Origin, token, message, decisions. What it
// refuses it has recorded. Guard looks at headers and bodies; it knows no upstream.
package guard
