package cedar

import (
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/cedar-policy/cedar-go"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
)

// Options is what a bundle is held against. The zero Options is a bundle by itself, whose servers have their names as identifiers.
type Options struct {
	Issuer  string            // our own authorization server, whose names rules use as they are
	Servers map[string]Server // :: name → server that is served; nil: those that the bundle names
}

// Server is a server as the configuration has it.
type Server struct {
	Resource string       // its identifier
	Scopes   oauth.Scopes // that it declares
}

// Engine decides by one bundle. It is safe for concurrent use.
type Engine struct {
	o        Options
	manifest manifest
	digest   string
	servers  map[string]*server // :: resource identifier → server
	rules    map[string]*rule   // :: id → rule
	entities cedar.EntityMap
	warnings []Problem
	skipped  atomic.Int64
}

// Load reads a bundle whole, or refuses it with an *Error that says everything that is wrong.
func Load(files Files, o Options) (*Engine, error) {
	var p, warnings problems
	m := readManifest(files, &p)
	e := &Engine{o: o, manifest: m, digest: files.Digest(), servers: map[string]*server{}, rules: map[string]*rule{}, entities: readEntities(files, &p)}
	rules := readRules(files, m, &p)
	definitions := readDefinitions(files, m, &p)
	if len(p) > 0 { // what follows would say the same again in other words
		return nil, p.err()
	}
	var servers []*server
	for _, name := range slices.Sorted(maps.Keys(m.Servers)) {
		servers = append(servers, e.newServer(name, definitions[name], rules))
	}
	l := linter{e: e, rules: rules, servers: servers, wrong: &p, warn: &warnings}
	l.run()
	if len(p) > 0 {
		return nil, p.err()
	}
	for _, r := range rules {
		r.compile()
		e.rules[r.id] = r
	}
	for _, s := range servers {
		e.index(s, rules)
		resource := s.name
		if o.Servers != nil {
			resource = o.Servers[s.name].Resource
		}
		e.servers[resource] = s
	}
	delete(e.servers, "")
	e.warnings = warnings.sorted()
	return e, nil
}

// Digest names what the engine was loaded from.
func (e *Engine) Digest() string { return e.digest }

// Warnings are what is allowed in a bundle and should be looked at.
func (e *Engine) Warnings() []Problem { return e.warnings }

// Skipped is how many permits could not be evaluated so far: they permitted nothing.
func (e *Engine) Skipped() int64 { return e.skipped.Load() }

// Accepted reports whether a definition of an item of a server is one that the operator accepted. A server that the bundle does
// not name has none.
func (e *Engine) Accepted(resource string, item mcp.Item) bool {
	s, ok := e.servers[resource]
	return ok && s.accepts(item)
}

// newServer makes the actions of a server, without rules.
func (e *Engine) newServer(name string, d *Definitions, rules []*rule) *server {
	s := &server{name: name, any: !e.manifest.accepted(name), accepted: d, actions: map[mcp.Item]*action{}}
	for _, one := range d.items() {
		s.actions[one.item] = e.newAction(name, one.item, one)
	}
	if s.any { // what a rule names is there, though nobody has seen its definition
		for _, item := range append(namedIn(rules, name), e.manifest.namedIn(name)...) {
			if s.actions[item] == nil {
				s.actions[item] = e.newAction(name, item, undefined(item))
			}
		}
		s.unseen = e.unseen(name)
	}
	for _, a := range s.actions {
		if a.item.Kind == mcp.ItemTemplate {
			s.templates = append(s.templates, a)
		}
	}
	s.connect = e.newAction(name, mcp.Item{}, nil)
	s.address = e.newAction(name, mcp.Item{Kind: mcp.ItemResource}, addresses)
	return s
}

func (e *Engine) newAction(server string, item mcp.Item, args *accepted) *action {
	a := &action{id: actionID(server, item), server: server, item: item, groups: groupsOf(e.manifest, server, item), args: args}
	a.known = a.entity()
	return a
}

// index gives every action of the server its rules.
func (e *Engine) index(s *server, rules []*rule) {
	s.openReads = &reading{}
	s.inOrder = s.all()
	for _, a := range s.inOrder {
		a.index(rules, e.entities)
		s.openReads.add(a.openReads)
	}
	s.openPlan = planContext(s.openReads)
	s.inOrder = slices.DeleteFunc(s.inOrder, func(a *action) bool { return a == s.connect })
	s.make = func(item mcp.Item) *action { return e.newAction(s.name, item, nil) }
	s.ruled = func(a *action) { a.index(rules, e.entities) }
}

// undefined is what is known of an item that a rule names and whose definition nobody has accepted: of a template what it says by
// itself, so that no address that it makes is judged as one that no template makes.
func undefined(item mcp.Item) *accepted {
	if item.Kind == mcp.ItemTemplate {
		return newTemplate(item.Name)
	}
	return nil
}

// unseen stands for everything at a server that nobody has named or accepted: a tool, which may be in any toolset that has a
// pattern, a prompt and a template. Nobody calls it by its id, which no item has.
func (e *Engine) unseen(server string) (all []*action) {
	for _, kind := range []string{mcp.ItemTool, mcp.ItemPrompt, mcp.ItemTemplate} {
		a := &action{id: server + ":unseen " + kind, server: server, item: mcp.Item{Kind: kind}, groups: groupsOf(e.manifest, server, mcp.Item{Kind: kind})}
		if kind == mcp.ItemTool {
			a.groups = append(a.groups, e.manifest.patterned(server)...)
		}
		a.known = a.entity()
		all = append(all, a)
	}
	return all
}

// namedIn are the items of a server that rules name in their scopes.
func namedIn(rules []*rule, server string) (all []mcp.Item) {
	for _, r := range rules {
		for _, uid := range scopeEntities(r.ast.Action) {
			id := string(uid.ID)
			if name, ok := strings.CutPrefix(id, server+"/"); ok && name != "*" && name != "" {
				all = append(all, mcp.Item{Kind: mcp.ItemTool, Name: name})
			}
			if name, ok := strings.CutPrefix(id, server+":prompt/"); ok && name != "" {
				all = append(all, mcp.Item{Kind: mcp.ItemPrompt, Name: name})
			}
			if name, ok := strings.CutPrefix(id, server+":resource/"); ok && name != "" {
				all = append(all, mcp.Item{Kind: mcp.ItemTemplate, Name: name})
			}
		}
	}
	return all
}

// Redacts reports whether rules ask for something to be taken out of a server's answers.
func (e *Engine) Redacts(resource string) bool {
	s, ok := e.servers[resource]
	return ok && slices.ContainsFunc(slices.Collect(maps.Values(e.rules)), func(r *rule) bool {
		return r.server == s.name && slices.ContainsFunc(r.obligations, func(o policy.Obligation) bool { return o.Name == policy.Redact })
	})
}

// Wants is what rules look at besides the token. The zero Wants is nothing.
type Wants struct {
	Client bool // how it is known who the client is
	Person bool // what is known of the person
}

// Or is what either wants.
func (w Wants) Or(other Wants) Wants {
	return Wants{w.Client || other.Client, w.Person || other.Person}
}

// Wants is what the engine's rules look at.
func (e *Engine) Wants() (w Wants) {
	for _, r := range e.rules {
		w = w.Or(Wants{Client: r.reads.member("delegation").member("evidence") != nil, Person: readsPrincipal(r.ast)})
	}
	return w
}
