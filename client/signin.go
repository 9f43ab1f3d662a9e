package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/doorward-mcp/doorward/oauth"
)

// signIn gets new tokens from found's authorization server, by asking the person. want is what the server's challenge
// asks for. Only one process at a time asks for one server: the others find its tokens when it is done.
func (t *Transport) signIn(ctx context.Context, found discovered, want oauth.Scopes) error {
	if err := t.fruitful(t.o.Now()); err != nil {
		return err
	}
	unlock, err := t.o.Keeper.Lock(ctx, Key{Resource: t.address()})
	if err != nil {
		return fmt.Errorf("%w: waiting for another process that signs in: %w", ErrSignIn, err)
	}
	defer unlock()
	old := t.have()
	if other := t.another(ctx, found, old, want); other != nil {
		t.take(other)
		return nil
	}
	if t.o.Browser == nil {
		return fmt.Errorf("%w: %w", ErrSignIn, ErrNobody)
	}
	asked := chooseScopes(found, want)
	if old != nil && old.Issuer == found.server.Issuer {
		asked = asked.Union(old.Asked)
	}
	cur, err := t.ask(ctx, found, asked)
	if err != nil {
		return fmt.Errorf("%w at %s: %w", ErrSignIn, printable(found.server.Issuer, 300), err)
	}
	if old != nil && old.Issuer != cur.Issuer {
		// MCP 2026-07-28, Authorization Server Binding: the server has left that issuer.
		if err := t.o.Keeper.Forget(ctx, Key{old.Issuer, old.Resource}); err != nil {
			t.log.WarnContext(ctx, "the tokens of the former issuer are still kept", "issuer", old.Issuer, "error", err)
		}
	}
	t.adopt(ctx, cur)
	return nil
}

// adopt takes new tokens into use and keeps them. That they cannot be kept costs a sign-in later, not now.
func (t *Transport) adopt(ctx context.Context, cur *tokens) {
	if err := t.keep(context.WithoutCancel(ctx), cur); err != nil {
		t.log.WarnContext(ctx, "the tokens cannot be kept", "issuer", cur.Issuer, "error", err)
	}
	t.take(cur)
}

// another looks for tokens that another process obtained since ours: of this issuer, good, and enough for want.
func (t *Transport) another(ctx context.Context, found discovered, old *tokens, want oauth.Scopes) *tokens {
	kept, err := t.keptAt(ctx, found.server.Issuer, found.resource)
	if err != nil || kept.due(t.o.Now()) || !kept.Granted.Covers(want) {
		return nil
	}
	if old != nil && kept.Access == old.Access {
		return nil
	}
	return kept
}

// chooseScopes is MCP 2025-11-25, Scope Selection Strategy: what the challenge asks for, else all that the resource
// lists, else none. MCP 2026-07-28, Refresh Tokens: offline_access is added only where the authorization server lists it.
// It is not added to nothing: a scope parameter with it alone would undo the server's own default.
func chooseScopes(found discovered, challenged oauth.Scopes) oauth.Scopes {
	scopes := challenged
	if len(scopes) == 0 {
		scopes = found.scopes
	}
	if len(scopes) == 0 {
		return nil
	}
	if oauth.NewScopes(found.server.ScopesSupported...).Contains(oauth.OfflineAccess) {
		scopes = scopes.Union(oauth.NewScopes(oauth.OfflineAccess))
	}
	return scopes
}

// ask has the person sign in, and once more with a new client id if the one in hand is not known any more.
func (t *Transport) ask(ctx context.Context, found discovered, asked oauth.Scopes) (*tokens, error) {
	cur, reg, err := t.askOnce(ctx, found, asked)
	if err == nil {
		return cur, nil
	}
	// An id that we registered ourselves may have expired there: it is forgotten, also when the browser never came back,
	// because an authorization server shows its error about an unknown client to the person alone (RFC 6749 §4.1.2.1).
	// Ids that were given stay.
	unknown, silent := errors.Is(err, errClient), errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
	if reg.Source != oauth.Dynamic || !unknown && !silent {
		return nil, err
	}
	if err := t.o.Keeper.Forget(ctx, Key{Issuer: found.server.Issuer}); err != nil {
		return nil, err
	}
	if silent || reg.fresh {
		return nil, err
	}
	cur, _, err = t.askOnce(ctx, found, asked)
	return cur, err
}

func (t *Transport) askOnce(ctx context.Context, found discovered, asked oauth.Scopes) (*tokens, registration, error) {
	cb, reg, err := t.prepare(ctx, found.server)
	if err != nil {
		return nil, reg, err
	}
	defer cb.close()
	f := newFlow(found, reg, cb.redirect, asked)
	code, err := t.authorize(ctx, f, cb)
	if err != nil {
		return nil, reg, err
	}
	answer, err := t.exchange(ctx, f, code)
	if err != nil {
		return nil, reg, err
	}
	cur := answer.tokens(t.o.Now(), asked)
	cur.Issuer, cur.Resource, cur.Endpoint, cur.Client = found.server.Issuer, found.resource, found.server.TokenEndpoint, reg
	cur.Asked = asked
	return cur, reg, nil
}

// prepare opens the listener and has a client id whose redirect address is the listener's. The port of an earlier
// registration is taken again, because not every authorization server leaves the port free (RFC 8252 §7.3); when it is
// in use, a client that registers itself registers anew.
func (t *Transport) prepare(ctx context.Context, md oauth.ServerMetadata) (*callback, registration, error) {
	reg, err := t.registered(ctx, md)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, reg, err
	}
	known := err == nil
	redirect := t.o.Redirect
	if known {
		redirect = reg.Redirect
	}
	cb, err := listen(ctx, redirect)
	if err != nil && known && reg.Source == oauth.Dynamic {
		known = false
		cb, err = listen(ctx, t.o.Redirect)
	}
	if err != nil {
		return nil, reg, err
	}
	if !known {
		if reg, err = t.register(ctx, md, cb.redirect); err != nil {
			cb.close()
			return nil, reg, err
		}
	}
	return cb, reg, nil
}
