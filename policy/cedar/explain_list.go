package cedar

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/policy"
)

// Seen is what a caller finds of one item of a server.
type Seen struct {
	Kind    string   `json:"kind"` // tool, prompt or template
	Name    string   `json:"name"`
	Shown   bool     `json:"shown"`
	Needs   []string `json:"needs,omitempty"`    // remedies without which no call is let through
	MayNeed []string `json:"may_need,omitempty"` // remedies that hang on the arguments
	Why     string   `json:"why,omitempty"`      // what hides it
	Rules   []string `json:"rules,omitempty"`    // that hide it
}

// List is what a described caller sees of a server, by its name in the bundle: everything of it that the operator accepted.
func (e *Engine) List(server string, g Given) ([]Seen, error) {
	r, err := e.caller(g)
	if err == nil {
		r.Server, err = e.resourceOf(server)
	}
	if err != nil {
		return nil, err
	}
	l, ok := e.list(r)
	if !ok {
		return nil, fmt.Errorf("given: more groups are said of the caller than are looked at")
	}
	all := []Seen{}
	for _, a := range l.server.inOrder {
		if a.item.Kind == mcp.ItemResource { // an address that no template makes: it stands in no list
			continue
		}
		one := Seen{Kind: a.item.Kind, Name: a.item.Name}
		d := e.step1(&l.who, a, &a.open, l.record(a))
		if one.Shown = d.Verdict == policy.Allow; one.Shown {
			one.Needs, one.MayNeed = l.lacking(a)
		} else {
			one.Why, one.Rules = d.Code, d.Rules
		}
		all = append(all, one)
	}
	slices.SortStableFunc(all, func(a, b Seen) int { return strings.Compare(a.Kind+"\x00"+a.Name, b.Kind+"\x00"+b.Name) })
	return all, nil
}

// lacking is what every call of an action lacks, and what some may lack.
func (l *list) lacking(a *action) (always, perhaps []string) {
	var all, some policy.Lacking
	record := l.e.context(&l.r, a, planContext(&reading{whole: true}), nil)
	for _, r := range a.remedy.rules {
		if l.fires(a, r.open, record) {
			all = all.Union(r.lacking)
			continue
		}
		// Taken for a permit, it is opened to what it would say for some arguments.
		permit := *r.whole.AST()
		permit.Effect = ast.EffectPermit
		if l.fires(a, newPolicy(opened(ast.Policy(permit))), record) {
			some = some.Union(r.lacking)
		}
	}
	always = remediesOf(all)
	return always, slices.DeleteFunc(remediesOf(some), func(one string) bool { return slices.Contains(always, one) })
}

func (l *list) fires(a *action, p *cedar.Policy, record cedar.Record) bool {
	who := l.who
	who.action = a.known
	_, found := cedar.Authorize(cedar.PolicyMap{"": p}, &who, cedar.Request{Principal: who.uid, Action: a.known.UID, Resource: serverUID(a.server), Context: record})
	return len(found.Reasons)+len(found.Errors) > 0
}

// Size is how many rules, servers and accepted tools a bundle has.
func (e *Engine) Size() (rules, servers, tools int) {
	for _, s := range e.servers {
		for item := range s.actions {
			if item.Kind == mcp.ItemTool {
				tools++
			}
		}
	}
	return len(e.rules), len(e.servers), tools
}
