package gateway_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/gateway"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/token"
)

// news are revocations that a test takes back tokens with.
type news struct {
	mu      sync.Mutex
	back    bool
	changed chan struct{}
}

func (n *news) Revoked(token.Caller) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.back
}

func (n *news) Changed() <-chan struct{} { return n.changed }

func (n *news) AsOf() time.Time { return noon }

func (n *news) takeBack() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.back = true
	close(n.changed)
}

// waiting is an upstream that answers when it is given up.
type waiting struct {
	began chan struct{}
	ended chan error
}

func (u waiting) RoundTrip(r *http.Request) (*http.Response, error) {
	u.began <- struct{}{}
	<-r.Context().Done()
	u.ended <- context.Cause(r.Context())
	return nil, r.Context().Err()
}

// A call that has not been answered ends within a second of its token being taken back, whatever it would be
// answered with.
func TestACallEndsWhenItsTokenIsTakenBack(t *testing.T) {
	n, up := &news{changed: make(chan struct{})}, waiting{make(chan struct{}), make(chan error, 1)}
	f := gated(t, func(c *gateway.Config) {
		c.Revocations, c.Upstream = n, func(guard.Call) http.RoundTripper { return up }
	})
	raw, done := f.token("alice"), make(chan got)
	go func() { done <- f.send(raw, old, askCall) }()
	<-up.began
	n.takeBack()
	late := time.After(5 * time.Second)
	select {
	case cause := <-up.ended:
		if cause == nil || cause.Error() != "the token was taken back" {
			t.Errorf("it ended because of %v", cause)
		}
	case <-late:
		t.Fatal("the call goes on")
	}
	// RFC 6750 §3.1: nothing of the answer has been sent, so the client learns why, and not that the upstream is broken.
	if g := <-done; g.Code != 401 || !strings.Contains(g.Body.String(), "taken back") || !strings.Contains(g.Header().Get("WWW-Authenticate"), `error="invalid_token"`) {
		t.Errorf("%d %v %s", g.Code, g.Header(), g.Body)
	}
	if e := f.outcome(); e.Result != "refused" || e.Reason != "revoked" {
		t.Errorf("recorded as %s %s", e.Result, e.Reason)
	}
}
