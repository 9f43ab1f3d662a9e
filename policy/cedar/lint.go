package cedar

import (
	"maps"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/schema"
	"github.com/cedar-policy/cedar-go/x/exp/schema/validate"
)

// linter holds rules against the schema and against each other.
type linter struct {
	e       *Engine
	rules   []*rule
	servers []*server
	actions []*action
	wrong   *problems // for which the bundle is refused
	warn    *problems // which should be looked at

	validators map[string]*validate.Validator // :: the actions that a rule is about → validator of such rules
}

func (l *linter) run() {
	l.validators = map[string]*validate.Validator{}
	for _, s := range l.servers {
		l.actions = append(l.actions, s.all()...)
	}
	slices.SortFunc(l.actions, func(a, b *action) int { return strings.Compare(a.id, b.id) })
	for _, r := range l.rules {
		if v := l.validator(r); v != nil {
			l.types(v, r)
		}
		l.names(r)
		l.matches(r)
		l.errors(r)
		l.identity(r)
		l.scopes(r)
		l.has(r)
		l.words(r)
		l.absent(r)
		l.remedied(r)
	}
	l.entities()
	l.permits()
	l.toolsets()
	l.spellings()
	l.shadowed()
}

// validator is Cedar's own, which is the only use of what cedar-go calls experimental besides the trees. It types a rule for every
// action that its schema has a context for, whatever the rule is about, so there is one for each scope, with the contexts of that.
func (l *linter) validator(r *rule) *validate.Validator {
	var about []string
	for _, a := range l.actions {
		if a.about(r, l.e.entities) {
			about = append(about, a.id)
		}
	}
	key := strings.Join(about, "\n")
	v, ok := l.validators[key]
	if !ok {
		v = l.newValidator(func(id string) bool { _, found := slices.BinarySearch(about, id); return found || len(about) == 0 })
		l.validators[key] = v
	}
	return v
}

// newValidator is of a schema with every action, of which those that used says have a context.
func (l *linter) newValidator(used func(id string) bool) *validate.Validator {
	all := schemaOf(l.e.manifest, l.actions)
	for id, a := range all.Actions {
		if !used(string(id)) {
			a.AppliesTo = nil
			all.Actions[id] = a
		}
	}
	resolved, err := schema.NewSchemaFromAST(all).Resolve()
	if err != nil {
		l.wrong.add("schema", 0, 0, "the definitions make no Cedar schema: %s", firstLine(err))
		return nil
	}
	return validate.New(resolved)
}

// types holds a rule against the schema: what it reads must be there, be guarded by has where it may be missing, and have the type
// that it is compared with.
func (l *linter) types(v *validate.Validator, r *rule) {
	err := v.Policy("", r.ast)
	if err == nil {
		return
	}
	seen := map[string]bool{}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if line != "" && !seen[line] {
			seen[line] = true
			l.wrong.of(r, "%s", line)
		}
	}
}

// names holds what a rule names against what there is. A set of clients is what the bundle says it is, so that one without members
// is a misspelt one; groups come from elsewhere too.
func (l *linter) names(r *rule) {
	for uid := range entitiesIn(r.ast) {
		switch uid.Type {
		case typeServer:
			if _, ok := l.e.manifest.Servers[string(uid.ID)]; !ok {
				l.wrong.of(r, "%s: bundle.yaml names no such server", uid)
			}
		case typeClientSet, typeEnv:
			if !l.hasMembers(uid) {
				l.wrong.of(r, "%s has no members in entities/: nothing is ever in it", uid)
			}
		}
	}
}

func (l *linter) hasMembers(set cedar.EntityUID) bool {
	for _, e := range l.e.entities {
		if e.Parents.Contains(set) {
			return true
		}
	}
	return false
}

// errors refuses a forbid that can err on what a caller sends. Here an error in a forbid denies; whoever reads or analyses the same
// text as Cedar would find a rule that is left out, and so lets the call through.
func (l *linter) errors(r *rule) {
	if r.permits() {
		return
	}
	for _, c := range r.ast.Conditions {
		ast.Inspect(ast.NewNode(c.Body), func(n ast.IsNode) bool {
			switch n := n.(type) {
			case ast.NodeTypeAdd, ast.NodeTypeSub, ast.NodeTypeMult, ast.NodeTypeNegate:
				if readsAnything(n) {
					l.wrong.of(r, "a number may become too large here, and Cedar leaves out a forbid with an error, which lets the call through: compare without reckoning, or write a permit")
					return false
				}
			case ast.NodeTypeExtensionCall:
				if constructor(n) && readsAnything(n) {
					l.wrong.of(r, "%s may fail on what is sent, and Cedar leaves out a forbid with an error, which lets the call through: write it as a condition of a permit", n.Name)
					return false
				}
			}
			return true
		})
	}
}

// constructor reports whether a call makes a value of a text, which may be none.
func constructor(n ast.NodeTypeExtensionCall) bool {
	return slices.Contains([]types.Path{"ip", "decimal", "datetime", "duration"}, n.Name)
}

func readsAnything(n ast.IsNode) (reads bool) {
	ast.Inspect(ast.NewNode(n), func(n ast.IsNode) bool {
		if _, ok := n.(ast.NodeTypeVariable); ok {
			reads = true
		}
		return !reads
	})
	return reads
}

// scopes holds the scopes that a rule names against those that the server declares: no token has another.
func (l *linter) scopes(r *rule) {
	if l.e.o.Servers == nil || r.server == "" {
		return
	}
	known := l.e.o.Servers[r.server].Scopes
	for _, s := range r.lacking.Scopes {
		if !known.Contains(s) {
			l.wrong.of(r, "@scope(%q): the server has no such scope, so that nobody could get a token with it", s)
		}
	}
	for _, c := range r.ast.Conditions {
		ast.Inspect(ast.NewNode(c.Body), func(n ast.IsNode) bool {
			if s, ok := scopeAsked(n); ok && !known.Contains(s) {
				l.warn.of(r, "the server has no scope %q: no token has it", s)
			}
			return true
		})
	}
}

// entities holds the static entities against the schema.
func (l *linter) entities() {
	v := l.newValidator(func(string) bool { return false })
	if v == nil {
		return
	}
	for _, uid := range slices.SortedFunc(maps.Keys(l.e.entities), func(a, b cedar.EntityUID) int { return strings.Compare(a.String(), b.String()) }) {
		e := l.e.entities[uid]
		attributes := e.Attributes.Map()
		if attributes == nil {
			attributes = cedar.RecordMap{}
		}
		if slices.Contains([]cedar.EntityType{typeUser, typeAgent, typeWorkload}, uid.Type) { // every request brings these
			attributes["issuer"], attributes["subject"] = cedar.String(""), cedar.String("")
		}
		e.Attributes = cedar.NewRecord(attributes)
		if err := v.Entity(e); err != nil {
			l.wrong.add("entities", 0, 0, "%s: %s", uid, firstLine(err))
		}
	}
}

// permits warns of servers at which nothing is permitted, and of what is served and not named, or the other way round.
func (l *linter) permits() {
	for _, s := range l.servers {
		if !slices.ContainsFunc(l.rules, func(r *rule) bool { return r.permits() && r.server == s.name }) {
			l.warn.add("bundle.yaml", 0, 0, "servers.%s: there is no permit for it, so that everything is denied", s.name)
		}
	}
	if l.e.o.Servers == nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(l.e.o.Servers)) {
		if _, ok := l.e.manifest.Servers[name]; !ok {
			l.warn.add("bundle.yaml", 0, 0, "the server %s is not named here, so that everything at it is denied", name)
		}
	}
	for _, s := range l.servers {
		if _, ok := l.e.o.Servers[s.name]; !ok {
			l.warn.add("bundle.yaml", 0, 0, "servers.%s: the configuration has no such server", s.name)
		}
	}
}
