package registration

import (
	"net/netip"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"
)

// rates hold one bucket for each source and purpose, for as many sources as fit; who falls out begins anew.
type rates struct {
	buckets *otter.Cache[source, *rate.Limiter]
}

type source struct {
	prefix  netip.Prefix
	purpose string
}

func newRates() *rates {
	return &rates{otter.Must(&otter.Options[source, *rate.Limiter]{MaximumSize: 10_000})}
}

// allow takes one of perMinute from the bucket of addr. An IPv6 source is its /64: one host has them all.
func (r *rates) allow(now time.Time, addr netip.Addr, purpose string, perMinute int) bool {
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	prefix, _ := addr.Unmap().Prefix(min(bits, addr.Unmap().BitLen()))
	b, _ := r.buckets.ComputeIfAbsent(source{prefix, purpose}, func() (*rate.Limiter, bool) {
		return rate.NewLimiter(rate.Every(time.Minute/time.Duration(perMinute)), perMinute), false
	})
	return b.AllowN(now, 1)
}
