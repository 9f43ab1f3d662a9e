package mcp

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/go-json-experiment/json/jsontext"
)

// The kinds of an Item.
const (
	ItemTool     = "tool"
	ItemPrompt   = "prompt"
	ItemResource = "resource"
	ItemTemplate = "template" // of resources: its name is the URI template
	ItemTask     = "task"
)

// Item is one thing that a server has and that a list may hold: its kind, and its name, address or id.
type Item struct {
	Kind, Name string
	Definition Hash // of what the list says of it; zero: not computed
}

// Hash is the SHA-256 of a definition in its canonical form (RFC 8785): the same for every way to write it. The zero Hash is of none.
type Hash [sha256.Size]byte

// String is the hash as files and records have it, such as sha256:9f86…; empty for the zero Hash.
func (h Hash) String() string {
	if h == (Hash{}) {
		return ""
	}
	return "sha256:" + hex.EncodeToString(h[:])
}

// HashDefinition is the hash of a definition: everything that stands in it, for a model reads all of it. The zero Hash: it is no
// JSON that two readers would understand alike.
func HashDefinition(raw jsontext.Value) Hash {
	canonical := raw.Clone()
	if canonical.Canonicalize() != nil {
		return Hash{}
	}
	return sha256.Sum256(canonical)
}

// Use is the operation that uses an item, its arguments left open. It is for asking what a caller may see.
func (i Item) Use() Operation {
	return Operation{Kind: KindRequest, Method: uses[i.Kind], Name: i.Name, about: i.Kind}
}

var uses = map[string]string{ItemTool: "tools/call", ItemPrompt: "prompts/get", ItemResource: "resources/read", ItemTemplate: "resources/read", ItemTask: "tasks/get"}
