package cedar_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/policy/cedar"
)

const loose = `
== bundle.yaml
id: loose
servers: {crm: {definitions: any}}
== servers/crm/rules.cedar
@id("one")
permit (principal in Group::"staff", action == Action::"crm/find", resource)
when {
  context.delegation.human && // a person
  context.token.scopes.contains("crm") && context.token.bound
}
unless { context.time.hour < 6 };

@id("two")
permit (principal, action == Action::"crm/drop", resource)
when { context.token.bound };

@id("three")
forbid (principal, action == Action::"crm/purge", resource);
== tests/a.yaml
`

// What no case holds is listed with its place and text; what one holds is not.
func TestMutate(t *testing.T) {
	const all = `[{name: good, given: {user: a, groups: [staff], scopes: [crm], evidence: [dpop]}, call: {server: crm, tool: find}, expect: {decision: allow}},
  {given: {$ref: good, scopes: []}, call: {$ref: good}, expect: {decision: deny}},
  {given: {$ref: good, evidence: []}, call: {$ref: good}, expect: {decision: deny}},
  {given: {$ref: good, human: false}, call: {$ref: good}, expect: {decision: deny}},
  {given: {$ref: good, groups: []}, call: {$ref: good}, expect: {decision: deny}},
  {given: {$ref: good, time: "2026-01-05T05:00:00Z"}, call: {$ref: good}, expect: {decision: deny}},
  {given: {evidence: [dpop]}, call: {server: crm, tool: drop}, expect: {decision: allow}},
  {given: {}, call: {server: crm, tool: drop}, expect: {decision: deny}},
  {given: {}, call: {server: crm, tool: purge}, expect: {decision: deny, code: policy.forbidden}}]`
	lines := strings.Split(all, "\n")
	for _, c := range []struct {
		name string
		left int // which line of all is left out; 0: none
		want string
	}{
		{"all are there", 0, ""},
		{"the scope", 1, `servers/crm/rules.cedar:5:3: one: nothing fails without context.token.scopes.contains("crm")`},
		{"the binding", 2, `servers/crm/rules.cedar:5:39: one: nothing fails without context.token.bound`},
		{"the person", 3, `servers/crm/rules.cedar:4:3: one: nothing fails without context.delegation.human`},
		{"the group", 4, `servers/crm/rules.cedar:2:19: one: nothing fails without in Group::"staff"`},
		{"the night", 5, `servers/crm/rules.cedar:7:1: one: nothing fails without unless { context.time.hour < 6 }`},
		{"the only condition", 7, `servers/crm/rules.cedar:11:1: two: nothing fails without when { context.token.bound }`},
		{"a rule", 8, `servers/crm/rules.cedar:13:1: three: nothing fails without the rule`},
	} {
		t.Run(c.name, func(t *testing.T) {
			some := lines
			if c.left > 0 {
				some = append(append([]string{}, lines[:c.left]...), lines[c.left+1:]...)
			}
			text := strings.Join(some, "\n")
			if c.left == len(lines)-1 {
				text = strings.TrimSuffix(text, ",") + "]"
			}
			files := bundle(loose + text)
			cases, err := files.Cases()
			if err != nil {
				t.Fatal(err)
			}
			m, err := files.Mutate(cedar.Options{}, cases, 100)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range m.Survivors {
				got = append(got, p.String())
			}
			if strings.Join(got, "\n") != c.want || m.Tried != 9 || m.Of != 9 {
				t.Errorf("%d of %d tried, and survived:\n%s", m.Tried, m.Of, strings.Join(got, "\n"))
			}
		})
	}
}

// What is tried is bounded, and said to be.
func TestMutateIsBounded(t *testing.T) {
	files := bundle(loose + "[]")
	m, err := files.Mutate(cedar.Options{}, nil, 2)
	if err != nil || m.Tried != 2 || m.Of != 9 || len(m.Survivors) != 2 {
		t.Errorf("%+v, %v", m, err)
	}
}

// What no case shows of a rule is listed with its place.
func TestCoverage(t *testing.T) {
	for _, c := range []struct{ name, tests, want string }{
		{"nothing", "[]", "1 one lets, 1 one about, 9 two lets, 9 two about, 13 three stops, 13 three about"},
		{"one way each", `[{given: {user: a, groups: [staff], scopes: [crm], evidence: [dpop]}, call: {server: crm, tool: find}, expect: {decision: allow}},
  {given: {}, call: {server: crm, tool: drop}, expect: {decision: deny}}, {given: {}, call: {server: crm, tool: purge}, expect: {decision: deny}}]`,
			"1 one about, 9 two lets, 13 three about"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := bundle(loose + c.tests)
			cases, err := files.Cases()
			if err != nil {
				t.Fatal(err)
			}
			open, of := load(t, files).Coverage(cases)
			var got []string
			for _, p := range open {
				word := map[bool]string{true: "about"}[strings.Contains(p.Text, "about")]
				if word == "" {
					word = strings.Fields(p.Text)[1]
				}
				got = append(got, fmt.Sprintf("%d %s %s", p.Line, p.Rule, word))
			}
			if text := strings.Join(got, ", "); text != c.want || of != 6 {
				t.Errorf("of %d: %s", of, text)
			}
		})
	}
}
