package stdio

import (
	"slices"
	"time"

	"github.com/doorward-mcp/doorward/token"
)

// How long the next start waits after the one that failed.
const (
	firstWait   = time.Second
	longestWait = 30 * time.Second
)

// failedOnce is how often in a row a principal's processes died at the start. It is kept per principal, so that one who makes the server
// die keeps nobody else out.
type failedOnce struct {
	times int
	until time.Time
}

// tooSoon is the error of a start that has to wait.
type tooSoon struct{ wait time.Duration }

func (tooSoon) Error() string { return "the process died at its start, and is not started again yet" }

// mayStart says whether a principal may start a process now. The caller holds mu.
func (p *Pool) mayStart(who token.Principal) error {
	if wait := p.failures[who].until.Sub(p.now()); wait > 0 {
		return tooSoon{wait}
	}
	return nil
}

// forget takes a process that is gone out of the pool. failed says that it died before it had said anything.
func (p *Pool) forget(q *process, failed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.running, q)
	switch {
	case q.share != nil:
		if p.shared[*q.share] == q {
			delete(p.shared, *q.share)
		}
		for id, g := range p.guests {
			if g.process == q {
				delete(p.guests, id)
				g.stream.end(nil)
			}
		}
	case q.session != "":
		delete(p.sessions, q.session)
	default:
		left := slices.DeleteFunc(p.callers[q.owner], func(x *process) bool { return x == q })
		p.callers[q.owner] = left
		if len(left) == 0 {
			delete(p.callers, q.owner)
		}
	}
	now := p.now()
	for who, f := range p.failures {
		if now.Sub(f.until) > longestWait {
			delete(p.failures, who)
		}
	}
	if !failed {
		return
	}
	p.failed++
	if p.failures == nil {
		p.failures = map[token.Principal]failedOnce{}
	}
	f := p.failures[q.owner.Principal]
	wait := min(firstWait<<min(f.times, 10), longestWait)
	p.failures[q.owner.Principal] = failedOnce{f.times + 1, now.Add(wait)}
}

// works says that a process of the principal has answered.
func (p *Pool) works(who token.Principal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.failures, who)
}
