package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/provider"
	"github.com/doorward-mcp/doorward/token"
)

const (
	tokensKept   = 10_000           // tokens of one server's callers
	tokenLeeway  = 30 * time.Second // a token is not used for so long before it expires, or for a fifth of its life
	refusedKept  = 5 * time.Second  // a refusal serves so long
	missingKept  = 2 * time.Second  // and that the server cannot be reached
	renewedAgain = 10 * time.Second // how soon a token that was renewed is renewed again
	askedAtOnce  = 32
	askedFor     = 15 * time.Second
)

// Asking gets a token for a caller's calls.
type Asking func(ctx context.Context, now time.Time, c token.Caller) (provider.Token, error)

// Tokens is a credential that is asked for at an authorization server and kept while it is good. What was asked for one
// caller serves that caller alone: whoever differs in anything that the server was told is another. It is safe for
// concurrent use.
type Tokens struct {
	ask    Asking
	shared bool
	slog   *slog.Logger
	kept   *otter.Cache[string, keptToken]
	slots  chan struct{} // askings that go on

	mu      sync.Mutex              // guards asking, and that kept goes with it
	flights map[string]*tokenFlight // :: whose → the asking that goes on
}

// keptToken is a token, or that there is none.
type keptToken struct {
	header         string // the Authorization header; empty: none
	err            error
	until, renewed time.Time
}

type tokenFlight struct {
	over chan struct{} // closed when got is there
	got  keptToken
}

// NewTokens keeps what ask gets. A shared token is everybody's, as that of the gateway's own is.
func NewTokens(ask Asking, shared bool, log *slog.Logger) *Tokens {
	if log == nil {
		log = slog.Default()
	}
	return &Tokens{ask: ask, shared: shared, slog: log, slots: make(chan struct{}, askedAtOnce), flights: map[string]*tokenFlight{},
		kept: otter.Must(&otter.Options[string, keptToken]{MaximumSize: tokensKept})}
}

func (t *Tokens) whose(c guard.Call) string {
	if t.shared {
		return ""
	}
	return identity(c.Caller)
}

// Set is a Credential.
func (t *Tokens) Set(ctx context.Context, c guard.Call, h http.Header) error {
	k, err := t.get(ctx, c, t.whose(c))
	if err == nil {
		err = k.err
	}
	if err != nil {
		return t.fault(ctx, c, err)
	}
	h["Authorization"] = []string{k.header}
	return nil
}

// Renew is a Renew. A token is renewed once in a while: an upstream that refuses whatever it gets makes nobody ask with
// every call.
func (t *Tokens) Renew(c guard.Call, sent http.Header) bool {
	whose := t.whose(c)
	t.mu.Lock()
	defer t.mu.Unlock()
	k, ok := t.kept.GetIfPresent(whose)
	if !ok || k.header != sent.Get("Authorization") {
		return true // it has been renewed since
	}
	if !k.renewed.IsZero() && c.Request.Now.Sub(k.renewed) < renewedAgain {
		return false
	}
	t.kept.Set(whose, keptToken{renewed: c.Request.Now})
	return true
}

func (t *Tokens) get(ctx context.Context, c guard.Call, whose string) (keptToken, error) {
	if k, ok := t.kept.GetIfPresent(whose); ok && c.Request.Now.Before(k.until) {
		return k, nil
	}
	f := t.begin(ctx, c, whose)
	select {
	case <-f.over:
		return f.got, nil
	case <-ctx.Done():
		return keptToken{}, context.Cause(ctx)
	}
}

// begin joins the asking that goes on, or begins one, which goes on when its caller goes away: others wait for it.
func (t *Tokens) begin(ctx context.Context, c guard.Call, whose string) *tokenFlight {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f := t.flights[whose]; f != nil {
		return f
	}
	f := &tokenFlight{over: make(chan struct{})}
	before, ok := t.kept.GetIfPresent(whose)
	if ok && c.Request.Now.Before(before.until) {
		f.got = before
		close(f.over)
		return f
	}
	t.flights[whose] = f
	go t.fly(context.WithoutCancel(ctx), c, whose, f, before.renewed)
	return f
}

func (t *Tokens) fly(ctx context.Context, c guard.Call, whose string, f *tokenFlight, renewed time.Time) {
	got := t.fetch(ctx, c)
	got.renewed = renewed
	t.mu.Lock()
	defer t.mu.Unlock()
	f.got = got
	t.kept.Set(whose, got)
	delete(t.flights, whose)
	close(f.over)
}

func (t *Tokens) fetch(ctx context.Context, c guard.Call) keptToken {
	now := c.Request.Now
	ctx, cancel := context.WithTimeout(ctx, askedFor)
	defer cancel()
	select {
	case t.slots <- struct{}{}:
		defer func() { <-t.slots }()
	case <-ctx.Done():
		return keptToken{err: provider.ErrUnreachable, until: now.Add(missingKept)}
	}
	got, err := t.ask(ctx, now, c.Caller)
	switch {
	case errors.Is(err, provider.ErrUnreachable):
		return keptToken{err: err, until: now.Add(missingKept)}
	case err != nil:
		return keptToken{err: err, until: now.Add(refusedKept)}
	}
	life := got.Expires.Sub(now)
	return keptToken{header: "Bearer " + got.Text.Reveal(), until: got.Expires.Add(-min(tokenLeeway, life/5))}
}

// fault is the answer when there is no credential. Why there is none is for the log.
func (t *Tokens) fault(ctx context.Context, c guard.Call, err error) error {
	if ours(ctx) {
		return err
	}
	t.slog.WarnContext(ctx, "upstream credential", "request", c.Request.ID, "server", c.Server, "error", err)
	if errors.Is(err, provider.ErrUnreachable) {
		f := newFault(c, http.StatusServiceUnavailable, codeCredential, "the server that gives the credential for this call cannot be reached")
		f.retry = int(missingKept / time.Second)
		return f
	}
	return newFault(c, 0, codeCredential, "there is no credential for this call: it was refused to the gateway")
}
