package main

import (
	"net/http"

	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// protect mounts server at address/mcp, for callers with a token that issuer gave out for it.
func protect(mux *http.ServeMux, issuer, address string, server http.Handler) error {
	g, err := guard.New(guard.Config{
		Resource: oauth.Resource{URI: address + "/mcp"},
		Servers:  []string{issuer},
		Issuers:  []token.Issuer{guard.Issuer(issuer, address+"/mcp")},
	})
	if err != nil {
		return err
	}
	mux.Handle("/mcp", g.Protect(server))
	mux.Handle("/.well-known/oauth-protected-resource/mcp", g.Metadata())
	return nil
}
