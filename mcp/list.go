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
	ItemTask     = "task"
)

// Item is one thing that a server has and that a list may hold: its kind, and its name, address or id.
type Item struct{ Kind, Name string }
