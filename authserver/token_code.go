package authserver

import (
	"context"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/grant"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// redeem is the authorization_code grant. RFC 6749 §4.1.3, RFC 7636 §4.5.
func (s *Server) redeem(ctx context.Context, in audit.Intent, c oauth.Client, p oauth.Params) (issued, error) {
	switch {
	case p.Get("code") == "":
		return issued{}, oauth.InvalidRequest("no_code", "the request has no code")
	case p.Get("code_verifier") == "":
		return issued{}, oauth.InvalidRequest("no_verifier", "the request has no code_verifier: PKCE is required")
	}
	w, err := s.wanted(p)
	if err != nil {
		return issued{}, err
	}
	redirect := p.Get("redirect_uri")
	if redirect == "" && len(c.RedirectURIs) == 1 { // OAuth 2.1 §4.1.3 leaves it out
		redirect = c.RedirectURIs[0]
	}
	code := grant.Code{Raw: token.NewSecret(p.Get("code")), Client: c.ID, Redirect: redirect, Verifier: p.Get("code_verifier"), Wanted: w}
	g, verdict, err := s.c.Store.Grants.Redeem(ctx, in, code)
	if err != nil {
		return issued{}, err
	}
	if verdict != grant.Good {
		return issued{}, refusal(verdict)
	}
	return s.served(issued{g, w})
}
