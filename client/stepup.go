package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	json "github.com/go-json-experiment/json"

	"github.com/doorward-mcp/doorward/oauth"
)

const (
	maxStepUps    = 3         // attempts at more scope for one operation. MCP 2025-11-25: "a few"; the official suite: three
	stepUpFor     = time.Hour // how long attempts and denials are remembered
	maxOperations = 256       // operations whose attempts are remembered
	maxPeek       = 64 << 10  // bytes of a request that are read to learn which operation it is
)

// stepup is what was tried for one operation. Success does not wipe it: a server could refuse every other call.
type stepup struct {
	since    time.Time // of the first attempt; the rest is forgotten stepUpFor later
	attempts int
	refused  oauth.Scopes // what the person or the authorization server did not grant
}

// stepUp asks for what a 403 insufficient_scope says is lacking, together with all that was asked for before.
// MCP 2026-07-28, Scope Challenge Handling: the union, a bound on attempts, denials remembered.
func (t *Transport) stepUp(ctx context.Context, used *tokens, op string, ch oauth.Challenge) (again bool, err error) {
	err = t.together(ctx, func() error {
		cur := t.have()
		if cur != used && cur != nil && cur.Granted.Covers(ch.Scope) {
			again = true // somebody else stepped up meanwhile
			return nil
		}
		s := t.mayStepUp(op, cur, ch.Scope)
		if s == nil {
			return nil
		}
		found, err := t.discover(ctx, ch)
		if err != nil {
			return err
		}
		err = t.signIn(ctx, found, ch.Scope)
		if errors.Is(err, ErrDenied) {
			t.refusedScopes(s, ch.Scope)
			return nil // the server's 403 is the answer
		}
		if err != nil {
			return err
		}
		// RFC 6749 §3.3: the server may grant less than was asked for. It would grant no more the next time.
		t.refusedScopes(s, t.have().Granted.Missing(ch.Scope))
		again = true
		return nil
	})
	return again, err
}

// mayStepUp counts an attempt, or returns nil because another one would end like those before it.
func (t *Transport) mayStepUp(op string, cur *tokens, want oauth.Scopes) *stepup {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.stepups[op]
	if now := t.o.Now(); s == nil || now.Sub(s.since) > stepUpFor {
		if len(t.stepups) >= maxOperations {
			clear(t.stepups)
		}
		s = &stepup{since: now}
		t.stepups[op] = s
	}
	had := cur != nil && cur.Granted.Covers(want)
	switch {
	case len(want) == 0: // nothing to ask for
		return nil
	case s.attempts >= maxStepUps, had && s.attempts > 0, len(s.refused.Intersect(want)) > 0:
		return nil
	}
	s.attempts++
	return s
}

func (t *Transport) refusedScopes(s *stepup, scopes oauth.Scopes) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.refused = s.refused.Union(scopes)
}

// operation names what a request is about: the MCP method and what it is for, from the headers of 2026-07-28 or from
// the body. It only keys counters: a body that cannot be read gives one key for all such bodies.
func operation(h http.Header, method string, body replay) string {
	if m := h.Get("Mcp-Method"); m != "" {
		return m + " " + h.Get("Mcp-Name")
	}
	var m struct {
		Method string `json:"method"`
		Params struct {
			Name string `json:"name"`
			URI  string `json:"uri"`
		} `json:"params"`
	}
	if body.again != nil {
		if r, err := body.again(); err == nil {
			text, _ := io.ReadAll(io.LimitReader(r, maxPeek))
			_ = r.Close()
			_ = json.Unmarshal(text, &m)
		}
	}
	return method + " " + m.Method + " " + m.Params.Name + m.Params.URI
}
