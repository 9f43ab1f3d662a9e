package authserver

import (
	"context"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/grant"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// rotate is the refresh_token grant. RFC 6749 §6, RFC 9700 §4.14.
func (s *Server) rotate(ctx context.Context, a ask) (act, error) {
	if a.params.Get("refresh_token") == "" {
		return nil, oauth.InvalidRequest("no_refresh_token", "the request has no refresh_token")
	}
	r, ok := grant.ParseRefresh(token.NewSecret(a.params.Get("refresh_token")))
	if !ok {
		return nil, refusal(grant.Refused)
	}
	g, w, err := s.found(ctx, a, grant.Name{ID: r.Grant()})
	if err != nil {
		return nil, err
	}
	r.Client, r.Wanted = a.client.ID, w
	if _, verdict := g.Rotate(a.info.Now, r, s.c.Lifetimes.Lifetimes); settled(verdict) {
		return nil, refusal(verdict)
	}
	return func(ctx context.Context, in audit.Intent) (issued, error) {
		g, verdict, err := s.c.Store.Grants.Rotate(ctx, in, r, s.c.Lifetimes.Lifetimes)
		switch {
		case err != nil:
			return issued{}, err
		case verdict == grant.Alarm:
			s.c.Slog.WarnContext(ctx, "a refresh token that was never given was presented: has the database been set back?", "grant", g.ID, "client", a.client.ID)
		}
		if verdict != grant.Good && verdict != grant.Again {
			return issued{}, refusal(verdict)
		}
		return s.give(in.Now(), g, w), nil
	}, nil
}
