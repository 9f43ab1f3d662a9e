package mcp

// Tool is a definition as the server registered it.
type Tool struct {
	Name, Description string
	Hash              [32]byte // over its canonical bytes; zero: not computed, equal to no other
	Destructive       bool
}

// The kinds of an Item.
const (
	ItemTool     = "tool"
	ItemPrompt   = "prompt"
	ItemResource = "resource"
	ItemTemplate = "template" // of resources: its name is the URI template
	ItemTask     = "task"
)

// Item is one thing that a server has and that a list may hold: its kind, and its name, address or id.
type Item struct{ Kind, Name string }

// Use is the operation that uses an item, its arguments left open. It is for asking what a caller may see.
func (i Item) Use() Operation {
	return Operation{Kind: KindRequest, Method: uses[i.Kind], Name: i.Name, about: i.Kind}
}

var uses = map[string]string{ItemTool: "tools/call", ItemPrompt: "prompts/get", ItemResource: "resources/read", ItemTemplate: "resources/read", ItemTask: "tasks/get"}
