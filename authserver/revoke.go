package authserver

import (
	"context"
	"errors"
	"net/http"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/grant"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// serveRevoke takes a token back. RFC 7009 §2.2: a token that is no good is no error; §2.1: one of another client is
// refused, which here reads the same as one that is no good, so that nobody learns of it.
func (s *Server) serveRevoke(w http.ResponseWriter, r *http.Request) error {
	p, err := readForm(w, r)
	if err != nil {
		return s.tokenRefused(r, p, err)
	}
	raw := token.NewSecret(p.Get("token"))
	if raw.Empty() {
		return s.tokenRefused(r, p, oauth.InvalidRequest("no_token", "the request has no token"))
	}
	c, err := s.revoker(r, p, raw)
	if err == nil {
		err = s.revoke(r, c, raw)
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return s.tokenRefused(r, p, err)
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	return nil
}

// revoker is who wants a token taken back. A public client whose document is not at hand is known by the grant of the token.
func (s *Server) revoker(r *http.Request, p oauth.Params, raw token.Secret) (oauth.Client, error) {
	if !s.unread(r, p) {
		return s.client(r, p)
	}
	if refresh, ok := grant.ParseRefresh(raw); ok {
		return s.grantee(r, p, grant.Name{ID: refresh.Grant()})
	}
	caller, err := s.own.Inspect(r.Context(), request.From(r.Context()).Now, raw.Reveal())
	if err != nil || caller.Grant == "" {
		return oauth.Client{}, ErrNotFound
	}
	return s.grantee(r, p, grant.Name{ID: caller.Grant})
}

func (s *Server) revoke(r *http.Request, c oauth.Client, raw token.Secret) error {
	now := request.From(r.Context()).Now
	if refresh, ok := grant.ParseRefresh(raw); ok {
		g, err := s.c.Store.Grants.Find(r.Context(), now, grant.Name{ID: refresh.Grant()})
		if errors.Is(err, ErrNotFound) || err == nil && (g.Client != c.ID || !g.Genuine(refresh)) {
			return nil
		}
		if err != nil {
			return err
		}
		return s.takeBack(r, c, g.Subject, audit.Outcome{Grant: g.ID, Client: c.ID}, func(ctx context.Context, in audit.Intent) error {
			return s.c.Store.Grants.Revoke(ctx, in, g.ID)
		})
	}
	caller, err := s.own.Inspect(r.Context(), now, raw.Reveal())
	if err != nil || caller.Client != c.ID {
		return nil
	}
	return s.takeBack(r, c, caller.Principal, audit.Outcome{Grant: caller.Grant, Client: c.ID, Token: caller.ID}, func(ctx context.Context, in audit.Intent) error {
		return s.c.Store.Revoked.Revoke(ctx, in, token.Revocation{ID: caller.ID, NotBefore: caller.Expires.Add(token.Leeway), Until: caller.Expires.Add(2 * token.Leeway)})
	})
}

func (s *Server) takeBack(r *http.Request, c oauth.Client, who token.Principal, out audit.Outcome, act func(context.Context, audit.Intent) error) error {
	info := request.From(r.Context())
	record := audit.Record{Code: audit.GrantRevoked, Now: info.Now, Request: info.ID, Client: info.Client, Subject: who, About: c.ID}
	_, err := s.c.Log.Do(r.Context(), record, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		return out, act(ctx, in)
	})
	return err
}
