package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/doorward-mcp/doorward/oauth"
)

const (
	maxFruitless = 2                // how often a person is asked without the server taking a token from it
	fruitlessFor = 10 * time.Minute // how long nobody is asked after that
	refreshPause = 10 * time.Second // between attempts at a refresh that is due but not yet needed
)

// answer looks at the server's answer to a request that went out with used (nil: with no token), and reports whether
// the request should go out again. false without an error: the answer is the caller's.
func (t *Transport) answer(ctx context.Context, used *tokens, op string, resp *http.Response) (again bool, err error) {
	ch, ours := challenge(resp.Header)
	switch {
	case resp.StatusCode == http.StatusUnauthorized && ours:
		return true, t.renew(ctx, used, ch)
	case resp.StatusCode == http.StatusForbidden && ours && ch.Error == "insufficient_scope":
		t.accepted(used)
		return t.stepUp(ctx, used, op, ch)
	case resp.StatusCode < 500 && resp.StatusCode != http.StatusUnauthorized:
		t.accepted(used)
	}
	return false, nil
}

// accepted notes that the server took the token: later refusals of it are news, not a loop.
func (t *Transport) accepted(used *tokens) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if used == nil {
		return
	}
	used.proven = true
	t.fruitless = 0
}

// renew replaces a token that the server refused with 401: by one that somebody else obtained meanwhile, by a
// refresh, by a sign-in, in this order, and a refresh only once for each token that a person signed in for or that
// the server had accepted.
func (t *Transport) renew(ctx context.Context, used *tokens, ch oauth.Challenge) error {
	return t.together(ctx, func() error {
		cur := t.have()
		if cur != used {
			return nil
		}
		found, err := t.discover(ctx, ch)
		if err != nil {
			return err
		}
		if cur != nil && cur.Issuer == found.server.Issuer && t.mayRefresh(cur) {
			err := t.refresh(ctx, cur)
			if !errors.Is(err, errStale) {
				return err
			}
		}
		return t.signIn(ctx, found, ch.Scope)
	})
}

func (t *Transport) mayRefresh(cur *tokens) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !cur.Refresh.Empty() && (cur.proven || !cur.refreshed)
}

// have is the token in hand, nil if there is none.
func (t *Transport) have() *tokens {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cur
}

func (t *Transport) take(cur *tokens) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cur = cur
}

// current is the token to send now: kept from earlier, refreshed when it is about to end. nil: none.
func (t *Transport) current(ctx context.Context) (*tokens, error) {
	if err := t.load(ctx); err != nil {
		return nil, err
	}
	now := t.o.Now()
	cur := t.have()
	if cur == nil || !cur.due(now) || cur.Refresh.Empty() || t.pausing(now) {
		return cur, nil
	}
	err := t.alone(ctx, func() error {
		if t.have() != cur {
			return nil // another goroutine was first
		}
		return t.refresh(ctx, cur)
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		// The old token goes out: it may still be good, and if not, the server's 401 starts what has to be done.
		t.log.InfoContext(ctx, "the token could not be refreshed ahead of its end", "issuer", cur.Issuer, "error", err)
		t.pause(now)
	}
	return t.have(), nil
}

func (t *Transport) pausing(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return now.Before(t.paused)
}

func (t *Transport) pause(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.paused = now.Add(refreshPause)
}

// fruitful refuses to ask a person again when the server took no token from the last times, so that no server can keep
// opening windows. MCP 2025-11-25, Scope Challenge Handling, asks for such limits.
func (t *Transport) fruitful(now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fruitless >= maxFruitless && now.Sub(t.asked) < fruitlessFor {
		return fmt.Errorf("%w: the person was asked %d times, and the server took no token since", ErrSignIn, t.fruitless)
	}
	return nil
}

// asking counts that a person is asked now.
func (t *Transport) asking() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fruitless++
	t.asked = t.o.Now()
}

// errRefused is a refusal that stands.
func errRefused(resp *http.Response) error {
	return fmt.Errorf("the server refused the request: %s", printable(resp.Status, 64))
}
