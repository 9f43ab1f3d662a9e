package authserver

import (
	"context"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/grant"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// redeem is the authorization_code grant. RFC 6749 §4.1.3, RFC 7636 §4.5.
func (s *Server) redeem(ctx context.Context, a ask) (act, error) {
	switch {
	case a.params.Get("code") == "":
		return nil, oauth.InvalidRequest("no_code", "the request has no code")
	case a.params.Get("code_verifier") == "":
		return nil, oauth.InvalidRequest("no_verifier", "the request has no code_verifier: PKCE is required")
	}
	return s.redeemed(ctx, a, grant.Code{Raw: token.NewSecret(a.params.Get("code")), Client: a.client.ID,
		Redirect: a.params.Get("redirect_uri"), Verifier: a.params.Get("code_verifier")})
}

// redeemed is the act that redeems a code, be it of a browser or of a device.
func (s *Server) redeemed(ctx context.Context, a ask, c grant.Code) (act, error) {
	g, w, err := s.found(ctx, a, grant.Name{Code: c.Hash()})
	if err != nil {
		return nil, err
	}
	c.Wanted = w
	if _, verdict := g.Redeem(a.info.Now, c); settled(verdict) {
		return nil, refusal(verdict)
	}
	return func(ctx context.Context, in audit.Intent) (issued, error) {
		g, verdict, err := s.c.Store.Grants.Redeem(ctx, in, c)
		if err != nil {
			return issued{}, err
		}
		if verdict != grant.Good {
			return issued{}, refusal(verdict)
		}
		return s.give(in.Now(), g, w), nil
	}, nil
}
