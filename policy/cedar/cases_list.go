package cedar

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/doorward-mcp/doorward/mcp"
)

// listed is what a list must have and what it must not have.
type listed struct {
	server       string
	sees, hidden []mcp.Item
}

// kindsListed are what a list can hold. A name alone is a tool's.
var kindsListed = []string{mcp.ItemTool, mcp.ItemPrompt, mcp.ItemResource, mcp.ItemTemplate}

func (f *caseFile) listed(n ast.Node) *listed {
	m := f.members(n, listKeys)
	l := &listed{}
	if server, ok := m["server"]; ok {
		l.server = f.text(server.value)
	}
	for key, into := range map[string]*[]mcp.Item{"sees": &l.sees, "hidden": &l.hidden} {
		if part, ok := m[key]; ok {
			for _, one := range f.items(part.value) {
				*into = append(*into, f.item(one))
			}
		}
	}
	if len(l.sees)+len(l.hidden) == 0 {
		f.wrong(n, "it says neither what the list sees nor what is hidden in it")
	}
	return l
}

func (f *caseFile) item(n ast.Node) mcp.Item {
	if _, ok := n.(ast.MapNode); !ok {
		return mcp.Item{Kind: mcp.ItemTool, Name: f.text(n)}
	}
	m := f.members(n, kindsListed)
	if len(m) != 1 {
		f.wrong(n, "it is one thing: a tool's name, or {prompt: NAME}, {resource: URI} or {template: URI}")
	}
	for kind, one := range m {
		return mcp.Item{Kind: kind, Name: f.text(one.value)}
	}
	return mcp.Item{}
}

// itemWords is an item as a case writes it.
func itemWords(i mcp.Item) string {
	if i.Kind == mcp.ItemTool {
		return i.Name
	}
	return i.Kind + " " + i.Name
}

// itemsWords are several, in order.
func itemsWords(items []mcp.Item) string {
	words := make([]string, len(items))
	for i, one := range items {
		words[i] = itemWords(one)
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}
