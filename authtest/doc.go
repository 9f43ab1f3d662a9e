// Package authtest is a test kit for whoever takes tokens: authorization servers that run on loopback for the length of a test,
// with good tokens and with each kind of bad one.
//
//	f := authtest.NewForeign(t, authtest.Entra)
//	g, err := guard.New(guard.Config{Resource: …, Servers: []string{f.Issuer}, Issuers: []token.Issuer{f.At("6e74172b-…")}})
//	good := f.Access(authtest.Said{Audience: "6e74172b-…", Scopes: []string{"Notes.Read"}})
//	bad := f.Identity(authtest.Said{Audience: "6e74172b-…"})
//
// Foreign has the shapes of authorization servers that people have: what they sign differs in ways that no RFC tells. It is
// made of what they document; it is none of them, and whoever depends on one tests with that one too.
//
// What it does not do: sign people in, or keep to anybody's clock but the machine's.
package authtest
