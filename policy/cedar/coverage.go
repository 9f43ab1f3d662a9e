package cedar

import (
	"context"
	"slices"

	"github.com/doorward-mcp/doorward/policy"
)

// Coverage is what cases leave open: every permit should let a case through, and should be about one that it does not match;
// every forbid should stop one, and let one pass. of is how much there is to cover.
func (e *Engine) Coverage(cases []Case) (open []Problem, of int) {
	yes, no := map[*rule]bool{}, map[*rule]bool{}
	for _, c := range cases {
		if c.list != nil {
			continue
		}
		r, err := e.request(c.Described)
		if err != nil {
			continue
		}
		d := e.Decide(context.Background(), r)
		for _, t := range e.trace(r) {
			switch {
			case !t.matched:
				no[t.rule] = true
			case t.rule.permits() && d.Verdict != policy.Deny, slices.Contains(d.Rules, t.rule.id):
				yes[t.rule] = true
			}
		}
	}
	var p problems
	for _, r := range e.rules {
		switch permits := r.permits(); {
		case permits && !yes[r]:
			p.of(r, "it lets no case through")
		case !yes[r]:
			p.of(r, "it stops no case")
		}
		if !no[r] {
			p.of(r, "no case is about its action and not matched by it")
		}
	}
	return p.sorted(), 2 * len(e.rules)
}
