package cedar

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/doorward-mcp/doorward/policy"
)

// maxCases bounds the cases of a bundle: those of a matrix are its product.
const maxCases = 100_000

// Case is one call and what must come of it, or one list and what must be in it. A file in tests/ is a list of them:
//
//   - defaults: {call: {server: crm}}       # only as the first entry: what holds where a case says nothing
//   - name: an admin deletes
//     given: {user: alice, groups: [crm-admins]}
//     call: {tool: delete_user, args: {id: 42}}
//     expect: {decision: allow, rules: [crm.delete-user]}
//   - name: nobody else does
//     given: {$ref: above, groups: []}      # as the case before, or as the one of that name
//     call: {$ref: above}
//     matrix: {tool: [delete_user, purge], user: [alice, bob]}    # one case for each combination
//     expect: {decision: deny}
//   - name: what an admin sees
//     given: {$ref: an admin deletes}
//     list: {sees: [delete_user], hidden: [{prompt: rewrite}]}
type Case struct {
	Name string
	File string
	Line int
	Described
	expect *expectation // of a call
	list   *listed      // nil: it is a call
}

// expectation is what must come of a call. Only what asked names is held against the decision.
type expectation struct {
	Decision    string   `json:"decision"`
	Code        string   `json:"code"`
	Remedies    []string `json:"remedies"`
	Scopes      []string `json:"scopes"`
	ACR         string   `json:"acr"`
	MaxAge      string   `json:"max_age"`
	Rules       []string `json:"rules"`
	Obligations []string `json:"obligations"`

	asked []string
}

// The keys of the parts of a case.
var (
	caseKeys   = []string{"name", "given", "call", "list", "matrix", "expect", "defaults"}
	givenKeys  = []string{"user", "agent", "workload", "issuer", "client", "name", "groups", "scopes", "acr", "auth_age", "age", "human", "evidence", "attributes", "ip", "time", "actors", "task"}
	callKeys   = []string{"server", "tool", "prompt", "resource", "method", "args"}
	expectKeys = []string{"decision", "code", "remedies", "scopes", "acr", "max_age", "rules", "obligations"}
	listKeys   = []string{"server", "sees", "hidden"}
)

// instead says which keys a key stands for: who gives it over a reference takes the others away.
var instead = map[string][]string{
	"user": {"agent", "workload"}, "agent": {"user", "workload", "client"}, "workload": {"user", "agent", "client"},
	"tool": {"prompt", "resource", "method"}, "prompt": {"tool", "resource", "method"},
	"resource": {"tool", "prompt", "method", "args"}, "method": {"tool", "prompt", "resource", "args"},
}

// Cases reads the cases of a bundle, in the order of its files. The error is an *Error with everything that is wrong.
func (f Files) Cases() ([]Case, error) {
	var p problems
	var all []Case
	for _, file := range slices.Sorted(maps.Keys(f)) {
		if !strings.HasPrefix(file, "tests/") || path.Ext(file) != ".yaml" {
			continue
		}
		r := &caseFile{caseReader: caseReader{file, &p}, named: map[string]asWritten{}, room: maxCases - len(all)}
		all = append(all, r.read(f[file])...)
	}
	return all, p.err()
}

// caseFile is one file that is being read.
type caseFile struct {
	caseReader
	defaults asWritten
	above    *asWritten
	named    map[string]asWritten // :: name of a case → as it is written
	room     int
}

// asWritten is the part of a case that another can refer to.
type asWritten struct{ given, call caseMembers }

func (f *caseFile) read(content []byte) (all []Case) {
	root := f.parse(content)
	if root == nil {
		return nil
	}
	for i, n := range f.items(root) {
		m := f.members(n, caseKeys)
		if d, ok := m["defaults"]; ok {
			if i > 0 || len(m) > 1 {
				f.wrong(d.key, "defaults are the first entry of a file, by themselves")
			}
			parts := f.members(d.value, []string{"given", "call"})
			f.defaults = asWritten{f.part(parts, "given", givenKeys), f.part(parts, "call", callKeys)}
			continue
		}
		all = append(all, f.entry(n, m)...)
	}
	return all
}

// entry is a case, or those of a matrix.
func (f *caseFile) entry(n ast.Node, m caseMembers) (all []Case) {
	one, noted := Case{File: f.file}, len(*f.p)
	one.Line, _ = placeOf(n)
	if name, ok := m["name"]; ok {
		one.Name = f.text(name.value)
	}
	w := asWritten{f.part(m, "given", givenKeys), f.part(m, "call", callKeys)}
	f.above = &w
	if one.Name != "" {
		if _, twice := f.named[one.Name]; twice {
			f.wrong(m["name"].value, "the name is taken: reports and references could mean either")
		}
		f.named[one.Name] = w
	}
	whole := f.expected(&one, m, n)
	whole = whole && len(*f.p) == noted // what follows would say the same again in other words
	for _, combination := range f.combinations(m) {
		c := one
		c.Name = strings.TrimSpace(orElse(one.Name, fmt.Sprintf("line %d", one.Line)) + combination.words)
		f.caseReader.read(over(w.given, combination.of), &c.Given)
		f.caseReader.read(over(w.call, combination.of), &c.Call)
		if c.list != nil {
			c.Server = orElse(c.list.server, c.Server)
		} else if _, err := c.operation(); whole && err != nil {
			f.wrong(n, "%s", err)
		}
		if _, err := (&Engine{}).caller(c.Given); whole && err != nil {
			f.wrong(n, "%s", err)
		}
		if whole {
			all = append(all, c)
		}
	}
	return all
}

// part is given or call: the defaults, over them what is referred to, over that what stands here.
func (f *caseFile) part(m caseMembers, name string, keys []string) caseMembers {
	of := func(w asWritten) caseMembers {
		if name == "given" {
			return w.given
		}
		return w.call
	}
	base := of(f.defaults)
	part, ok := m[name]
	if !ok {
		return over(base, nil)
	}
	own := f.members(part.value, append([]string{"$ref"}, keys...))
	if ref, ok := own["$ref"]; ok {
		delete(own, "$ref")
		to := f.text(ref.value)
		w, known := f.named[to]
		switch {
		case to == "above" && f.above != nil:
			base = of(*f.above)
		case known:
			base = of(w)
		default:
			f.wrong(ref.value, "no case before this one is called %q%s", to, meant(to, slices.Sorted(maps.Keys(f.named))))
		}
	}
	return over(base, own)
}

// over is base with own over it.
func over(base, own caseMembers) caseMembers {
	all := maps.Clone(base)
	if all == nil {
		all = caseMembers{}
	}
	for key := range own {
		for _, other := range instead[key] {
			delete(all, other)
		}
	}
	maps.Copy(all, own)
	return all
}

// combination is one choice of a value for each key of a matrix.
type combination struct {
	of    caseMembers
	words string // what is chosen, for the name of the case
}

// combinations are those of a case's matrix; one that chooses nothing, if it has none.
func (f *caseFile) combinations(m caseMembers) []combination {
	all := []combination{{}}
	if matrix, ok := m["matrix"]; ok {
		axes := f.members(matrix.value, append(slices.Clone(givenKeys), callKeys...))
		for _, key := range slices.Sorted(maps.Keys(axes)) {
			values := f.items(axes[key].value)
			if len(all)*len(values) > f.room {
				f.wrong(matrix.key, "this makes more than %d cases", maxCases)
				return nil
			}
			var more []combination
			for _, before := range all {
				for _, v := range values {
					of := maps.Clone(before.of)
					if of == nil {
						of = caseMembers{}
					}
					of[key] = caseMember{axes[key].key, v}
					more = append(more, combination{of, before.words + ", " + key + " " + strings.TrimSpace(v.String())})
				}
			}
			all = more
		}
	}
	f.room -= len(all)
	return all
}

// expected reads what must come of a case, and reports whether it is a whole one.
func (f *caseFile) expected(c *Case, m caseMembers, n ast.Node) bool {
	list, isList := m["list"]
	expect, isCall := m["expect"]
	if isList {
		if _, called := m["call"]; called || isCall {
			f.wrong(n, "a list has neither call nor expect: sees and hidden say what must come of it")
			return false
		}
		c.list = f.listed(list.value)
		return true
	}
	if !isCall {
		f.wrong(n, "expect is missing: what must come of the call")
		return false
	}
	of := f.members(expect.value, expectKeys)
	c.expect = &expectation{asked: slices.Sorted(maps.Keys(of))}
	f.caseReader.read(of, c.expect)
	verdicts := []string{policy.Deny.String(), policy.Challenge.String(), policy.Allow.String()}
	if !slices.Contains(verdicts, c.expect.Decision) {
		f.wrong(expect.key, "expect.decision: it is allow, challenge or deny%s", meant(c.expect.Decision, verdicts))
		return false
	}
	return true
}
