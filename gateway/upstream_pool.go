package gateway

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/mcp"
)

// How calls are spread over the upstreams of a pool.
const (
	LeastBusy  = "least-busy"  // where the fewest calls are under way; also what the empty word is
	RoundRobin = "round-robin" // each in turn
)

// MaxUpstreams is how many upstreams a pool can have.
const MaxUpstreams = 64

// PoolConfig is a number of upstreams, each as good as the other.
type PoolConfig struct {
	To      []*url.URL
	Balance string            // empty: LeastBusy
	Health  Health            //
	Base    http.RoundTripper // nil: Transport
	Slog    *slog.Logger      // nil: slog.Default
	Now     func() time.Time  // nil: time.Now
}

// Pool spreads calls over its upstreams and leaves out those that are not well; when none is, all are tried. A session
// stays where it began: only the upstream that made it knows it. A call goes to another upstream only if no connection
// to the first was made, so that none is done twice. It is safe for concurrent use.
type Pool struct {
	members []*member
	tagged  map[string]*member // :: tag → upstream; nil: there is one upstream, which needs no tag
	least   bool
	health  Health
	base    http.RoundTripper
	long    http.RoundTripper // for streams that clients open
	slog    *slog.Logger
	now     func() time.Time
	next    atomic.Uint32
}

// NewPool refuses a pool of nobody, of too many, or with one address twice.
func NewPool(c PoolConfig) (*Pool, error) {
	p := &Pool{least: c.Balance != RoundRobin, health: c.Health.WithDefaults(), base: c.Base, slog: c.Slog, now: c.Now}
	if p.base == nil {
		p.base = Transport()
	}
	p.long = forStreams(p.base)
	if p.slog == nil {
		p.slog = slog.Default()
	}
	if p.now == nil {
		p.now = time.Now
	}
	if len(c.To) == 0 || len(c.To) > MaxUpstreams {
		return nil, errors.New("a pool has 1 to 64 upstreams")
	}
	tagged := map[string]*member{}
	for _, to := range c.To {
		sum := sha256.Sum256([]byte(to.String()))
		m := &member{to: to, tag: base64.RawURLEncoding.EncodeToString(sum[:6]) + "."}
		if tagged[m.tag] != nil {
			return nil, errors.New("a pool with one address twice")
		}
		tagged[m.tag] = m
		p.members = append(p.members, m)
	}
	if len(p.members) > 1 {
		p.tagged = tagged
	}
	return p, nil
}

// Upstream is the pool as a server's upstream.
func (p *Pool) Upstream(guard.Call) http.RoundTripper { return p }

// RoundTrip is an http.RoundTripper's. The request is the gateway's own and made for this one use. One that has an address
// already goes there, if it is at an upstream of the pool.
func (p *Pool) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL != nil {
		return p.directed(r)
	}
	if p.tagged == nil {
		return p.try(p.members[0], r)
	}
	if id := r.Header[sessionHeader]; len(id) == 1 {
		return p.stay(r, id[0])
	}
	var tried uint64 // a bit for each upstream
	for {
		n := p.pick(tried)
		tried |= 1 << n
		res, err := p.try(p.members[n], r)
		if err == nil || tried == 1<<len(p.members)-1 || !unsent(err) || ours(r.Context()) || !rewind(r) {
			return res, err
		}
	}
}

// stay sends a call of a session to the upstream that made it. When that one is gone or is left out, so is the session:
// its client begins another (MCP 2025-11-25, Transports, Session Management).
func (p *Pool) stay(r *http.Request, id string) (*http.Response, error) {
	tag, rest, _ := strings.Cut(id, ".")
	m := p.tagged[tag+"."]
	if m == nil || rest == "" || !m.well(p.now) && p.anyWell() {
		return nil, &mcp.Error{Status: http.StatusNotFound, Code: mcp.InvalidRequest, Message: "the session ended with the server that had it: begin another with initialize"}
	}
	r.Header[sessionHeader] = []string{rest}
	return p.try(m, r)
}

// directed sends a call to an address that one of the upstreams named for itself.
func (p *Pool) directed(r *http.Request) (*http.Response, error) {
	to := r.URL
	for _, m := range p.members {
		if m.to.Scheme == to.Scheme && m.to.Host == to.Host {
			return p.send(m, to, r)
		}
	}
	return nil, &mcp.Error{Status: http.StatusNotFound, Code: mcp.InvalidRequest, Message: "the stream ended with the server that had it: begin another with GET"}
}

func (p *Pool) anyWell() bool {
	for _, m := range p.members {
		if m.well(p.now) {
			return true
		}
	}
	return false
}

// pick is where the next call goes. tried has a bit for each upstream that is out of the question; one is not.
func (p *Pool) pick(tried uint64) int {
	begin := int(p.next.Add(1) % uint32(len(p.members)))
	for _, all := range [...]bool{false, true} { // when nobody is well, everybody is tried
		best, least := -1, int64(0)
		for i := range p.members {
			n := (begin + i) % len(p.members)
			m := p.members[n]
			if tried&(1<<n) != 0 || !all && !m.well(p.now) {
				continue
			}
			if busy := m.busy.Load(); best < 0 || p.least && busy < least {
				best, least = n, busy
			}
		}
		if best >= 0 {
			return best
		}
	}
	return begin
}

func (p *Pool) try(m *member, r *http.Request) (*http.Response, error) { return p.send(m, m.to, r) }

func (p *Pool) send(m *member, to *url.URL, r *http.Request) (*http.Response, error) {
	r.URL, r.Host = to, to.Host
	m.busy.Add(1)
	by := p.base
	if lasts(r) {
		by = p.long
	}
	res, err := by.RoundTrip(r)
	if err != nil {
		m.busy.Add(-1)
		if !ours(r.Context()) {
			p.failed(m, r)
		}
		return nil, err
	}
	if res.StatusCode >= http.StatusBadGateway && res.StatusCode <= http.StatusGatewayTimeout {
		p.failed(m, r)
	} else {
		m.good()
	}
	if p.tagged == nil {
		m.busy.Add(-1)
		return res, nil
	}
	if id := res.Header[sessionHeader]; len(id) > 0 && id[0] != "" {
		res.Header[sessionHeader] = []string{m.tag + id[0]}
	}
	res.Body = &counted{ReadCloser: res.Body, busy: &m.busy}
	return res, nil
}

func (p *Pool) failed(m *member, r *http.Request) {
	if d := m.bad(p.health, p.now()); d > 0 && p.tagged != nil {
		p.slog.WarnContext(r.Context(), "upstream is left out", "upstream", m.to.Host, "for", d)
	}
}

// rewind makes a request whose body was closed ready for another upstream.
func rewind(r *http.Request) bool {
	if r.Body == nil {
		return true
	}
	if r.GetBody == nil {
		return false
	}
	body, err := r.GetBody()
	r.Body = body
	return err == nil
}

// counted is the body of a call that is under way until it is closed.
type counted struct {
	io.ReadCloser
	busy *atomic.Int64
	over atomic.Bool
}

func (c *counted) Close() error {
	if c.over.CompareAndSwap(false, true) {
		c.busy.Add(-1)
	}
	return c.ReadCloser.Close()
}

// UpstreamStatus is how one upstream of a pool is.
type UpstreamStatus struct {
	Host    string
	Well    bool // false: it is left out, unless all are
	Busy    int64
	Ejected time.Time // until when it is left out because calls failed; zero: it is not
}

// Status is how each upstream is, in the order of the configuration.
func (p *Pool) Status() []UpstreamStatus {
	all := make([]UpstreamStatus, 0, len(p.members))
	for _, m := range p.members {
		s := UpstreamStatus{Host: m.to.Host, Well: m.well(p.now), Busy: m.busy.Load()}
		if until := m.until.Load(); until > p.now().UnixNano() {
			s.Ejected = time.Unix(0, until)
		}
		all = append(all, s)
	}
	return all
}
