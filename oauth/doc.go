// Package oauth holds the words of OAuth: metadata, parameters, scopes, resources, redirect addresses, challenges,
// errors and PKCE.
//
// It parses and formats. It does no I/O, knows no HTTP server and imports nothing of this module.
//
// What of the RFCs it leaves out: the implicit and password grants (OAuth 2.1 removed them), request objects
// (RFC 9101), and every response mode but query.
package oauth
