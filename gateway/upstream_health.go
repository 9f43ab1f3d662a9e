package gateway

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// Health is how a pool tells which of its upstreams to leave out. A member that is zero is the default beside it. Without
// a Path and without TCP nobody is asked, and calls alone show who fails.
type Health struct {
	Path     string        `yaml:"path"` // asked with GET and without credentials: a 2xx is good; empty: none
	TCP      bool          `yaml:"tcp"`  // it is enough that a connection can be made
	Interval time.Duration `yaml:"interval"`
	Timeout  time.Duration `yaml:"timeout"`
	Fall     int           `yaml:"fall"` // bad answers in a row after which an upstream is left out: 3
	Rise     int           `yaml:"rise"` // good answers in a row after which it is back: 2

	EjectAfter int           `yaml:"eject_after"` // calls in a row that failed, after which an upstream is left out: 5
	EjectFor   time.Duration `yaml:"eject_for"`   // for how long the first time; each time again twice as long: 10 s
	EjectMost  time.Duration `yaml:"eject_most"`  // 5 min
}

// WithDefaults fills in what is zero.
func (h Health) WithDefaults() Health {
	or := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	count := func(n *int, v int) {
		if *n == 0 {
			*n = v
		}
	}
	or(&h.Interval, 10*time.Second)
	or(&h.Timeout, 2*time.Second)
	count(&h.Fall, 3)
	count(&h.Rise, 2)
	count(&h.EjectAfter, 5)
	or(&h.EjectFor, 10*time.Second)
	or(&h.EjectMost, 5*time.Minute)
	return h
}

// member is one upstream of a pool, and what is known of it.
type member struct {
	to  *url.URL
	tag string // what its sessions begin with

	busy  atomic.Int64 // calls that are not over
	fails atomic.Int32 // calls in a row that failed
	until atomic.Int64 // it is left out until then, in Unix nanoseconds; 0: it is not
	down  atomic.Bool  // it was asked, and is not well

	mu    sync.Mutex // guards times
	times int        // how often in a row it was left out
}

// well reports whether calls should go here.
func (m *member) well(now func() time.Time) bool {
	if m.down.Load() {
		return false
	}
	until := m.until.Load()
	return until == 0 || now().UnixNano() >= until
}

// good is a call that the upstream answered.
func (m *member) good() {
	if m.fails.Load() != 0 { // a write that every call made would be one that all cores wait for
		m.fails.Store(0)
	}
	if m.until.Load() != 0 {
		m.mu.Lock()
		m.times = 0
		m.until.Store(0)
		m.mu.Unlock()
	}
}

// bad is a call that it did not answer as it should. Enough of them in a row leave it out for a while that grows; after
// it, the next bad one is enough.
func (m *member) bad(h Health, now time.Time) (ejected time.Duration) {
	if int(m.fails.Add(1)) < h.EjectAfter {
		return 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.UnixNano() < m.until.Load() {
		return 0 // of calls that were under way
	}
	ejected = h.EjectMost
	if m.times < 30 {
		ejected = min(h.EjectFor<<m.times, h.EjectMost)
	}
	m.times++
	m.until.Store(now.Add(ejected).UnixNano())
	return ejected
}

// Watch asks the upstreams how they are until ctx ends, if Health says to. It is for whoever runs the installation.
func (p *Pool) Watch(ctx context.Context) {
	if p.health.Path == "" && !p.health.TCP {
		return
	}
	var all sync.WaitGroup
	for _, m := range p.members {
		all.Go(func() { p.watch(ctx, m) })
	}
	all.Wait()
}

func (p *Pool) watch(ctx context.Context, m *member) {
	tick := time.NewTicker(p.health.Interval)
	defer tick.Stop()
	row := 0 // answers in a row that speak against what is held
	for {
		err := p.check(ctx, m)
		if ctx.Err() != nil {
			return
		}
		if (err != nil) == m.down.Load() {
			row = 0
		} else if row++; err != nil && row >= p.health.Fall || err == nil && row >= p.health.Rise {
			row = 0
			m.down.Store(err != nil)
			if err != nil {
				p.slog.WarnContext(ctx, "upstream is not well", "upstream", m.to.Host, "error", err)
			} else {
				p.slog.InfoContext(ctx, "upstream is well again", "upstream", m.to.Host)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// check asks once. A redirect is no good answer: what it names is not who is asked.
func (p *Pool) check(ctx context.Context, m *member) error {
	ctx, cancel := context.WithTimeout(ctx, p.health.Timeout)
	defer cancel()
	if p.health.Path == "" {
		return knock(ctx, m.to)
	}
	r := (&http.Request{Method: http.MethodGet, URL: &url.URL{Scheme: m.to.Scheme, Host: m.to.Host, Path: p.health.Path}, Host: m.to.Host,
		Header: http.Header{"User-Agent": {"doorward-health"}}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(ctx)
	res, err := p.base.RoundTrip(r)
	if err != nil {
		return err
	}
	_, _ = io.CopyN(io.Discard, res.Body, 4<<10) // so that the connection can serve again
	_ = res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return errStatus(res.StatusCode)
	}
	return nil
}

type errStatus int

func (e errStatus) Error() string { return "it answered " + http.StatusText(int(e)) }

func knock(ctx context.Context, to *url.URL) error {
	port := to.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[to.Scheme]
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(to.Hostname(), port))
	if err != nil {
		return err
	}
	return conn.Close()
}
