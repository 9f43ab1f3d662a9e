package authserver

import (
	"maps"
	"net/http"
	"slices"

	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
)

// Metadata is the document of RFC 8414. It stands at the OpenID address too, for clients that look only there.
func (s *Server) Metadata() oauth.ServerMetadata {
	scopes := oauth.Scopes{oauth.OfflineAccess}
	for _, r := range s.c.Resources {
		scopes = scopes.Union(r.InitialScopes())
	}
	methods := []string{"none", "client_secret_basic", "client_secret_post"}
	return oauth.ServerMetadata{
		Issuer:                s.c.Issuer,
		AuthorizationEndpoint: s.c.Issuer + "/authorize",
		TokenEndpoint:         s.c.Issuer + "/token",
		RegistrationEndpoint:  s.c.Issuer + "/register",
		RevocationEndpoint:    s.c.Issuer + "/revoke",
		JWKSURI:               s.c.Issuer + "/jwks",
		ScopesSupported:       scopes,
		ResponseTypes:         []string{"code"},
		ResponseModes:         []string{"query"},
		GrantTypes:            slices.Sorted(maps.Keys(grants)),
		TokenAuthMethods:      methods,
		RevocationAuthMethods: methods,
		ChallengeMethods:      []string{"S256"},
		IssParameter:          true, // RFC 9207 §3
		ClientIDDocuments:     true,
	}
}

func (s *Server) serveMetadata(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, "public, max-age=300", s.Metadata())
}

func (s *Server) serveKeys(w http.ResponseWriter, r *http.Request) error {
	return writeJSON(w, http.StatusOK, "public, max-age=300", s.Ring().Public(request.From(r.Context()).Now))
}
