package guard_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/token"
)

// taken is news of revocations that a test makes.
type taken struct {
	mu      sync.Mutex // guards what follows
	all     bool
	changed chan struct{}
}

func (k *taken) Revoked(token.Caller) bool { k.mu.Lock(); defer k.mu.Unlock(); return k.all }
func (k *taken) Changed() <-chan struct{}  { k.mu.Lock(); defer k.mu.Unlock(); return k.changed }
func (*taken) AsOf() time.Time             { return time.Now() }

func (k *taken) back() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.all = true
	close(k.changed)
	k.changed = make(chan struct{})
}

// A stream ends with its token, a call that is answered once may finish, and both end within a second of the
// token being taken back.
func TestACallEndsWithItsToken(t *testing.T) {
	const life = 10 * time.Minute
	for name, c := range map[string]struct {
		method string
		revoke time.Duration // 0: never
		want   time.Duration // how long the context lasts; 0: until the server is done
	}{
		"a stream":          {"GET", 0, life + token.Leeway},
		"a call":            {"POST", 0, 0},
		"a stream, revoked": {"GET", time.Minute, time.Minute},
		"a call, revoked":   {"POST", time.Minute, time.Minute},
		"revoked at once":   {"POST", time.Nanosecond, 250 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				news := &taken{changed: make(chan struct{})}
				f := guarded(t, func(g *guard.Config) { g.Revocations, g.Now = news, time.Now })
				now := time.Now().Truncate(time.Second)
				k, err := token.NewKey(now, now)
				if err == nil {
					f.ring, err = token.NewRing(issuer, []token.Key{k})
				}
				if err != nil {
					t.Fatal(err)
				}
				raw, err := f.ring.Access(now, token.Claims{Principal: token.Principal{Issuer: issuer, Subject: "alice"}, Client: "c", Grant: "g", ID: "j", Resource: resource, Scopes: []string{"mcp"}, Expires: now.Add(life)})
				if err != nil {
					t.Fatal(err)
				}
				r := post(callBody, "Authorization", "Bearer "+raw, "Accept", "text/event-stream")
				if r.Method = c.method; c.method == "GET" {
					r.Body, r.ContentLength = http.NoBody, 0
				}
				if c.revoke > 0 {
					time.AfterFunc(c.revoke, news.back)
				}
				f.serve(r, func(_ http.ResponseWriter, r *http.Request) {
					begun := time.Now()
					select {
					case <-r.Context().Done():
						if took := time.Since(begun); took != c.want {
							t.Errorf("ended after %s by %v, want %s", took, context.Cause(r.Context()), c.want)
						}
					case <-time.After(24 * time.Hour):
						if c.want != 0 {
							t.Error("did not end")
						}
					}
				})
			})
		})
	}
}
