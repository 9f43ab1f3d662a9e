// Package authtest is a test kit for whoever takes tokens: authorization servers that run on loopback for the length of a test,
// with good tokens and with each kind of bad one.
//
//	mine := httptest.NewServer(mux)
//	as := authtest.New(t, mine.URL+"/mcp")
//	g, err := guard.New(guard.Config{Resource: …, Servers: []string{as.Issuer}, Issuers: []token.Issuer{as.At(mine.URL+"/mcp")}})
//	…
//	call(as.Good())    // 200
//	call(as.Stale())   // 401, as for Stolen, Foreign, Forged and Elsewhere
//	call(as.Weak())    // 403
//	as.Down(true)      // and what your server does then
//
// Server is the real thing, a Doorward with a database of its own: clients register, sign in and call with it as with any. Its
// tokens are signed with its own key.
//
// Foreign has the shapes of authorization servers that people have: what they sign differs in ways that no RFC tells. It is
// made of what they document; it is none of them, and whoever depends on one tests with that one too.
//
//	f := authtest.NewForeign(t, authtest.Entra)
//	g, err := guard.New(guard.Config{Resource: …, Servers: []string{f.Issuer}, Issuers: []token.Issuer{f.At("6e74172b-…")}})
//	good := f.Access(authtest.Said{Audience: "6e74172b-…", Scopes: []string{"Notes.Read"}})
//	bad := f.Identity(authtest.Said{Audience: "6e74172b-…"})
//
// What it does not do: sign people in, or keep to anybody's clock but the machine's.
package authtest
