// Package provider speaks to authorization servers that are not ours, as their client: at a token endpoint it asks for a
// token of its own (RFC 6749 §4.4) or for one in exchange (RFC 8693), and at any endpoint that takes a form, such as an
// introspection endpoint (RFC 7662), it authenticates as the client that the operator registered there.
//
// The addresses are the operator's: they may lie on a private network, and no document that came from outside may name
// one. It follows no redirect, reads answers within a bound and for a bounded time, and no error of it holds a secret,
// a token or a form.
//
// It also says what the tokens of such servers look like: a Profile for each kind, as data in profiles/, of which Tokens.Issuer
// makes what a token.Verifier goes by. Discover finds their keys, Introspection asks about their tokens.
//
// It keeps nothing: whoever asks for tokens keeps them. It does not verify what it is given, and does not sign people in.
package provider
