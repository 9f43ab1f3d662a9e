package policy

import (
	"regexp"
	"slices"
	"strings"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/oauth"
)

// Need is what some operations need besides what all do. Of the members that say which, one that is given must match; a Need
// that gives none is for every operation. All Needs that match count together.
type Need struct {
	Scopes    oauth.Scopes `yaml:"scopes"`
	Methods   []string     `yaml:"methods,omitempty"`   // such as tools/call, or stream, end or answer, which have none; * stands for any characters
	Tools     []string     `yaml:"tools,omitempty"`     // names, by whatever method they are used; * stands for any characters
	Prompts   []string     `yaml:"prompts,omitempty"`   // as Tools; completing an argument of one is using it
	Resources []string     `yaml:"resources,omitempty"` // addresses or URI templates (RFC 6570); * stands for any characters
}

// Scopes says what each operation of one server needs, and which scopes include others. It is the first question, and with
// ScopesOnly the last. The zero Scopes asks for oauth.DefaultScope.
type Scopes struct {
	all      oauth.Scopes
	within   map[string]oauth.Scopes // :: scope → scopes that include it
	named    map[mcp.Item][]rule     // :: what a name without * means → rules
	patterns []rule
}

// rule is a Need that is ready to be held against operations.
type rule struct {
	scopes  oauth.Scopes
	methods *regexp.Regexp // nil: every method
	items   []items        // one of them must match; none: whatever it is about
}

// items are the things of one kind whose names match.
type items struct {
	kind  string
	names *regexp.Regexp
}

// NewScopes is what a server needs: all for every operation (empty: oauth.DefaultScope), and what needs adds. includes says for
// a scope which others are good wherever it is, and so on from them.
func NewScopes(all oauth.Scopes, includes map[string]oauth.Scopes, needs ...Need) Scopes {
	s := Scopes{all: all, within: map[string]oauth.Scopes{}, named: map[mcp.Item][]rule{}}
	for wide := range includes {
		for _, scope := range closure(wide, includes) {
			s.within[scope] = append(s.within[scope], wide)
		}
	}
	for _, n := range needs {
		s.add(n)
	}
	return s
}

// closure is everything that a scope includes, itself left out. A circle ends where it began.
func closure(scope string, includes map[string]oauth.Scopes) (all oauth.Scopes) {
	next := slices.Clone(includes[scope])
	for len(next) > 0 {
		one := next[0]
		if next = next[1:]; one == scope || all.Contains(one) {
			continue
		}
		all = append(all, one)
		next = append(next, includes[one]...)
	}
	return all
}

func (s *Scopes) add(n Need) {
	r := rule{scopes: n.Scopes, methods: anyOf(n.Methods, nameText)}
	if len(n.Tools)+len(n.Prompts)+len(n.Resources) == 0 {
		s.patterns = append(s.patterns, r)
		return
	}
	plain := func(kind string, names []string) (rest []string) {
		for _, name := range names {
			if strings.Contains(name, "*") {
				rest = append(rest, name)
				continue
			}
			item := mcp.Item{Kind: kind, Name: name}
			s.named[item] = append(s.named[item], r)
		}
		return rest
	}
	with := r
	for kind, names := range map[string][]string{mcp.ItemTool: plain(mcp.ItemTool, n.Tools), mcp.ItemPrompt: plain(mcp.ItemPrompt, n.Prompts)} {
		if len(names) > 0 {
			with.items = append(with.items, items{kind, anyOf(names, nameText)})
		}
	}
	if len(n.Resources) > 0 {
		with.items = append(with.items, items{mcp.ItemResource, anyOf(n.Resources, addressText)})
	}
	if len(with.items) > 0 {
		s.patterns = append(s.patterns, with)
	}
}

// Needed is everything that op needs.
func (s Scopes) Needed(op mcp.Operation) oauth.Scopes {
	all := s.all
	if len(all) == 0 {
		all = oauth.Scopes{oauth.DefaultScope}
	}
	item, named := op.Item()
	if named {
		for _, r := range s.named[item] {
			if r.method(op) {
				all = all.Union(r.scopes)
			}
		}
	}
	for _, r := range s.patterns {
		if r.method(op) && r.about(item, named) {
			all = all.Union(r.scopes)
		}
	}
	return all
}

// Missing is what of Needed a caller with have lacks: it neither has the scope nor one that includes it.
func (s Scopes) Missing(have oauth.Scopes, op mcp.Operation) (missing oauth.Scopes) {
	for _, scope := range s.Needed(op) {
		if !have.Contains(scope) && !slices.ContainsFunc(s.within[scope], have.Contains) {
			missing = append(missing, scope)
		}
	}
	return missing
}

func (r rule) method(op mcp.Operation) bool {
	return r.methods == nil || r.methods.MatchString(word(op))
}

// word is what an operation is called where scopes are configured.
func word(op mcp.Operation) string {
	switch op.Kind {
	case mcp.KindStream:
		return "stream"
	case mcp.KindEnd:
		return "end"
	case mcp.KindResponse: // to sampling, elicitation or roots: what the server asked, the message does not say
		return "answer"
	}
	return op.Method
}

func (r rule) about(item mcp.Item, named bool) bool {
	if len(r.items) == 0 {
		return true
	}
	return named && slices.ContainsFunc(r.items, func(i items) bool { return i.of(item) && i.match(item.Name) })
}

// of reports whether an item is of the kind: a template stands for the addresses that it makes.
func (i items) of(item mcp.Item) bool {
	return i.kind == item.Kind || i.kind == mcp.ItemResource && item.Kind == mcp.ItemTemplate
}
