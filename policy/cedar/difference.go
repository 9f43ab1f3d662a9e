package cedar

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/doorward-mcp/doorward/policy"
)

// Change is calls that two bundles decide differently in the same way.
type Change struct {
	Server  string   `json:"server"`
	Action  string   `json:"action"` // the tool, prompt, address or method
	Was     string   `json:"was"`    // the old bundle's verdict, with what is lacking
	Is      string   `json:"is"`     // the new bundle's
	Rules   []string `json:"rules"`  // that decided in one of them and not in the other
	Calls   int      `json:"calls"`
	Example Given    `json:"given"` // the first of the calls
	Call    Call     `json:"call"`
}

// Compare decides calls by this bundle and by another, and says what differs, the most calls first. A server that one of them does not name denies.
func (e *Engine) Compare(after *Engine, calls []Described) []Change {
	changes := map[string]*Change{}
	for _, d := range calls {
		was, is := e.wouldDecide(d), after.wouldDecide(d)
		x, y := verdictWords(was), verdictWords(is)
		if x == y {
			continue
		}
		c := Change{Server: d.Server, Action: d.Tool + d.Prompt + d.Resource + d.Method, Was: x, Is: y, Rules: apart(was.Rules, is.Rules), Calls: 1, Example: d.Given, Call: d.Call}
		key := strings.Join([]string{c.Server, c.Action, c.Was, c.Is, strings.Join(c.Rules, " ")}, "\x00")
		if known := changes[key]; known != nil {
			known.Calls++
			continue
		}
		changes[key] = &c
	}
	all := []Change{}
	for _, key := range slices.Sorted(maps.Keys(changes)) {
		all = append(all, *changes[key])
	}
	slices.SortStableFunc(all, func(a, b Change) int { return cmp.Compare(b.Calls, a.Calls) })
	return all
}

// wouldDecide is the decision about a described call. What a bundle cannot be asked it denies.
func (e *Engine) wouldDecide(d Described) policy.Decision {
	r, err := e.request(d)
	if err != nil {
		return policy.Decision{}
	}
	return e.Decide(context.Background(), r)
}

// verdictWords is what of a decision a caller notices.
func verdictWords(d policy.Decision) string {
	x := decided(d)
	words := x.Decision
	for _, part := range [][]string{x.Remedies, x.Scopes, {x.ACR}, {x.MaxAge}} {
		if text := strings.Join(part, " "); text != "" {
			words += " " + text
		}
	}
	if len(x.Obligations) > 0 {
		words += " with " + strings.Join(x.Obligations, " ")
	}
	return words
}

// apart are the words that only one of two lists has.
func apart(a, b []string) []string {
	all := []string{}
	for _, one := range slices.Concat(a, b) {
		if slices.Contains(a, one) != slices.Contains(b, one) {
			all = append(all, one)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
