package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward-mcp/doorward/gateway"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/provider"
	"github.com/doorward-mcp/doorward/token"
)

// issuer counts what it was asked, and answers with a token that tells how often and for whom.
type issuer struct {
	asked atomic.Int32
	life  time.Duration
	err   error
	wait  time.Duration
}

func (i *issuer) ask(_ context.Context, now time.Time, c token.Caller) (provider.Token, error) {
	n := i.asked.Add(1)
	time.Sleep(i.wait)
	return provider.Token{Text: token.NewSecret(fmt.Sprintf("%s/%d", c.Subject, n)), Expires: now.Add(i.life)}, i.err
}

func alice() token.Caller {
	return token.Caller{Principal: token.Principal{Issuer: "https://i.example", Subject: "alice"}, Client: "c", ID: "j", Scopes: oauth.NewScopes("read")}
}

func calling(c token.Caller) guard.Call {
	return guard.Call{Caller: c, Request: request.Info{ID: "r", Now: time.Now()}}
}

// set is the Authorization header that a call's upstream gets.
func set(t testing.TB, k *gateway.Tokens, c token.Caller) string {
	t.Helper()
	h := http.Header{}
	if err := k.Set(t.Context(), calling(c), h); err != nil {
		t.Fatal(err)
	}
	return h.Get("Authorization")
}

// A token serves until shortly before it expires, and one asking serves all who wait.
func TestATokenIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: 5 * time.Minute, wait: time.Second}
		k := gateway.NewTokens(i.ask, false, nil)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if got := set(t, k, alice()); got != "Bearer alice/1" {
					t.Error(got)
				}
			})
		}
		all.Wait()
		time.Sleep(4*time.Minute + 28*time.Second)
		if got := set(t, k, alice()); got != "Bearer alice/1" {
			t.Error(got)
		}
		time.Sleep(2 * time.Second)
		if got := set(t, k, alice()); got != "Bearer alice/2" {
			t.Errorf("it is about to expire: %s", got)
		}
	})
}

// What was exchanged for one caller serves nobody who differs from it in anything that an assertion says.
func TestATokenCrossesNoCallers(t *testing.T) {
	i := &issuer{life: time.Minute}
	k := gateway.NewTokens(i.ask, false, nil)
	seen := map[string]string{}
	for name, change := range map[string]func(*token.Caller){
		"alice":              func(*token.Caller) {},
		"another subject":    func(c *token.Caller) { c.Subject = "bob" },
		"another issuer":     func(c *token.Caller) { c.Issuer = "https://j.example" },
		"another client":     func(c *token.Caller) { c.Client = "d" },
		"more scopes":        func(c *token.Caller) { c.Scopes = oauth.NewScopes("read", "write") },
		"no scopes":          func(c *token.Caller) { c.Scopes = nil },
		"another scope":      func(c *token.Caller) { c.Scopes = oauth.NewScopes("write") },
		"a group":            func(c *token.Caller) { c.Groups = []string{"admins"} },
		"an actor":           func(c *token.Caller) { c.Chain = []token.Actor{{Client: "agent"}} },
		"another actor":      func(c *token.Caller) { c.Chain = []token.Actor{{Client: "agent", How: "x"}} },
		"a task":             func(c *token.Caller) { c.Task = &token.Task{ID: "t", Words: "w", Tools: []string{"a"}} },
		"another sign-in":    func(c *token.Caller) { c.ACR = "urn:x" },
		"an older sign-in":   func(c *token.Caller) { c.Authenticated = time.Unix(1, 0) },
		"what runs together": func(c *token.Caller) { c.Issuer, c.Subject = "https://i.examplea", "lice" },
		"a scope as a group": func(c *token.Caller) { c.Scopes, c.Groups = nil, []string{"read"} },
	} {
		c := alice()
		change(&c)
		got := set(t, k, c)
		if other, taken := seen[got]; taken {
			t.Errorf("%s got the token of %s", name, other)
		}
		seen[got] = name
		if again := set(t, k, c); again != got {
			t.Errorf("%s: asked again", name)
		}
	}
	c := alice()
	c.ID, c.Expires, c.Issued = "another token", time.Unix(9, 0), time.Unix(5, 0)
	if got := set(t, k, c); seen[got] != "alice" {
		t.Errorf("another token of the same person: %s", got)
	}
	own := gateway.NewTokens(i.ask, true, nil)
	bob := alice()
	bob.Subject = "bob"
	if set(t, own, alice()) != set(t, own, bob) {
		t.Error("the gateway's own token is one")
	}
}

// A refusal and an outage are remembered for a moment, and are told apart.
func TestNoTokenIsToBeHad(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
		kept   time.Duration
	}{{provider.ErrRefused, 502, 5 * time.Second}, {provider.ErrUnreachable, 503, 2 * time.Second}, {gateway.ErrNoSubject, 502, 5 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{err: fmt.Errorf("a secret: %w", tt.err)}
			k := gateway.NewTokens(i.ask, false, nil)
			for range 5 {
				h := http.Header{}
				var e *mcp.Error
				if err := k.Set(t.Context(), calling(alice()), h); !errors.As(err, &e) || e.Status != tt.status || len(h) != 0 {
					t.Fatalf("%v, %v", err, h)
				}
				if data := fmt.Sprint(e.Data); e.Message == "" || !strings.Contains(data, "upstream.credential") || strings.Contains(data+e.Message, "a secret") {
					t.Errorf("%s %s", e.Message, data)
				}
			}
			if i.asked.Load() != 1 {
				t.Errorf("asked %d times", i.asked.Load())
			}
			time.Sleep(tt.kept)
			i.err, i.life = nil, time.Minute
			if got := set(t, k, alice()); got != "Bearer alice/2" {
				t.Error(got)
			}
		})
	}
}

// A token that the upstream refuses is renewed once; an upstream that refuses whatever it gets makes nobody ask each time.
func TestRenewing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: time.Hour}
		k := gateway.NewTokens(i.ask, false, nil)
		sent := func(s string) http.Header { return http.Header{"Authorization": {s}} }
		first := set(t, k, alice())
		if !k.Renew(calling(alice()), sent(first)) {
			t.Fatal("the first is not renewed")
		}
		second := set(t, k, alice())
		if second == first {
			t.Fatal("the same token again")
		}
		if !k.Renew(calling(alice()), sent(first)) || set(t, k, alice()) != second {
			t.Error("a call that was sent with the first one takes the second, and nobody is asked")
		}
		if k.Renew(calling(alice()), sent(second)) || set(t, k, alice()) != second {
			t.Error("renewed again at once")
		}
		time.Sleep(10 * time.Second)
		if !k.Renew(calling(alice()), sent(second)) || set(t, k, alice()) == second {
			t.Error("not renewed later")
		}
		if i.asked.Load() != 3 {
			t.Errorf("asked %d times", i.asked.Load())
		}
	})
}

// Whoever waits for a token goes away alone.
func TestACallerWhoGoesAwayEndsNoAsking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: time.Hour, wait: time.Second}
		k := gateway.NewTokens(i.ask, false, nil)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		if err := k.Set(ctx, calling(alice()), http.Header{}); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if got := set(t, k, alice()); got != "Bearer alice/1" || i.asked.Load() != 1 {
			t.Errorf("%s, asked %d times", got, i.asked.Load())
		}
	})
}

// Two people whom two issuers know by one name are one to a server that sees our assertion: there is an exchange for the
// callers of one issuer alone, and none for nobody.
func TestAnExchangeIsForOneIssuer(t *testing.T) {
	ask := gateway.Exchange(gateway.ExchangeConfig{Issuer: "https://i.example", Endpoint: provider.Endpoint{URL: "http://127.0.0.1:1/", ClientID: "x"},
		Ring: func() *token.Ring { t.Error("an assertion was made"); return nil }})
	other, nobody := alice(), alice()
	other.Issuer, nobody.Subject = "https://j.example", ""
	for _, c := range []token.Caller{other, nobody, {}} {
		if _, err := ask(t.Context(), time.Now(), c); !errors.Is(err, gateway.ErrNoSubject) {
			t.Errorf("%v: %v", c, err)
		}
	}
}
