package guard

import (
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// quotas count what Limits bound. A caller is counted from when the token is good, a tool from when the call is allowed: what
// one person may not do takes nothing from the others.
type quotas struct {
	limits  Limits
	buckets *otter.Cache[bucket, *rate.Limiter]

	mu     sync.Mutex      // guards places
	places map[counted]int // :: who or what → requests that have not ended
}

// counted is what is counted: a person through a client, a client (without a person), or a tool.
type counted struct {
	token.Principal
	client, tool string
}

type bucket struct {
	counted
	bytes bool
}

func newQuotas(l Limits) *quotas {
	// Who falls out for the others begins anew, with a full bucket.
	return &quotas{limits: l, places: map[counted]int{}, buckets: otter.Must(&otter.Options[bucket, *rate.Limiter]{MaximumSize: 100_000})}
}

// caller is a person through a client; where nobody is known, everybody at one source, so that one of them cannot take the
// places of all.
func caller(c Call) counted {
	if c.Caller.Issuer == "" {
		return counted{c.Caller.Principal, c.Request.Network().String(), ""}
	}
	return counted{c.Caller.Principal, c.Caller.Client, ""}
}

func client(c Call) counted {
	return counted{token.Principal{Issuer: c.Caller.Issuer}, c.Caller.Client, ""}
}

// enter counts a request of a caller. Whoever is let in leaves.
func (q *quotas) enter(now time.Time, c Call) error {
	if err := q.take(now, caller(c), q.limits.Caller, "caller"); err != nil {
		return err
	}
	if err := q.take(now, client(c), q.limits.Client, "client"); err != nil {
		q.giveBack(caller(c), q.limits.Caller)
		return err
	}
	return nil
}

// weigh counts the body of a caller's request, whose length nobody need have said before.
func (q *quotas) weigh(now time.Time, c Call, body int) error {
	if wait, ok := q.draw(now, bucket{caller(c), true}, q.limits.Caller.BytesPerMinute, int64(body)); !ok {
		return tooMuch("caller", "bytes", wait)
	}
	if wait, ok := q.draw(now, bucket{client(c), true}, q.limits.Client.BytesPerMinute, int64(body)); !ok {
		return tooMuch("client", "bytes", wait)
	}
	return nil
}

// leave gives back the places of a caller.
func (q *quotas) leave(c Call) {
	q.giveBack(caller(c), q.limits.Caller)
	q.giveBack(client(c), q.limits.Client)
}

// enterTools counts the tools of an allowed message: all of them or, with an error, none.
func (q *quotas) enterTools(now time.Time, m mcp.Message) error {
	for i, op := range m.Operations {
		bounds, tool := q.tool(op)
		if tool == "" {
			continue
		}
		err := q.take(now, counted{tool: tool}, bounds, "tool")
		if wait, ok := q.draw(now, bucket{counted{tool: tool}, true}, bounds.BytesPerMinute, int64(len(op.Params))); err == nil && !ok {
			q.giveBack(counted{tool: tool}, bounds)
			err = tooMuch("tool", "bytes", wait)
		}
		if err != nil {
			q.leaveTools(m.Operations[:i])
			return &denial{answer: err, id: op.ID}
		}
	}
	return nil
}

func (q *quotas) leaveTools(all []mcp.Operation) {
	for _, op := range all {
		if bounds, tool := q.tool(op); tool != "" {
			q.giveBack(counted{tool: tool}, bounds)
		}
	}
}

// tool is the tool that an operation calls, if it is bounded.
func (q *quotas) tool(op mcp.Operation) (Bounds, string) {
	if op.Method != "tools/call" {
		return Bounds{}, ""
	}
	b, own := q.limits.Tools[op.Name]
	if !own {
		b = q.limits.Tool
	}
	if b == (Bounds{}) {
		return b, ""
	}
	return b, op.Name[:min(len(op.Name), longest)]
}

// longest is how much of a name tells tools apart here: callers make names up, and every one is kept.
const longest = 256

// take counts one request, which has a place until giveBack.
func (q *quotas) take(now time.Time, who counted, b Bounds, of string) *oauth.Error {
	if wait, ok := q.draw(now, bucket{who, false}, int64(b.PerMinute), 1); !ok {
		return tooMuch(of, "requests", wait)
	}
	if b.AtOnce == 0 {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.places[who] >= b.AtOnce {
		return tooMuch(of, "requests at once", time.Second)
	}
	q.places[who]++
	return nil
}

func (q *quotas) giveBack(who counted, b Bounds) {
	if b.AtOnce == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.places[who]--; q.places[who] <= 0 {
		delete(q.places, who)
	}
}

// draw takes n from a bucket that begins full and fills in a minute. What could never fit empties it: one that is larger than
// the bound is let through when nothing else was.
func (q *quotas) draw(now time.Time, from bucket, perMinute, n int64) (wait time.Duration, ok bool) {
	if perMinute == 0 || n == 0 {
		return 0, true
	}
	size := int(min(perMinute, math.MaxInt32))
	b, _ := q.buckets.ComputeIfAbsent(from, func() (*rate.Limiter, bool) {
		return rate.NewLimiter(rate.Limit(float64(size)/60), size), false
	})
	want := int(min(n, int64(size)))
	if b.AllowN(now, want) {
		return 0, true
	}
	missing := float64(want) - b.TokensAt(now)
	return time.Duration(missing / float64(b.Limit()) * float64(time.Second)), false
}

// tooMuch is the refusal of what is over a bound. RFC 6585 §4.
func tooMuch(of, what string, wait time.Duration) *oauth.Error {
	return &oauth.Error{Status: http.StatusTooManyRequests, Code: "temporarily_unavailable", Reason: "limit." + of, RetryAfter: max(1, int(math.Ceil(wait.Seconds()))),
		Description: "too many " + what + " of this " + of + "; try again later"}
}
