package authserver

import (
	"maps"
	"net/http"
	"slices"

	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// idJAGProfile says that ID-JAGs are taken. Enterprise-managed authorization, Discovery.
const idJAGProfile = "urn:ietf:params:oauth:grant-profile:id-jag"

// offers reports whether a grant type can give anything here at all.
func (s *Server) offers(grantType string) bool {
	switch grantType {
	case deviceGrant:
		return s.devices()
	case jwtBearer:
		return len(s.c.Trusts) > 0
	}
	return true
}

func (s *Server) grantTypes() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(grants)), func(g string) bool { return !s.offers(g) })
}

// Metadata is the document of RFC 8414. What it names works, and what works it names.
func (s *Server) Metadata() oauth.ServerMetadata {
	scopes := oauth.Scopes{oauth.OfflineAccess}
	for _, r := range s.c.Resources {
		scopes = scopes.Union(r.InitialScopes())
	}
	confidential := []string{"client_secret_basic", "client_secret_post", "private_key_jwt"}
	methods := append([]string{"none"}, confidential...)
	m := oauth.ServerMetadata{
		Issuer:                s.c.Issuer,
		AuthorizationEndpoint: s.c.Issuer + "/authorize",
		TokenEndpoint:         s.c.Issuer + "/token",
		PushedEndpoint:        s.c.Issuer + "/par",
		RevocationEndpoint:    s.c.Issuer + "/revoke",
		IntrospectionEndpoint: s.c.Issuer + "/introspect",
		JWKSURI:               s.c.Issuer + "/jwks",
		ScopesSupported:       scopes,
		ResponseTypes:         []string{"code"},
		ResponseModes:         []string{"query"},
		GrantTypes:            s.grantTypes(),
		TokenAuthMethods:      methods,
		TokenAuthAlgorithms:   token.Algorithms(),
		RevocationAuthMethods: methods,
		RevocationAuthAlgs:    token.Algorithms(),
		IntrospectAuthMethods: confidential,
		IntrospectAuthAlgs:    token.Algorithms(),
		ChallengeMethods:      []string{"S256"},
		DPoPAlgorithms:        token.Algorithms(),
		DetailTypes:           []string{token.TaskType},
		PromptsSupported:      prompts,
		ACRValues:             s.c.ACR,
		IssParameter:          true, // RFC 9207 §3
		ClientIDDocuments:     s.c.Documents,
	}
	if s.c.Registers {
		m.RegistrationEndpoint = s.c.Issuer + "/register"
	}
	if s.devices() {
		m.DeviceEndpoint = s.c.Issuer + "/device_authorization"
	}
	if slices.ContainsFunc(s.c.Trusts, func(t Trust) bool { return t.Identity }) {
		m.GrantProfiles = []string{idJAGProfile}
	}
	return m
}

// OpenID is the document of OpenID Connect Discovery: the same, and what an OpenID client needs besides. Clients of MCP
// that look here for scopes to ask for are not led to ask who the person is: openid stands in this document only.
func (s *Server) OpenID() oauth.ServerMetadata {
	m := s.Metadata()
	m.UserInfoEndpoint = s.c.Issuer + "/userinfo"
	m.EndSessionEndpoint = s.c.Issuer + "/logout"
	m.ScopesSupported = oauth.Scopes(m.ScopesSupported).Union(oauth.NewScopes(openID, profile))
	m.SubjectTypes = []string{"public"}
	m.IDTokenAlgorithms = []string{"ES256"}
	m.ClaimsSupported = []string{"sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "nonce", "at_hash", "name", "preferred_username", "groups"}
	return m
}

func (s *Server) serveMetadata(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, "public, max-age=300", s.Metadata())
}

func (s *Server) serveOpenID(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, "public, max-age=300", s.OpenID())
}

func (s *Server) serveKeys(w http.ResponseWriter, r *http.Request) error {
	return writeJSON(w, http.StatusOK, "public, max-age=300", s.Ring().Public(request.From(r.Context()).Now))
}
