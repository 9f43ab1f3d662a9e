package authserver_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorward-mcp/doorward/authserver"
)

// life is what grants and tokens may do, said once more and simpler.
type life struct {
	k      *kit
	grants []*given
	tokens []*held
}

// given is a grant.
type given struct {
	code    string
	refresh []string  // every one that was given, oldest first
	rotated time.Time // when the newest was
	ended   bool
}

// held is an access token.
type held struct {
	raw     string
	of      *given
	until   time.Time
	back    bool // it was taken back by itself
	through bool // it came of an exchange
}

func (h *held) good(now time.Time) bool {
	return !h.back && !h.of.ended && now.Before(h.until.Add(30*time.Second)) // the leeway of a verifier
}

func (l *life) take(t *rapid.T, g *given, r reply) {
	if raw := r.text("access_token"); raw == "" {
		t.Fatalf("no token: %d %v", r.Code, r.body)
	} else {
		l.tokens = append(l.tokens, &held{raw: raw, of: g, until: l.k.now.Add(time.Duration(r.body["expires_in"].(float64)) * time.Second)})
	}
	newest := r.text("refresh_token")
	if len(g.refresh) == 0 || g.refresh[len(g.refresh)-1] != newest {
		g.refresh, g.rotated = append(g.refresh, newest), l.k.now
	}
}

func draw[E any](t *rapid.T, all []E, what string) E {
	if len(all) == 0 {
		t.Skip("no " + what)
	}
	return all[rapid.IntRange(max(0, len(all)-4), len(all)-1).Draw(t, what)]
}

// In whatever order people and thieves redeem, rotate, revoke and exchange, and clocks and processes go on: a token is good
// exactly while its grant stands, it has not been taken back and its time is not over; a code gives one line of refresh
// tokens; and an exchange neither outlives nor outlasts what it came from.
func TestTheLifeOfTokens(t *testing.T) {
	k, _ := delegated(t, func(c *authserver.Config) { c.InsecureExchangeWithoutConsent = true })
	b := newBrowser()
	rapid.Check(t, func(t *rapid.T) {
		l := &life{k: k}
		t.Repeat(map[string]func(*rapid.T){
			"authorize": func(t *rapid.T) {
				if len(l.grants) > 3 {
					t.Skip("enough")
				}
				to, err := k.allow(b, asks("app"), "")
				if err != nil {
					t.Fatal(err)
				}
				l.grants = append(l.grants, &given{code: to.Query().Get("code")})
			},
			"redeem": func(t *rapid.T) {
				g := draw(t, l.grants, "grants")
				got := k.token(redeem("app", g.code))
				switch {
				case g.ended, len(g.refresh) > 0:
					g.ended = true // the second use ends what the first gave
					got.wants(k.t, 400, "invalid_grant")
				case got.Code == 200:
					l.take(t, g, got)
				default:
					g.ended = true // its minute is over: it gives nothing any more
					got.wants(k.t, 400, "invalid_grant")
				}
			},
			"refresh": func(t *rapid.T) {
				g := draw(t, l.grants, "grants")
				raw := draw(t, g.refresh, "refresh tokens")
				got := k.token(form("grant_type", "refresh_token", "client_id", "app", "refresh_token", raw))
				n := len(g.refresh) - 1
				window := k.now.Sub(g.rotated) <= 30*time.Second
				switch {
				case g.ended:
					got.wants(k.t, 400, "invalid_grant")
				case raw == g.refresh[n]:
					l.take(t, g, got)
					if len(g.refresh) != n+2 {
						t.Fatal("the newest did not rotate")
					}
				case n > 0 && raw == g.refresh[n-1] && window:
					l.take(t, g, got)
					if len(g.refresh) != n+1 {
						t.Fatal("a second line of succession")
					}
				default:
					got.wants(k.t, 400, "invalid_grant")
					g.ended = !window
				}
			},
			"exchange": func(t *rapid.T) {
				h := draw(t, l.tokens, "tokens")
				got := k.exchange("agent", h.raw)
				if may := h.good(k.now) && !h.through && k.now.Before(h.until); may != (got.Code == 200) {
					t.Fatalf("an exchange is %d, may be %v: %v", got.Code, may, got.body)
				}
				if got.Code == 200 {
					until := k.now.Add(time.Duration(got.body["expires_in"].(float64)) * time.Second)
					if until.After(h.until) {
						t.Fatal("it outlives what it came from")
					}
					l.tokens = append(l.tokens, &held{raw: got.text("access_token"), of: h.of, until: until, through: true})
				}
			},
			"revoke a token": func(t *rapid.T) {
				h := draw(t, l.tokens, "tokens")
				if h.through {
					k.send("POST", "/revoke", form("token", h.raw).Encode(), basic("agent")...).wants(k.t, 200, "")
				} else {
					k.send("POST", "/revoke", form("token", h.raw, "client_id", "app").Encode()).wants(k.t, 200, "")
				}
				h.back = h.back || h.good(k.now)
			},
			"revoke a grant": func(t *rapid.T) {
				g := draw(t, l.grants, "grants")
				raw := draw(t, g.refresh, "refresh tokens")
				k.send("POST", "/revoke", form("token", raw, "client_id", "app").Encode()).wants(k.t, 200, "")
				g.ended = true
			},
			"time goes on": func(t *rapid.T) {
				k.now = k.now.Add(time.Duration(rapid.SampledFrom([]int{1, 10, 31, 61, 600}).Draw(t, "seconds")) * time.Second)
			},
			"restart": func(t *rapid.T) {
				if rapid.IntRange(0, 5).Draw(t, "rarely") == 0 {
					k.restart()
				}
			},
			"": func(t *rapid.T) {
				if len(l.tokens) == 0 {
					return
				}
				h := l.tokens[len(l.tokens)-1]
				if rapid.Bool().Draw(t, "an older one") {
					h = draw(t, l.tokens, "tokens")
				}
				if got := l.active(h); got != h.good(k.now) {
					t.Fatalf("active: %v, good: %v: %+v of %+v at %s", got, h.good(k.now), *h, *h.of, k.now)
				}
			},
		})
	})
}

// active asks whoever the token is for.
func (l *life) active(h *held) bool {
	who := "agent"
	if h.through {
		who = "other" // serves the file server
	}
	return l.k.send("POST", "/introspect", form("token", h.raw).Encode(), basic(who)...).body["active"] == true
}
