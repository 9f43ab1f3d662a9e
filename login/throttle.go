package login

import (
	"net/netip"
	"time"

	"github.com/maypok86/otter/v2"
)

// throttle slows guessing down without locking anybody out. A source that has failed waits ever longer; a name that
// is guessed at from many sources waits too, but never long, so that nobody can be kept from signing in by a stranger:
// the one-time link is not throttled by name at all.
type throttle struct {
	failed *otter.Cache[string, failures]
}

type failures struct {
	n    int
	last time.Time
}

const (
	freeTries  = 5               // of a name from a source, before either waits
	sourceMost = 5 * time.Minute // a source never waits longer
	nameMost   = 5 * time.Second // a name never waits longer, whoever guesses at it
	forget     = 30 * time.Minute
)

func newThrottle() *throttle {
	return &throttle{otter.Must(&otter.Options[string, failures]{MaximumSize: 100_000})}
}

// wait is how long a try must still wait at now; 0: go ahead.
func (t *throttle) wait(now time.Time, source netip.Addr, name string) time.Duration {
	return max(t.left(now, "source "+prefix(source), sourceMost), t.left(now, nameKey(name), nameMost))
}

func (t *throttle) left(now time.Time, key string, most time.Duration) time.Duration {
	f, ok := t.failed.GetIfPresent(key)
	if !ok || f.n < freeTries || now.Sub(f.last) >= forget {
		return 0
	}
	pause := time.Second << min(f.n-freeTries, 20)
	return max(0, min(pause, most)-now.Sub(f.last))
}

// fail counts a wrong try; clear forgets those of a source and name after a right one.
func (t *throttle) fail(now time.Time, source netip.Addr, name string) {
	for _, key := range []string{"source " + prefix(source), nameKey(name)} {
		t.failed.Compute(key, func(old failures, found bool) (failures, otter.ComputeOp) {
			if !found || now.Sub(old.last) >= forget {
				old = failures{}
			}
			return failures{old.n + 1, now}, otter.WriteOp
		})
	}
}

func (t *throttle) clear(source netip.Addr, name string) {
	t.failed.Invalidate("source " + prefix(source))
	t.failed.Invalidate(nameKey(name))
}

// nameKey is bounded: what is longer is nobody's name, and must not fill the memory.
func nameKey(name string) string { return "name " + name[:min(len(name), maxName+1)] }

// prefix is an address as one source: an IPv6 host has a whole /64.
func prefix(a netip.Addr) string {
	a = a.Unmap()
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}
