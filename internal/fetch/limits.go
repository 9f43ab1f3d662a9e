package fetch

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxHosts bounds the hosts that are remembered. A host whose bucket is full again is forgotten when room is needed; the bound for all
// hosts together keeps fewer than this many from being otherwise.
const maxHosts = 4 * DefaultPerMinute

// limits are shared by a Client and those that From made of it.
type limits struct {
	under   chan struct{} // one element for each request under way
	all     *rate.Limiter // nil: no bound
	perHost int

	mu    sync.Mutex
	hosts map[string]*rate.Limiter // :: host name → its requests; guarded by mu
}

func newLimits(atOnce, perHost, perMinute int) *limits {
	if atOnce <= 0 {
		atOnce = DefaultAtOnce
	}
	if perHost == 0 {
		perHost = DefaultPerHost
	}
	if perMinute == 0 {
		perMinute = DefaultPerMinute
	}
	return &limits{under: make(chan struct{}, atOnce), all: bucket(perMinute), perHost: perHost, hosts: map[string]*rate.Limiter{}}
}

// bucket holds n requests and is filled in a minute.
func bucket(n int) *rate.Limiter {
	if n < 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(n)/60, n)
}

// count takes one request to host from both buckets. The host's comes first, so that one host cannot empty the other for all.
func (l *limits) count(host string, now time.Time) error {
	if l.perHost >= 0 && !l.host(strings.ToLower(host), now) {
		return fmt.Errorf("%w: %s was asked %d times within a minute", ErrBusy, host, l.perHost)
	}
	if l.all != nil && !l.all.AllowN(now, 1) {
		return ErrBusy
	}
	return nil
}

func (l *limits) host(host string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()

	b, ok := l.hosts[host]
	if !ok {
		if len(l.hosts) >= maxHosts {
			l.forget(now)
		}
		if len(l.hosts) >= maxHosts {
			return false
		}
		b = bucket(l.perHost)
		l.hosts[host] = b
	}
	return b.AllowN(now, 1)
}

// forget drops the hosts that are as if never asked. The caller holds mu.
func (l *limits) forget(now time.Time) {
	for host, b := range l.hosts {
		if b.TokensAt(now) >= float64(l.perHost) {
			delete(l.hosts, host)
		}
	}
}

// enter waits for a place among the requests under way, as long as ctx lives.
func (l *limits) enter(ctx context.Context) (leave func(), err error) {
	select {
	case l.under <- struct{}{}:
		return func() { <-l.under }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrBusy, context.Cause(ctx))
	}
}
