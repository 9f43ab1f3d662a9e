package cedar

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/policy"
)

// Result is what came of a case. Wrong is empty if it is what the case expects.
type Result struct {
	Case     Case
	Decision policy.Decision // the zero Decision for a list
	Wrong    []string        // what came, and what was expected
}

// Test decides the cases, by the same path as every call.
func (e *Engine) Test(cases []Case) []Result {
	results := make([]Result, len(cases))
	for i, c := range cases {
		results[i] = e.test(c)
	}
	return results
}

func (e *Engine) test(c Case) (result Result) {
	result.Case = c
	if c.list != nil {
		result.Wrong = e.testList(c)
		return result
	}
	r, err := e.request(c.Described)
	if err != nil {
		result.Wrong = []string{err.Error()}
		return result
	}
	result.Decision = e.Decide(context.Background(), r)
	result.Wrong = c.expect.differs(result.Decision)
	return result
}

func (e *Engine) testList(c Case) (wrong []string) {
	r, err := e.caller(c.Given)
	if err == nil {
		r.Server, err = e.resourceOf(c.Server)
	}
	if err != nil {
		return []string{err.Error()}
	}
	seen := func(items []mcp.Item, want bool) (others []mcp.Item) {
		for i, got := range e.Visible(context.Background(), r, items) {
			if got != want {
				others = append(others, items[i])
			}
		}
		return others
	}
	if missing := seen(c.list.sees, true); len(missing) > 0 {
		wrong = append(wrong, "hidden, and should be seen: "+itemsWords(missing))
	}
	if shown := seen(c.list.hidden, false); len(shown) > 0 {
		wrong = append(wrong, "seen, and should be hidden: "+itemsWords(shown))
	}
	return wrong
}

// differs is what is expected otherwise than it is decided.
func (x *expectation) differs(d policy.Decision) (wrong []string) {
	got := decided(d)
	words := func(all []string) string { return "[" + strings.Join(slices.Sorted(slices.Values(all)), ", ") + "]" }
	for _, key := range x.asked {
		var is, want string
		switch key {
		case "decision":
			if is, want = got.Decision, x.Decision; is != want {
				is += " (" + d.Code + ")"
			}
		case "code":
			is, want = got.Code, x.Code
		case "acr":
			is, want = got.ACR, x.ACR
		case "max_age":
			is, want = seconds(got.MaxAge), seconds(x.MaxAge)
		case "remedies":
			is, want = words(got.Remedies), words(x.Remedies)
		case "scopes":
			is, want = words(got.Scopes), words(x.Scopes)
		case "rules":
			is, want = words(got.Rules), words(x.Rules)
		case "obligations":
			is, want = words(got.Obligations), words(x.Obligations)
		}
		if is != want {
			wrong = append(wrong, fmt.Sprintf("%s: %s, not %s", key, is, want))
		}
	}
	return wrong
}

// seconds is a span of time as a number of seconds, which it may be already.
func seconds(text string) string {
	if span, err := time.ParseDuration(text); err == nil {
		return fmt.Sprint(int(span.Seconds()))
	}
	return text
}

// decided is a decision in the words of cases.
func decided(d policy.Decision) expectation {
	x := expectation{Decision: d.Verdict.String(), Code: d.Code, Remedies: remediesOf(d.Lacking), Scopes: d.Lacking.Scopes, ACR: d.Lacking.ACR, Rules: slices.Compact(slices.Sorted(slices.Values(d.Rules)))}
	if d.Lacking.MaxAge > 0 {
		x.MaxAge = fmt.Sprint(d.Lacking.MaxAge)
	}
	for _, o := range d.Obligations {
		x.Obligations = append(x.Obligations, o.Name+":"+o.Value)
	}
	x.Obligations = slices.Compact(slices.Sorted(slices.Values(x.Obligations)))
	return x
}

// remediesOf are the names of what is lacking.
func remediesOf(l policy.Lacking) (all []string) {
	for _, one := range []struct {
		lacks bool
		name  string
	}{{len(l.Scopes) > 0, remedyScope}, {l.ACR != "", remedyACR}, {l.MaxAge > 0, remedyMaxAge}, {l.Account != "", remedyAccount}, {l.Approval, remedyApproval}} {
		if one.lacks {
			all = append(all, one.name)
		}
	}
	return all
}
