package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// refresh replaces cur by what its refresh token gives, or by what another process got with it: of all processes over
// one Keeper, one refreshes, and the others take its result and never send the old refresh token again. errStale: it
// is no good any more, and is forgotten. Other errors say nothing about the token.
func (t *Transport) refresh(ctx context.Context, cur *tokens) error {
	key := Key{cur.Issuer, cur.Resource}
	unlock, err := t.o.Keeper.Lock(ctx, key)
	if err != nil {
		return fmt.Errorf("%w: waiting for another process that refreshes: %w", ErrSignIn, err)
	}
	defer unlock()
	kept, err := t.keptAt(ctx, cur.Issuer, cur.Resource)
	switch {
	case err == nil && kept.Access != cur.Access:
		if !kept.due(t.o.Now()) {
			t.take(kept)
			return nil
		}
		cur = kept
	case errors.Is(err, ErrNotFound):
		// Somebody signed out here; their refresh token is revoked, and ours is the same one.
		return t.stale(ctx, cur)
	}
	if cur.Refresh.Empty() {
		return t.stale(ctx, cur)
	}
	// A caller that goes away must not leave a rotated token unread.
	ctx = context.WithoutCancel(ctx)
	answer, err := t.tokenRequest(ctx, cur.Endpoint, cur.Client, url.Values{
		"grant_type":    {"refresh_token"},
		"refresh_token": {cur.Refresh.Reveal()},
		"resource":      {cur.Resource}, // RFC 8707 §2.2, MCP 2025-06-18: also here
	})
	if err != nil {
		return t.refreshFailed(ctx, cur, err)
	}
	t.renewed(ctx, cur, answer)
	return nil
}

// renewed takes the answer of a refresh into use.
func (t *Transport) renewed(ctx context.Context, cur *tokens, answer tokenAnswer) {
	next := answer.tokens(t.o.Now(), cur.Granted)
	next.Issuer, next.Resource, next.Endpoint, next.Client, next.Asked = cur.Issuer, cur.Resource, cur.Endpoint, cur.Client, cur.Asked
	next.refreshed = true
	if next.Refresh.Empty() {
		next.Refresh = cur.Refresh // RFC 6749 §6: without a new one the old one stays
	}
	if err := t.keep(ctx, next); err != nil {
		t.log.WarnContext(ctx, "the refreshed tokens cannot be kept", "issuer", next.Issuer, "error", err)
	}
	t.take(next)
}

func (t *Transport) refreshFailed(ctx context.Context, cur *tokens, err error) error {
	var answer *AnswerError
	if !errors.As(err, &answer) {
		return fmt.Errorf("%w: refreshing at %s: %w", ErrSignIn, printable(cur.Issuer, 300), err)
	}
	switch answer.Code {
	case "invalid_client":
		// The registration is gone there: the next sign-in makes a new one.
		if cur.Client.Source == oauth.Dynamic {
			if err := t.o.Keeper.Forget(ctx, Key{Issuer: cur.Issuer}); err != nil {
				return fmt.Errorf("%w: %w", ErrSignIn, err)
			}
		}
	case "temporarily_unavailable", "server_error", "slow_down":
		return fmt.Errorf("%w: refreshing at %s: %w", ErrSignIn, printable(cur.Issuer, 300), err)
	}
	// invalid_grant, and what only a new sign-in can mend: invalid_target, invalid_scope, unauthorized_client.
	t.log.InfoContext(ctx, "a refresh token was refused", "issuer", cur.Issuer, "code", answer.Code)
	return t.stale(ctx, cur)
}

// stale drops the refresh token and keeps the rest in memory: what was asked for is asked for again.
func (t *Transport) stale(ctx context.Context, cur *tokens) error {
	if err := t.o.Keeper.Forget(ctx, Key{cur.Issuer, cur.Resource}); err != nil {
		t.log.WarnContext(ctx, "tokens that are no good are still kept", "issuer", cur.Issuer, "error", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cur != nil && t.cur.Access == cur.Access {
		next := *t.cur
		next.Refresh = token.Secret{}
		t.cur = &next
	}
	return errStale
}
