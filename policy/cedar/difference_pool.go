package cedar

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/eval"
)

// pool is what calls are made of: everything that bundles name, and values at the edges of what their rules compare with.
type pool struct {
	values     map[string][]cedar.Value // :: what rules read, such as args.id or token.scopes, or an entity type → values
	attributes map[string]string        // :: attribute of people → its type
	same       [][2]string              // what rules compare with each other
}

func newPool(engines []*Engine, targets []target) pool {
	p := pool{values: map[string][]cedar.Value{}, attributes: map[string]string{}}
	for kind, nobody := range map[string]string{typeUser: "somebody", typeAgent: "some-client", typeWorkload: "some-workload"} {
		p.put(kind, cedar.String(nobody))
	}
	p.put("time", cedar.NewDatetime(noon))
	for _, e := range engines {
		maps.Copy(p.attributes, e.manifest.Attributes)
		for _, id := range slices.Sorted(maps.Keys(e.rules)) {
			p.rule(e.rules[id])
		}
		for uid, entity := range e.entities {
			p.put(string(uid.Type), cedar.String(uid.ID))
			for parent := range entity.Parents.All() {
				p.put(string(parent.Type), cedar.String(parent.ID))
			}
		}
	}
	for _, t := range targets {
		p.listed(t.shape, "args", 0)
	}
	for _, pair := range p.same {
		p.put(pair[0], cedar.String("x"))
		p.put(pair[0], p.values[pair[1]]...)
		p.put(pair[1], p.values[pair[0]]...)
	}
	for key := range p.values { // maps are walked in no order, calls are made in one
		slices.SortFunc(p.values[key], func(a, b cedar.Value) int { return strings.Compare(a.String(), b.String()) })
	}
	return p
}

// listed adds the texts that a schema lists.
func (p *pool) listed(s *shape, path string, depth int) {
	if s = s.plain(false); s == nil || depth > maxMade {
		return
	}
	for text := range s.texts {
		p.put(path, cedar.String(text))
	}
	for name, member := range s.properties {
		p.listed(member.shape, path+"."+name, depth+1)
	}
}

// put adds a value, once.
func (p *pool) put(key string, values ...cedar.Value) {
	for _, v := range values {
		if !slices.ContainsFunc(p.values[key], v.Equal) {
			p.values[key] = append(p.values[key], v)
		}
	}
}

// rule adds what a rule names and compares with.
func (p *pool) rule(r *rule) {
	for uid := range entitiesIn(r.ast) {
		p.put(string(uid.Type), cedar.String(uid.ID))
	}
	for _, s := range r.lacking.Scopes {
		p.put("token.scopes", cedar.String(s))
	}
	for _, acr := range strings.Fields(r.lacking.ACR) {
		p.put("token.acr", cedar.String(acr))
	}
	for _, c := range r.ast.Conditions {
		ast.Inspect(ast.NewNode(c.Body), func(n ast.IsNode) bool {
			if a, b, ok := sides(n); ok {
				p.compare(a, b)
				p.compare(b, a)
			}
			return true
		})
	}
}

// sides are the two sides of what compares something.
func sides(n ast.IsNode) (a, b ast.IsNode, ok bool) {
	switch n := n.(type) {
	case ast.NodeTypeEquals:
		return n.Left, n.Right, true
	case ast.NodeTypeNotEquals:
		return n.Left, n.Right, true
	case ast.NodeTypeLessThan:
		return n.Left, n.Right, true
	case ast.NodeTypeLessThanOrEqual:
		return n.Left, n.Right, true
	case ast.NodeTypeGreaterThan:
		return n.Left, n.Right, true
	case ast.NodeTypeGreaterThanOrEqual:
		return n.Left, n.Right, true
	case ast.NodeTypeContains:
		return n.Left, n.Right, true
	case ast.NodeTypeContainsAll:
		return n.Left, n.Right, true
	case ast.NodeTypeContainsAny:
		return n.Left, n.Right, true
	case ast.NodeTypeLike:
		text := strings.Trim(string(n.Value.MarshalCedar()), `"`)
		return n.Arg, ast.NodeValue{Value: cedar.String(strings.ReplaceAll(text, "*", "x"))}, true
	case ast.NodeTypeExtensionCall:
		if len(n.Args) == 2 {
			return n.Args[0], n.Args[1], true
		}
	}
	return nil, nil, false
}

// compare adds the edges of a literal for what it is compared with.
func (p *pool) compare(read, literal ast.IsNode) {
	path, ok := variablePath(read)
	if !ok {
		return
	}
	path = strings.TrimSuffix(strings.TrimPrefix(path, "context."), ".value") // of a null or a value: the value
	if other, ok := variablePath(literal); ok {
		p.same = append(p.same, [2]string{path, strings.TrimSuffix(strings.TrimPrefix(other, "context."), ".value")})
	}
	if readsAnything(literal) {
		return
	}
	v, err := eval.Eval(literal, eval.Env{})
	if err != nil {
		return
	}
	values := []cedar.Value{v}
	if set, ok := v.(cedar.Set); ok {
		values = slices.Collect(set.All())
	}
	for _, v := range values {
		p.put(p.place(path, v), edges(v)...)
	}
}

// place is under what a value is looked for when a call is made.
func (p *pool) place(path string, v cedar.Value) string {
	if hour, ok := v.(cedar.Long); ok && path == "time.hour" {
		for _, h := range []int{int(hour) - 1, int(hour), int(hour) + 1} {
			p.put("time", cedar.NewDatetime(noon.Add(time.Duration((h+24)%24-12)*time.Hour)))
		}
	}
	switch path {
	case "time.weekday":
		for day := range 7 {
			p.put("time", cedar.NewDatetime(noon.AddDate(0, 0, day)))
		}
	case "time.now":
		return "time"
	}
	return path
}

// edges are a value and its neighbours.
func edges(v cedar.Value) []cedar.Value {
	switch v := v.(type) {
	case cedar.Long:
		return []cedar.Value{v - 1, v, v + 1}
	case cedar.Boolean:
		return []cedar.Value{cedar.True, cedar.False}
	case cedar.String:
		return []cedar.Value{v, v + "x"}
	case cedar.Duration:
		ms := v.ToMilliseconds()
		return []cedar.Value{cedar.NewDurationFromMillis(max(0, ms-1000)), v, cedar.NewDurationFromMillis(ms + 1000)}
	case cedar.Datetime:
		ms := v.Milliseconds()
		return []cedar.Value{cedar.NewDatetimeFromMillis(ms - 1000), v, cedar.NewDatetimeFromMillis(ms + 1000)}
	case cedar.Decimal:
		least, err := cedar.NewDecimal(1, -4)
		if err != nil {
			return []cedar.Value{v}
		}
		return []cedar.Value{v, least}
	case types.IPAddr:
		net := v.Prefix().Masked()
		first, last := net.Addr(), lastOf(net)
		all := []cedar.Value{cedar.String(first.String()), cedar.String(last.String())}
		for _, outside := range []netip.Addr{first.Prev(), last.Next()} {
			if outside.IsValid() { // there is none before the first of all addresses
				all = append(all, cedar.String(outside.String()))
			}
		}
		return all
	}
	return []cedar.Value{v}
}

// lastOf is the last address of a network.
func lastOf(net netip.Prefix) netip.Addr {
	b := net.Addr().AsSlice()
	for bit := net.Bits(); bit < 8*len(b); bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(b) // as long as it was
	return last
}

// texts are the values under a key as a description has them.
func (p *pool) texts(key string) (all []string) {
	for _, v := range p.values[key] {
		switch v := v.(type) {
		case cedar.String:
			all = append(all, string(v))
		case cedar.Duration:
			all = append(all, time.Duration(v.ToMilliseconds()*int64(time.Millisecond)).String())
		case cedar.Datetime:
			all = append(all, time.UnixMilli(v.Milliseconds()).UTC().Format(time.RFC3339))
		}
	}
	return all
}
