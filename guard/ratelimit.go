package guard

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/token"
)

// RuleRates counts the calls that rules allow only so often: at most so many in any span of time, whenever it begins. That is
// stricter than a bucket that fills, which lets through twice as many in its first span.
type RuleRates struct {
	mu      sync.Mutex // guards what is in the tallies
	tallies *otter.Cache[allowed, *tally]
}

// allowed is what is counted together: the calls that one rule allows a person, with whatever client. Where nobody is known,
// those of one source.
type allowed struct {
	token.Principal
	source, rule, value string
}

// NewRuleRates counts from nothing. It is safe for concurrent use; who falls out for the others begins anew.
func NewRuleRates() *RuleRates {
	return &RuleRates{tallies: otter.Must(&otter.Options[allowed, *tally]{MaximumSize: 100_000})}
}

// enter counts a call for every rate limit of the rules that allowed it: for all of them or, with an error, for none. It is the
// last check, so that a call which is refused for something else takes nothing.
func (r *RuleRates) enter(now time.Time, c Call) error {
	counts, id := limits(c)
	if counts == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var wait time.Duration
	tallies := make(map[*tally]int, len(counts))
	for of, n := range counts {
		t, _ := r.tallies.ComputeIfAbsent(of, func() (*tally, bool) {
			s, ok := readSpan(of.value)
			return &tally{span: s}, !ok // oblige has read it before
		})
		if t == nil {
			t = new(tally)
		}
		tallies[t] = n
		wait = max(wait, t.wait(now, n))
	}
	if wait > 0 {
		return &denial{id: id, answer: &oauth.Error{Status: http.StatusTooManyRequests, Code: "temporarily_unavailable", Reason: policyRateLimit,
			RetryAfter: max(1, int(math.Ceil(wait.Seconds()))), Description: "a rule allows this only so often; try again later"}}
	}
	for t, n := range tallies {
		t.counts[t.newest%slots] += n
	}
	return nil
}

// limits are the rate limits of a call, each with how often the call counts: a rule may allow several of a batch. id is of the
// first operation that has one.
func limits(c Call) (counts map[allowed]int, id string) {
	for i, d := range c.Decisions {
		for _, o := range d.Obligations {
			if o.Name != policy.RateLimit {
				continue
			}
			if counts == nil {
				counts, id = map[allowed]int{}, c.Message.Operations[i].ID
			}
			of := allowed{Principal: c.Caller.Principal, rule: o.Rule, value: o.Value}
			if of.Issuer == "" {
				of.source = c.Request.Network().String()
			}
			counts[of]++
		}
	}
	return counts, id
}

// span is how often something may happen within a time. The zero span is never.
type span struct {
	n   int
	per time.Duration
}

// readSpan reads a number and s, m, h or d, such as 10/h.
func readSpan(text string) (span, bool) {
	number, unit, _ := strings.Cut(text, "/")
	n, err := strconv.Atoi(number)
	per := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[unit]
	if err != nil || n <= 0 || n > 1_000_000_000 || per == 0 {
		return span{}, false
	}
	return span{n, per}, true
}

// slots are the pieces in which a span is counted, and one more: that which goes on, and the whole ones that a span which ends
// in it can reach into.
const slots = 61

// tally counts calls within the last span.
type tally struct {
	span
	newest int64 // the piece of time that goes on
	counts [slots]int
}

// wait is how long it is until n more fit; 0: they do. It moves on to now.
func (t *tally) wait(now time.Time, n int) time.Duration {
	if n > t.n {
		return max(t.per, time.Second) // they never fit
	}
	piece := (t.per + slots - 2) / (slots - 1)       // never shorter than it should be
	at := max(now.UnixNano()/int64(piece), t.newest) // requests do not come in the order of their times
	for i := max(t.newest+1, at-slots+1); i <= at; i++ {
		t.counts[i%slots] = 0
	}
	t.newest = at
	total := n
	for _, c := range t.counts {
		total += c
	}
	for oldest := at - slots + 1; total > t.n; oldest++ {
		if total -= t.counts[oldest%slots]; total <= t.n {
			return time.Unix(0, (oldest+slots)*int64(piece)).Sub(now)
		}
	}
	return 0
}
