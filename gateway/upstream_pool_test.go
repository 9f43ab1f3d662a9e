package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward-mcp/doorward/gateway"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/mcp"
)

// wire answers for the upstreams of a pool, by host, and keeps who was asked.
type wire struct {
	mu    sync.Mutex
	asked []string
	hosts map[string]func(*http.Request) (*http.Response, error) // a host that is not here answers 200
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	body := ""
	if r.Body != nil {
		b, _ := io.ReadAll(r.Body)
		_ = r.Body.Close()
		body = string(b)
	}
	w.mu.Lock()
	w.asked = append(w.asked, strings.TrimSpace(r.URL.Host+" "+r.Header.Get("Mcp-Session-Id")+" "+body))
	answer := w.hosts[r.URL.Host]
	w.mu.Unlock()
	if answer != nil {
		return answer(r)
	}
	return answered(200), nil
}

func (w *wire) took() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.asked
	w.asked = nil
	return all
}

func (w *wire) set(host string, answer func(*http.Request) (*http.Response, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hosts[host] = answer
}

func answered(status int, header ...string) *http.Response {
	res := &http.Response{StatusCode: status, Header: http.Header{}, Body: http.NoBody}
	for i := 0; i+1 < len(header); i += 2 {
		res.Header.Set(header[i], header[i+1])
	}
	return res
}

func status(code int) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return answered(code), nil }
}

func fails(err error) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

var (
	noConnection = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	brokenOff    = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
)

// pool is a pool of the hosts a, b and so on over a wire.
func pool(t testing.TB, n int, change func(*gateway.PoolConfig)) (*gateway.Pool, *wire) {
	t.Helper()
	w := &wire{hosts: map[string]func(*http.Request) (*http.Response, error){}}
	c := gateway.PoolConfig{Base: w, Slog: slog.New(slog.DiscardHandler)}
	for i := range n {
		c.To = append(c.To, &url.URL{Scheme: "http", Host: string(rune('a' + i)), Path: "/mcp"})
	}
	if change != nil {
		change(&c)
	}
	p, err := gateway.NewPool(c)
	if err != nil {
		t.Fatal(err)
	}
	return p, w
}

// call sends one POST and ends it.
func call(p *gateway.Pool, session string) (*http.Response, error) {
	r, _ := http.NewRequest("POST", "/", strings.NewReader("body"))
	r.URL = nil
	if session != "" {
		r.Header.Set("Mcp-Session-Id", session)
	}
	res, err := p.Upstream(guard.Call{}).RoundTrip(r)
	if err == nil {
		_ = res.Body.Close()
	}
	return res, err
}

func hosts(asked []string) (all string) {
	for _, a := range asked {
		all += a[:1]
	}
	return all
}

func TestAPoolSpreadsCalls(t *testing.T) {
	for _, balance := range []string{"", gateway.RoundRobin} {
		p, w := pool(t, 3, func(c *gateway.PoolConfig) { c.Balance = balance })
		for range 9 {
			if _, err := call(p, ""); err != nil {
				t.Fatal(err)
			}
		}
		got := hosts(w.took())
		for _, h := range "abc" {
			if strings.Count(got, string(h)) != 3 {
				t.Errorf("%q: %s", balance, got)
			}
		}
	}
}

// An upstream with a long call gets fewer, and the call counts until its body is closed.
func TestAPoolPrefersWhoIsLeastBusy(t *testing.T) {
	p, w := pool(t, 2, nil)
	r, _ := http.NewRequest("GET", "/", nil)
	r.URL = nil
	res, err := p.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	busy := hosts(w.took())
	for range 10 {
		_, _ = call(p, "")
	}
	if got := hosts(w.took()); strings.Contains(got, busy) {
		t.Errorf("%s is busy: %s", busy, got)
	}
	_ = res.Body.Close()
	_ = res.Body.Close() // twice counts once
	for range 10 {
		_, _ = call(p, "")
	}
	if got := hosts(w.took()); strings.Count(got, "a") != 5 {
		t.Errorf("nobody is busy: %s", got)
	}
	for _, s := range p.Status() {
		if s.Busy != 0 || !s.Well {
			t.Errorf("%+v", s)
		}
	}
}

// A call is sent again only if no connection was made: whatever else happened, it may have been done.
func TestACallIsSentAgainOnlyIfItWasNotSent(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault error
		again bool
	}{
		{"no connection", noConnection, true},
		{"no name", &net.DNSError{Err: "no such host", Name: "a"}, true},
		{"broken off", brokenOff, false},
		{"an end without an answer", io.EOF, false},
		{"in no time", context.DeadlineExceeded, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, w := pool(t, 3, func(c *gateway.PoolConfig) { c.Balance = gateway.RoundRobin })
			w.set("a", fails(tt.fault))
			w.set("b", fails(tt.fault))
			for range 3 {
				_, _ = call(p, "")
			}
			again := 0
			for i, got := range w.took() {
				if !strings.HasSuffix(got, " body") {
					t.Errorf("%d: the body is missing: %q", i, got)
				}
				again++
			}
			if again -= 3; (again > 0) != tt.again {
				t.Errorf("%d sent again", again)
			}
		})
	}
	p, w := pool(t, 2, nil)
	w.set("a", fails(noConnection))
	w.set("b", fails(noConnection))
	if _, err := call(p, ""); !errors.Is(err, syscall.ECONNREFUSED) || len(w.took()) != 2 {
		t.Errorf("nobody there: %v", err)
	}
}

// A session stays with the upstream that made it, which sees its own id.
func TestASessionStays(t *testing.T) {
	p, w := pool(t, 3, nil)
	for _, h := range []string{"a", "b", "c"} {
		w.set(h, func(*http.Request) (*http.Response, error) { return answered(200, "Mcp-Session-Id", "of."+h), nil })
	}
	sessions := map[string]string{} // :: host → session
	for len(sessions) < 3 {
		res, err := call(p, "")
		if err != nil {
			t.Fatal(err)
		}
		sessions[hosts(w.took())] = res.Header.Get("Mcp-Session-Id")
	}
	for h, id := range sessions {
		res, err := call(p, id)
		if got := w.took(); err != nil || len(got) != 1 || got[0] != h+" of."+h+" body" || res.Header.Get("Mcp-Session-Id") != id {
			t.Errorf("%s: %v, %v", h, got, err)
		}
	}
	for _, id := range []string{"of.a", "a", "", sessions["a"][:9], "AAAAAAAA." + "x"} {
		if id == "" {
			continue
		}
		if _, err := call(p, id); notFound(err) == "" || len(w.took()) != 0 {
			t.Errorf("the session %q: %v", id, err)
		}
	}
	// Whom a session has is the only one who can answer it.
	w.set("a", fails(noConnection))
	if _, err := call(p, sessions["a"]); !errors.Is(err, syscall.ECONNREFUSED) || hosts(w.took()) != "a" {
		t.Errorf("a is not there for a moment: %v", err)
	}
	for range 4 {
		_, _ = call(p, sessions["a"])
	}
	w.took()
	if _, err := call(p, sessions["a"]); notFound(err) == "" || len(w.took()) != 0 {
		t.Errorf("a is left out: %v", err)
	}
	if _, err := call(p, sessions["b"]); err != nil {
		t.Error(err)
	}
}

func notFound(err error) string {
	var e *mcp.Error
	if errors.As(err, &e) && e.Status == http.StatusNotFound {
		return e.Message
	}
	return ""
}

// One upstream needs no mark in its sessions, so that they outlive an update of ours.
func TestASessionOfTheOnlyUpstream(t *testing.T) {
	p, w := pool(t, 1, nil)
	w.set("a", func(*http.Request) (*http.Response, error) { return answered(200, "Mcp-Session-Id", "theirs"), nil })
	if res, err := call(p, "theirs"); err != nil || res.Header.Get("Mcp-Session-Id") != "theirs" || w.took()[0] != "a theirs body" {
		t.Errorf("%v %v", res, err)
	}
}

// Who fails again and again is left out for a time that grows; when all are, all are tried.
func TestEjection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, w := pool(t, 2, func(c *gateway.PoolConfig) {
			c.Health, c.Balance = gateway.Health{EjectAfter: 3, EjectFor: time.Second, EjectMost: 3 * time.Second}, gateway.RoundRobin
		})
		asked := func(n int) string {
			for range n {
				_, _ = call(p, "")
			}
			return hosts(w.took())
		}
		w.set("a", status(503))
		if got := strings.Count(asked(6), "a"); got != 3 {
			t.Fatalf("%d calls before it is left out", got)
		}
		for _, out := range []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 3 * time.Second} {
			time.Sleep(out - time.Millisecond)
			if got := asked(4); got != "bbbb" {
				t.Errorf("a is left out for %s: %s", out, got)
			}
			time.Sleep(time.Millisecond)
			if got := strings.Count(asked(4), "a"); got != 1 {
				t.Errorf("after %s one bad call is enough: %d", out, got)
			}
		}
		w.set("b", status(502))
		asked(3)
		if got := asked(4); strings.Count(got, "a") != 2 {
			t.Errorf("when all are left out, all are tried: %s", got)
		}
		w.set("a", nil)
		asked(2)
		if got := asked(4); got != "aaaa" {
			t.Errorf("a answers again: %s", got)
		}
	})
}

// What a caller does ejects nobody: neither going away nor a call that is refused or fails as a call does.
func TestWhatEjectsNobody(t *testing.T) {
	for name, answer := range map[string]func(*http.Request) (*http.Response, error){
		"the client goes away": func(r *http.Request) (*http.Response, error) { return nil, context.Canceled },
		"500":                  status(500), "404": status(404), "401": status(401), "429": status(429),
	} {
		p, w := pool(t, 2, func(c *gateway.PoolConfig) { c.Balance = gateway.RoundRobin })
		w.set("a", answer)
		for range 40 {
			ctx, cancel := context.WithCancel(t.Context())
			if name == "the client goes away" {
				cancel()
			}
			r, _ := http.NewRequestWithContext(ctx, "POST", "/", strings.NewReader("body"))
			r.URL = nil
			if res, err := p.RoundTrip(r); err == nil {
				_ = res.Body.Close()
			}
			cancel()
		}
		if got := strings.Count(hosts(w.took()), "a"); got != 20 {
			t.Errorf("%s: %d", name, got)
		}
	}
}

// An upstream that is asked and is not well gets no calls until it is well again.
func TestActiveHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, w := pool(t, 2, func(c *gateway.PoolConfig) {
			c.Health = gateway.Health{Path: "/healthz", Interval: time.Second, Fall: 2, Rise: 2}
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { p.Watch(ctx); close(done) }()
		well := func(want string) {
			t.Helper()
			synctest.Wait()
			got := ""
			for _, s := range p.Status() {
				if s.Well {
					got += s.Host
				}
			}
			if got != want {
				t.Errorf("well: %s, want %s", got, want)
			}
		}
		well("ab")
		w.set("a", func(r *http.Request) (*http.Response, error) {
			if r.URL.Path != "/healthz" || len(r.Header["Authorization"]) != 0 {
				t.Errorf("asked for %s with %v", r.URL, r.Header)
			}
			return answered(302, "Location", "http://b/"), nil
		})
		time.Sleep(1500 * time.Millisecond)
		well("ab")
		time.Sleep(time.Second)
		well("b")
		w.set("a", nil)
		time.Sleep(time.Second)
		well("b")
		time.Sleep(time.Second)
		well("ab")
		cancel()
		<-done
	})
}

func TestPoolsThatAreNone(t *testing.T) {
	one := &url.URL{Scheme: "http", Host: "a"}
	for name, to := range map[string][]*url.URL{"nobody": nil, "one twice": {one, one}, "too many": make([]*url.URL, 65)} {
		if _, err := gateway.NewPool(gateway.PoolConfig{To: to}); err == nil {
			t.Error(name)
		}
	}
}

// BenchmarkPool holds a pool against one address. The upstream is real, so that the ratio is what a call sees.
func BenchmarkPool(b *testing.B) {
	ups := []*url.URL{}
	for range 4 {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, "{}") }))
		b.Cleanup(s.Close)
		u, _ := url.Parse(s.URL)
		ups = append(ups, u)
	}
	run := func(name string, up gateway.Upstream) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := (&http.Request{Method: "POST", Header: http.Header{}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(b.Context())
				res, err := up(guard.Call{}).RoundTrip(r)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}
		})
	}
	run("one address", gateway.HTTP(ups[0], gateway.Transport()))
	for _, n := range []int{1, 4} {
		p, err := gateway.NewPool(gateway.PoolConfig{To: ups[:n]})
		if err != nil {
			b.Fatal(err)
		}
		run(fmt.Sprintf("a pool of %d", n), p.Upstream)
	}
}

// BenchmarkPoolAlone is what the choice itself costs.
func BenchmarkPoolAlone(b *testing.B) {
	res := answered(200)
	still := roundTripper(func(*http.Request) (*http.Response, error) { res.Body = http.NoBody; return res, nil })
	for _, n := range []int{1, 4, 64} {
		p, _ := pool(b, n, func(c *gateway.PoolConfig) { c.Base = still })
		r, _ := http.NewRequest("POST", "/", nil)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r.URL = nil
				res, _ := p.RoundTrip(r)
				_ = res.Body.Close()
			}
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
