package cedar

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/doorward-mcp/doorward/mcp"
)

// Definitions are the definitions of one server's tools, prompts and resource templates that the operator accepted: what stands
// in schema/NAME.json. A tool may have several, for servers show different ones to different callers. The zero Definitions
// are of a server without a name; make them with NewDefinitions or ReadDefinitions. It is not safe for use by several while it changes.
type Definitions struct {
	server string
	of     map[mcp.Item][]*definition // :: kind and name → definitions, in the order in which they were accepted
}

// definition is one that was accepted.
type definition struct {
	hash mcp.Hash
	raw  jsontext.Value // with sorted members
	form form
	typ  *valueType
	tool toolHints
}

// The bounds of what can be accepted.
const (
	maxDefinition  = 1 << 20 // bytes
	maxDefinitions = 32      // of one tool
	maxItems       = 10_000  // tools, prompts and templates of one server
	maxName        = 1024    // bytes
)

// NewDefinitions are no definitions of a server.
func NewDefinitions(server string) *Definitions {
	return &Definitions{server: server, of: map[mcp.Item][]*definition{}}
}

// Accept adds a definition, as a list of the server has it, to those that are accepted of its name, and reports whether it was
// new. kind is mcp.ItemTool, mcp.ItemPrompt or mcp.ItemTemplate. The error says why arguments cannot be checked by it.
func (d *Definitions) Accept(kind string, raw jsontext.Value) (added bool, err error) {
	name, one, err := readDefinition(kind, raw)
	if err != nil {
		return false, err
	}
	return d.add(mcp.Item{Kind: kind, Name: name}, one)
}

func (d *Definitions) add(key mcp.Item, one *definition) (added bool, err error) {
	if d.Accepts(mcp.Item{Kind: key.Kind, Name: key.Name, Definition: one.hash}) {
		return false, nil
	}
	if n := len(d.of[key]); n == maxDefinitions || n == 0 && len(d.of) == maxItems {
		return false, fmt.Errorf("accepting %s: there are %d definitions of it already, or %d tools of the server", visible(key.Name), maxDefinitions, maxItems)
	}
	if d.of == nil {
		d.of = map[mcp.Item][]*definition{}
	}
	d.of[key] = append(d.of[key], one)
	return true, nil
}

// Accepts reports whether the item's definition is accepted. One without a Definition is not.
func (d *Definitions) Accepts(item mcp.Item) bool {
	return item.Definition != mcp.Hash{} && slices.ContainsFunc(d.of[mcp.Item{Kind: item.Kind, Name: item.Name}], func(one *definition) bool {
		return one.hash == item.Definition
	})
}

// Keep drops every definition that wanted says no to, and returns those that it dropped.
func (d *Definitions) Keep(wanted func(mcp.Item) bool) (dropped []mcp.Item) {
	for _, item := range d.Items() {
		if wanted(item) {
			continue
		}
		dropped = append(dropped, item)
		key := mcp.Item{Kind: item.Kind, Name: item.Name}
		d.of[key] = slices.DeleteFunc(d.of[key], func(one *definition) bool { return one.hash == item.Definition })
		if len(d.of[key]) == 0 {
			delete(d.of, key)
		}
	}
	return dropped
}

// Items are the accepted definitions: by kind and name, then in the order in which they were accepted.
func (d *Definitions) Items() (all []mcp.Item) {
	for _, key := range d.keys() {
		for _, one := range d.of[key] {
			all = append(all, mcp.Item{Kind: key.Kind, Name: key.Name, Definition: one.hash})
		}
	}
	return all
}

// items are what rules see of the definitions: one for each name.
func (d *Definitions) items() (all []*accepted) {
	if d == nil {
		return nil
	}
	for _, key := range d.keys() {
		all = append(all, newAccepted(key, d.of[key]))
	}
	return all
}

// newAccepted puts the definitions of one name together.
func newAccepted(item mcp.Item, definitions []*definition) *accepted {
	a := &accepted{item: item, typ: definitions[0].typ, tool: definitions[0].tool}
	if item.Kind == mcp.ItemTemplate {
		a = newTemplate(item.Name)
	}
	for i, one := range definitions {
		a.forms, a.hashes = append(a.forms, one.form), append(a.hashes, one.hash)
		if i > 0 && item.Kind != mcp.ItemTemplate {
			a.typ, a.tool = mergedRecord(a.typ, one.typ), a.tool.worse(one.tool)
		}
	}
	return a
}

// keys are what definitions are accepted of, in order.
func (d *Definitions) keys() []mcp.Item {
	return slices.SortedFunc(maps.Keys(d.of), func(a, b mcp.Item) int {
		return cmp.Or(cmp.Compare(kindOrder(a.Kind), kindOrder(b.Kind)), cmp.Compare(a.Name, b.Name))
	})
}

// definitionKinds are the kinds of items that definitions are accepted of: how a file calls them, and where a definition has its
// name.
var definitionKinds = []struct{ kind, member, name string }{
	{mcp.ItemTool, "tools", "name"}, {mcp.ItemPrompt, "prompts", "name"}, {mcp.ItemTemplate, "templates", "uriTemplate"},
}

func kindOrder(kind string) int {
	for i, k := range definitionKinds {
		if k.kind == kind {
			return i
		}
	}
	return -1
}

// checkName refuses names that would mean something else in a rule, or that cannot be read by people.
func checkName(kind, name string) error {
	switch {
	case name == "" || len(name) > maxName:
		return errors.New("its name is empty or too long")
	case kind == mcp.ItemTool && name == "*":
		return errors.New("a tool with the name * would be all tools to every rule")
	case strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("its name has control characters in it")
	}
	return nil
}
