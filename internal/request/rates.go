package request

import (
	"net/netip"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"
)

// Rates bound how often one source may do one thing: a bucket for each, for as many as fit; who falls out begins anew.
// They hold for one process. Rates are safe for concurrent use.
type Rates struct {
	buckets *otter.Cache[bucket, *rate.Limiter]
}

type bucket struct {
	source  netip.Prefix
	purpose string
	key     string // of a source that has a name, not an address
}

// NewRates has room for ten thousand sources.
func NewRates() *Rates {
	return &Rates{otter.Must(&otter.Options[bucket, *rate.Limiter]{MaximumSize: 10_000})}
}

// Allow takes one of perMinute from the bucket of the request's source, which begins full. An IPv6 source is its /64: one
// host has them all.
func (r *Rates) Allow(i Info, purpose string, perMinute int) bool {
	return r.take(bucket{source: i.Network(), purpose: purpose}, i.Now, perMinute)
}

// AllowKey is Allow for a source that has a name, such as a client that has authenticated.
func (r *Rates) AllowKey(now time.Time, key string, perMinute int) bool {
	return r.take(bucket{key: key}, now, perMinute)
}

func (r *Rates) take(from bucket, now time.Time, perMinute int) bool {
	b, _ := r.buckets.ComputeIfAbsent(from, func() (*rate.Limiter, bool) {
		return rate.NewLimiter(rate.Every(time.Minute/time.Duration(perMinute)), perMinute), false
	})
	return b.AllowN(now, 1)
}
