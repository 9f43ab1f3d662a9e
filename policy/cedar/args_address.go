package cedar

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go/types"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/policy"
)

// template is a URI template (RFC 6570), or any address at all: then the zero template.
type template struct {
	makes       *regexp.Regexp // what could be made by it, and more; nil: everything
	most, least *regexp.Regexp // what is made by it, with its variables as groups, the first as long, or short, as it can be
	variables   []string       // that groups are of; empty: one that cannot be read
	query       bool           // it has a query or fragment
}

// addresses is what is known of addresses that no template makes.
var addresses = &accepted{
	item: mcp.Item{Kind: mcp.ItemResource}, template: &template{},
	typ: &valueType{kind: valueRecord, members: map[string]memberType{"uri": {valueType: &valueType{kind: valueString}}}},
}

var (
	expression   = regexp.MustCompile(`\{[^{}]*\}`)
	variableName = regexp.MustCompile(`^[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*$`)
)

// newTemplate is what a URI template says by itself. Of an expression with an operator other than + the variables cannot be read.
func newTemplate(uri string) *accepted {
	t := &template{makes: policy.Address(uri), query: strings.ContainsAny(uri, "?#&")}
	a := &accepted{item: mcp.Item{Kind: mcp.ItemTemplate, Name: uri}, template: t}
	a.typ = &valueType{kind: valueRecord, opaque: map[string]string{}, members: map[string]memberType{
		"uri": {valueType: &valueType{kind: valueString}, about: "the address as a server reads it, with its escapes and dots resolved"},
	}}
	var b strings.Builder
	from := 0
	for _, at := range expression.FindAllStringIndex(uri, -1) {
		b.WriteString(regexp.QuoteMeta(uri[from:at[0]]))
		b.WriteString(t.expression(uri[at[0]+1:at[1]-1], a.typ))
		from = at[1]
	}
	b.WriteString(regexp.QuoteMeta(uri[from:]))
	if len(t.variables) > 0 {
		// What a server does about case is not known: what matches too much is judged by the value that it has.
		t.most = regexp.MustCompile(`(?is)^` + b.String() + `$`)
		t.least = regexp.MustCompile(`(?isU)^` + b.String() + `$`)
	}
	return a
}

// expression is an expression of a template as one that matches what it makes, after the escapes of the address are resolved.
func (t *template) expression(inner string, typ *valueType) string {
	any, within := `.*`, inner
	if inner == "" || !strings.ContainsRune("+#/.;?&=,!@|", rune(inner[0])) {
		any = `[^/]*`
	} else if inner[0] == '+' {
		within = inner[1:]
	} else {
		within = ""
		for _, name := range strings.Split(inner[1:], ",") {
			typ.lose(strings.TrimRight(name, "*"), "its expression has an operator")
		}
	}
	names := strings.Split(within, ",")
	for _, name := range names {
		if !variableName.MatchString(name) || len(names) > 1 && any == `.*` {
			for _, name := range names {
				typ.lose(strings.TrimRight(name, "*"), "it cannot be told from what stands beside it")
			}
			return any
		}
	}
	if len(names) > 1 {
		any = `[^/,]*`
	}
	for i, name := range names {
		names[i] = `(` + any + `)`
		if _, taken := typ.members[name]; taken || typ.opaque[name] != "" {
			typ.lose(name, "it stands there twice")
			t.variables = append(t.variables, "")
			if before := slices.Index(t.variables, name); before >= 0 {
				t.variables[before] = ""
			}
			continue
		}
		t.variables = append(t.variables, name)
		typ.members[name] = memberType{valueType: &valueType{kind: valueString}, optional: true}
	}
	return strings.Join(names, ",")
}

// lose notes a variable that cannot be read.
func (t *valueType) lose(name, why string) {
	if name != "" && name != "uri" { // which is the address itself
		t.opaque[name] = why
		delete(t.members, name)
	}
}

// makes reports whether the address could be made by the template, however it is spelt. Too much is right: what could be made is
// judged as if it was.
func (a *accepted) makes(address string) bool {
	if a == nil || a.template == nil {
		return false
	}
	t := a.template
	if t.makes == nil || t.makes.MatchString(address) {
		return true
	}
	plain, ok := policy.Resolved(address)
	bare, _, _ := strings.Cut(plain, "#")
	bare, _, _ = strings.Cut(bare, "?")
	return !ok || t.makes.MatchString(plain) || t.makes.MatchString(strings.TrimRight(bare, "/"))
}

// read makes values of an address, as a server may read it, for rules that read it.
func (t *template) read(address string, reads *reading) (types.Record, *refusal) {
	if reads == nil {
		return types.Record{}, nil
	}
	plain, ok := policy.Resolved(address)
	switch {
	case !ok:
		return types.Record{}, &refusal{code: refusedURI, at: "/uri", why: "a rule reads it, and it cannot be known how a server reads this address"}
	case escapedTwice(address):
		return types.Record{}, &refusal{code: refusedURI, at: "/uri", why: "a rule reads it, and it is escaped more than once"}
	}
	m := types.RecordMap{}
	if reads.member("uri") != nil {
		m["uri"] = types.String(plain)
	}
	var groups []string
	for i, name := range t.variables {
		if name == "" || reads.member(name) == nil {
			continue
		}
		if groups == nil {
			if groups = t.groups(plain); groups == nil {
				return types.Record{}, &refusal{code: refusedURI, at: "/" + escapePointer(name), why: "a rule reads it, and it is not certain what this address says for it"}
			}
		}
		m[types.String(name)] = types.String(groups[i+1])
	}
	return types.NewRecord(m), nil
}

// groups are what an address says for the variables; nil: nothing, or it could be read in several ways. A server that takes as
// little for the first variable as there can be, and one that takes as much, must find the same.
func (t *template) groups(plain string) []string {
	if !t.query && strings.ContainsAny(plain, "?#") { // whether they are part of a value, servers differ about
		return nil
	}
	most := t.most.FindStringSubmatch(plain)
	if most == nil || !slices.Equal(most, t.least.FindStringSubmatch(plain)) {
		return nil
	}
	return most
}

// escapedTwice reports whether an address has escapes of escapes. RFC 3986 §2.4: it is not decoded more than once, and not
// everybody keeps to it.
func escapedTwice(address string) bool {
	once, err := url.PathUnescape(address)
	if err != nil {
		return true
	}
	twice, err := url.PathUnescape(once)
	return err != nil || once != twice
}
