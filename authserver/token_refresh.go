package authserver

import (
	"context"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/grant"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// rotate is the refresh_token grant. RFC 6749 §6, RFC 9700 §4.14.
func (s *Server) rotate(ctx context.Context, in audit.Intent, c oauth.Client, p oauth.Params) (issued, error) {
	if p.Get("refresh_token") == "" {
		return issued{}, oauth.InvalidRequest("no_refresh_token", "the request has no refresh_token")
	}
	w, err := s.wanted(p)
	if err != nil {
		return issued{}, err
	}
	r, ok := grant.ParseRefresh(token.NewSecret(p.Get("refresh_token")))
	if !ok {
		return issued{}, refusal(grant.Refused)
	}
	r.Client, r.Wanted = c.ID, w
	g, verdict, err := s.c.Store.Grants.Rotate(ctx, in, r, s.c.Lifetimes)
	switch {
	case err != nil:
		return issued{}, err
	case verdict == grant.Alarm:
		s.c.Slog.WarnContext(ctx, "a refresh token that was never given was presented: has the database been set back?", "grant", g.ID, "client", c.ID)
	}
	if verdict != grant.Good && verdict != grant.Again {
		return issued{}, refusal(verdict)
	}
	return s.served(issued{g, w})
}
