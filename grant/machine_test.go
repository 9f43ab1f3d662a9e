package grant_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorward-mcp/doorward/grant"
	"github.com/doorward-mcp/doorward/token"
)

// machine is a grant, everybody who may hold a token of it, and the clock.
type machine struct {
	g       grant.Grant
	code    token.Secret
	now     time.Time
	given   []string // every refresh token that was given, oldest first, each once
	revoked bool
	rotated time.Time // when the newest was given
}

// present has somebody present a token that was once given.
func (m *machine) present(t *rapid.T, raw string) {
	r, ok := grant.ParseRefresh(token.NewSecret(raw))
	if !ok {
		t.Fatalf("%s is not parsed", raw)
	}
	r.Client = client
	before := m.g
	var v grant.Verdict
	m.g, v = m.g.Rotate(m.now, r, lives)
	at := slices.Index(m.given, raw)
	newest := len(m.given) - 1
	switch v {
	case grant.Good:
		if at != newest || m.revoked {
			t.Fatalf("generation %d of %d rotates", at, newest)
		}
		next := m.g.RefreshToken().Reveal()
		if slices.Contains(m.given, next) {
			t.Fatal("a token was given twice")
		}
		m.given, m.rotated = append(m.given, next), m.now
	case grant.Again:
		// Never two lines of succession: what is given again is the newest, and only to who holds the one before.
		if at != newest-1 || m.g.RefreshToken().Reveal() != m.given[newest] || m.now.Sub(m.rotated) > lives.RefreshGrace || m.revoked {
			t.Fatalf("generation %d of %d is answered again, %s after", at, newest, m.now.Sub(m.rotated))
		}
	case grant.Stolen:
		if at >= newest || m.now.Sub(m.rotated) <= lives.RefreshGrace || m.revoked {
			t.Fatalf("generation %d of %d revokes, %s after", at, newest, m.now.Sub(m.rotated))
		}
		m.revoked = true
	case grant.Refused:
		idle := !m.now.Before(before.IdleUntil) || !m.now.Before(before.Until)
		window := at < newest-1 && m.now.Sub(m.rotated) <= lives.RefreshGrace
		if !m.revoked && !idle && !window {
			t.Fatalf("generation %d of %d is refused, %s after", at, newest, m.now.Sub(m.rotated))
		}
	default:
		t.Fatalf("a token that was given is %s", v)
	}
}

// Rule 8 over every interleaving of the owner, a thief, lost answers and time: at any moment one token alone rotates, what
// was used before gives nothing new, and a grant that was revoked gives nothing at all.
func TestNeverTwoLinesOfSuccession(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, code := approved()
		m := &machine{g: g, code: code, now: noon}
		g, v := m.g.Redeem(m.now, presented(code))
		if v != grant.Good {
			t.Fatal(v)
		}
		m.g, m.given, m.rotated = g, []string{g.RefreshToken().Reveal()}, m.now
		t.Repeat(map[string]func(*rapid.T){
			"somebody presents one that was given": func(t *rapid.T) {
				m.present(t, rapid.SampledFrom(m.given).Draw(t, "token"))
			},
			"the owner presents the newest": func(t *rapid.T) { m.present(t, m.given[len(m.given)-1]) },
			"a lost answer is asked for again": func(t *rapid.T) {
				m.present(t, m.given[max(0, len(m.given)-2)])
			},
			"time passes": func(t *rapid.T) {
				m.now = m.now.Add(rapid.SampledFrom([]time.Duration{time.Second, 29 * time.Second, 31 * time.Second, time.Hour, 29 * 24 * time.Hour}).Draw(t, "time"))
			},
			"the code comes again": func(t *rapid.T) {
				var v grant.Verdict
				m.g, v = m.g.Redeem(m.now, presented(m.code))
				if want := grant.Stolen; v != want && !m.revoked {
					t.Fatalf("a code that was redeemed is %s", v)
				}
				m.revoked = true
			},
			"": func(t *rapid.T) {
				if m.revoked != !m.g.Revoked.IsZero() || int(m.g.Generation) != len(m.given) {
					t.Fatalf("revoked %v, generation %d of %d", m.g.Revoked, m.g.Generation, len(m.given))
				}
			},
		})
	})
}
