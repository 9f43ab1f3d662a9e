package store

import (
	"context"
	"sync"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/token"
)

// subjects remembers the subjects that were asked for lately, in two generations: when the young one is full, it becomes the old one, and
// what nobody asked for again is gone with the one before. The zero value is empty.
type subjects struct {
	mu         sync.RWMutex                      // guards all below
	young, old map[token.Principal]audit.Subject // :: who → as the log knows them
	times      int64                             // that it was cleared
}

// maxSubjects is how many of each generation there are: about 4 MB in all.
const maxSubjects = 10_000

func (c *subjects) find(p token.Principal) (s audit.Subject, ok bool) {
	c.mu.RLock()
	s, ok = c.young[p]
	if ok {
		c.mu.RUnlock()
		return s, true
	}
	s, ok = c.old[p]
	times := c.times
	c.mu.RUnlock()
	if ok {
		c.keep(times, p, s)
	}
	return s, ok
}

// epoch is to be asked for before the database is: what was read before the cache was cleared is not to be kept after it.
func (c *subjects) epoch() int64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.times
}

func (c *subjects) keep(epoch int64, p token.Principal, s audit.Subject) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.times != epoch {
		return
	}
	if c.young == nil || len(c.young) >= maxSubjects {
		c.young, c.old = make(map[token.Principal]audit.Subject), c.young
	}
	c.young[p] = s
}

func (c *subjects) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.young, c.old = nil, nil
	c.times++
}

// newsPace is how often Follow asks: others know of an erasure within a second.
const newsPace = 500 * time.Millisecond

// Follow forgets whom other processes erased, until ctx ends. An error is told to failed, and everything is forgotten: nobody knows then
// who has been erased.
func (v *Vault) Follow(ctx context.Context, failed func(error)) {
	tick := time.NewTicker(newsPace)
	defer tick.Stop()
	last := int64(-1)
	for {
		var counter int64
		err := v.db.row(ctx, "SELECT value FROM counters WHERE name = 'erasures'").Scan(&counter)
		if err != nil && ctx.Err() == nil {
			failed(err)
		}
		if err != nil || counter != last {
			v.cache.clear()
		}
		last = counter
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
