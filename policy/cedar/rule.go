package cedar

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// rule is one policy of a bundle. It is not changed after it is read.
type rule struct {
	annotations
	file   string
	server string // whose directory it stands in; empty: it is a guardrail
	ast    *ast.Policy

	whole *cedar.Policy // as it is written, but for the scopes that the index has matched
	open  *cedar.Policy // whatever the arguments are: see opened
	reads *reading      // of the context

	clauses []clause // of which every one must hold

	indexed, indexedOpen *cedar.Policy // whole and open but for the groups that the index has matched
}

func (r *rule) permits() bool { return r.ast.Effect == ast.EffectPermit }

// steps reports whether it makes a challenge of what was allowed.
func (r *rule) steps() bool { return r.remedy != "" }

var serverFile = regexp.MustCompile(`^servers/([^/]+)/`)

// readRules reads every policy of a bundle.
func readRules(files Files, m manifest, p *problems) (all []*rule) {
	ids := map[string]*rule{}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if !strings.HasSuffix(file, ".cedar") {
			continue
		}
		server := ""
		if at := serverFile.FindStringSubmatch(file); at != nil {
			server = at[1]
			if _, ok := m.Servers[server]; !ok {
				p.add(file, 0, 0, "bundle.yaml names no server %q: nothing here would count", server)
				continue
			}
		}
		list, err := parseText(file, files[file])
		var wrong *Error
		if errors.As(err, &wrong) {
			for _, one := range wrong.Problems {
				p.add(one.File, one.Line, one.Column, "this is not Cedar: %s", one.Text)
			}
			continue
		}
		for _, policy := range list {
			r := &rule{file: file, server: server, ast: (*ast.Policy)(policy.AST())}
			r.annotations, r.reads, r.clauses = readAnnotations(r, p), readingOf(r.ast), conjuncts(r.ast)
			if other := ids[r.id]; other != nil && r.id != "" {
				p.of(r, "the id is taken: %s:%d has it", other.file, other.ast.Position.Line)
			}
			ids[r.id] = r
			r.checkPlace(m, p)
			all = append(all, r)
		}
	}
	return all
}

// checkPlace holds a rule against where it stands: who may edit a directory says something about no other server.
func (r *rule) checkPlace(m manifest, p *problems) {
	if r.server == "" {
		if r.permits() {
			p.of(r, "guardrails forbid: a permit stands with its server, in servers/NAME/")
		}
		if r.steps() {
			p.of(r, "a guardrail has no remedy: nobody overrides it")
		}
		return
	}
	if of, ok := serversOf(r.ast.Action, m); ok && slices.Equal(of, []string{r.server}) {
		return
	}
	if eq, ok := r.ast.Resource.(ast.ScopeTypeEq); ok && eq.Entity == serverUID(r.server) {
		return
	}
	p.of(r, "it stands in servers/%s and is not about that server alone: name its actions, or write resource == Server::%q", r.server, r.server)
}

// serversOf are the servers whose actions a scope names. false: it names every action, or toolsets, which may be of several.
func serversOf(scope ast.IsActionScopeNode, m manifest) (names []string, ok bool) {
	var of []cedar.EntityUID
	switch s := scope.(type) {
	case ast.ScopeTypeEq:
		of = []cedar.EntityUID{s.Entity}
	case ast.ScopeTypeIn:
		of = []cedar.EntityUID{s.Entity}
	case ast.ScopeTypeInSet:
		of = s.Entities
	}
	for _, uid := range of {
		if name, toolset := strings.CutPrefix(string(uid.ID), "@"); toolset {
			for _, tool := range m.Toolsets[name] {
				server, _, _ := strings.Cut(tool, "/")
				names = append(names, server)
			}
			continue
		}
		names = append(names, serverOfAction(string(uid.ID)))
	}
	slices.Sort(names)
	return slices.Compact(names), len(of) > 0
}

// serverOfAction is the server of an action's id: what stands before the first colon or slash, which no server's name has.
func serverOfAction(id string) string {
	if at := strings.IndexAny(id, ":/"); at >= 0 {
		return id[:at]
	}
	return ""
}

func serverUID(name string) cedar.EntityUID {
	return cedar.NewEntityUID(typeServer, cedar.String(name))
}

func actionUID(id string) cedar.EntityUID { return cedar.NewEntityUID(typeAction, cedar.String(id)) }

// compile makes the rule ready. The index has matched action and resource, so that they are not looked at again.
func (r *rule) compile() {
	matched := *r.ast
	matched.Action, matched.Resource = ast.ScopeTypeAll{}, ast.ScopeTypeAll{}
	r.whole = newPolicy(matched)
	r.open = newPolicy(opened(matched))
	r.indexed, r.indexedOpen = r.whole, r.open
	switch scope := matched.Principal.(type) {
	case ast.ScopeTypeIn:
		matched.Principal = ast.ScopeTypeAll{}
	case ast.ScopeTypeIsIn:
		matched.Principal = ast.ScopeTypeIs{Type: scope.Type}
	default:
		return
	}
	r.indexed, r.indexedOpen = newPolicy(matched), newPolicy(opened(matched))
}

func (r *rule) String() string {
	return fmt.Sprintf("%s (%s:%d)", r.id, r.file, r.ast.Position.Line)
}
