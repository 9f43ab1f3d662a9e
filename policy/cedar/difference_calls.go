package cedar

import (
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/cedar-policy/cedar-go"

	"github.com/doorward-mcp/doorward/mcp"
)

// Calls makes up calls to hold bundles against each other, at most so many: the calls of their cases, and calls of everything
// that their servers have, by callers, with arguments, at the edges of what their rules compare with. The same bundles and seed
// make the same calls.
func Calls(seed uint64, most int, engines []*Engine, cases []Case) []Described {
	targets := []target{}
	for _, e := range engines {
		targets = append(targets, e.targets()...)
	}
	m := maker{pool: newPool(engines, targets), random: rand.New(rand.NewPCG(seed, 0))}
	var all []Described
	for _, c := range cases {
		if c.list == nil && len(all) < most {
			all = append(all, c.Described)
		}
	}
	targets = distinct(targets)
	seen := map[string]bool{}
	written := len(all)
	for tries := 0; len(targets) > 0 && len(all) < most && tries < 2*most; tries++ {
		d := Described{m.given(), m.call(targets[tries%len(targets)])}
		if written > 0 && tries%2 == 0 {
			d = m.near(all[m.random.IntN(written)], targets)
		}
		if key := d.String(); !seen[key] {
			seen[key] = true
			all = append(all, d)
		}
	}
	return all
}

// target is something that a call can be of.
type target struct {
	server string
	item   mcp.Item // the zero Item: the protocol itself
	shape  *shape   // of its arguments; nil: nothing is known of them
}

// targets are everything of the engine's servers.
func (e *Engine) targets() (all []target) {
	for _, resource := range slices.Sorted(maps.Keys(e.servers)) {
		for _, a := range e.servers[resource].all() {
			t := target{server: a.server, item: a.item}
			if a.args != nil && len(a.args.forms) > 0 {
				t.shape = a.args.forms[len(a.args.forms)-1].shape // the newest
			}
			all = append(all, t)
		}
	}
	return all
}

// distinct leaves out what stands there already: the first definition of a tool is the one that calls are made of.
func distinct(all []target) (out []target) {
	for _, t := range all {
		if !slices.ContainsFunc(out, func(o target) bool { return o.server == t.server && o.item == t.item }) {
			out = append(out, t)
		}
	}
	return out
}

// maker draws from a pool.
type maker struct {
	pool
	random *rand.Rand
}

func draw[T any](m *maker, of []T) (none T) {
	if len(of) == 0 {
		return none
	}
	return of[m.random.IntN(len(of))]
}

// some are a few of many: none, one, all of them, or any of them.
func (m *maker) some(of []string) []string {
	switch m.random.IntN(4) {
	case 0:
		return nil
	case 1:
		if len(of) > 0 {
			return []string{draw(m, of)}
		}
		return nil
	case 2:
		return slices.Clone(of)
	}
	var all []string
	for _, s := range of {
		if m.random.IntN(2) == 0 {
			all = append(all, s)
		}
	}
	return all
}

func (m *maker) given() Given {
	g := Given{Groups: m.some(m.texts(typeGroup)), Scopes: m.some(m.texts("token.scopes")), ACR: draw(m, append([]string{""}, m.texts("token.acr")...)),
		Time: draw(m, m.texts("time")), IP: draw(m, append([]string{""}, m.texts("net.ip")...)), Age: draw(m, append([]string{""}, m.texts("token.age")...))}
	for _, how := range []string{"dpop", "authenticated"} {
		if m.random.IntN(2) == 0 {
			g.Evidence = append(g.Evidence, how)
		}
	}
	if how := draw(m, []string{"", "listed", "document"}); how != "" {
		g.Evidence = append(g.Evidence, how)
	}
	switch m.random.IntN(8) {
	case 0:
		g.Agent = draw(m, m.texts(typeAgent))
		return g
	case 1:
		g.Workload = draw(m, m.texts(typeWorkload))
		return g
	}
	g.User, g.Client = draw(m, m.texts(typeUser)), draw(m, m.texts(typeAgent))
	g.AuthAge = draw(m, append([]string{""}, m.texts("token.auth_age")...))
	for _, name := range slices.Sorted(maps.Keys(m.attributes)) {
		if v, ok := m.attribute(name, m.attributes[name]); ok {
			if g.Attributes == nil {
				g.Attributes = map[string]any{}
			}
			g.Attributes[name] = v
		}
	}
	return g
}

// near is a call that differs from one of a case in a thing or two: cases are where rules decide.
func (m *maker) near(d Described, targets []target) Described {
	other := m.given()
	for range 1 + m.random.IntN(2) {
		switch m.random.IntN(10) {
		case 0:
			d.Groups = other.Groups
		case 1:
			d.Scopes = other.Scopes
		case 2:
			d.ACR = other.ACR
		case 3:
			d.AuthAge = other.AuthAge
		case 4:
			d.Evidence = other.Evidence
		case 5:
			d.Attributes = other.Attributes
		case 6:
			d.IP = other.IP
		case 7:
			d.Time = other.Time
		case 8:
			d.User, d.Agent, d.Workload, d.Client, d.Human = other.User, other.Agent, other.Workload, other.Client, nil
		default:
			d.Call = m.again(d.Call, targets)
		}
	}
	return d
}

// again is another call of the same thing.
func (m *maker) again(c Call, targets []target) Call {
	for _, t := range targets {
		if t.server == c.Server && (t.item == mcp.Item{Kind: mcp.ItemTool, Name: c.Tool} || t.item == mcp.Item{Kind: mcp.ItemPrompt, Name: c.Prompt}) {
			return m.call(t)
		}
	}
	return c
}

// attribute is a value for an attribute of a person; false: it is absent.
func (m *maker) attribute(name, kind string) (any, bool) {
	if m.random.IntN(4) == 0 {
		return nil, false
	}
	switch kind {
	case "Bool":
		return m.random.IntN(2) == 0, true
	case "Long":
		n, ok := draw(m, m.values["principal."+name]).(cedar.Long)
		return int64(n), ok
	case "Set<String>":
		return m.some(m.texts("principal." + name)), true
	}
	return draw(m, m.texts("principal."+name)), true
}
