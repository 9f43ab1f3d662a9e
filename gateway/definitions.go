package gateway

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/maypok86/otter/v2"

	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/mcp"
)

// codeUnkept is the code of a list that could not be recorded. It stays as it is.
const codeUnkept = "definition.unkept"

// errUnkept is a list with definitions that nobody accepted, which could not be recorded or remembered.
var errUnkept = errors.New("its definitions could not be kept")

// maxHashes bounds the definitions whose hashes are kept: bringing one into its canonical form costs more than the decision.
const maxHashes = 20_000

func newHashes() *otter.Cache[[32]byte, definition] {
	return otter.Must(&otter.Options[[32]byte, definition]{MaximumSize: maxHashes})
}

// defined gives each item of a list the hash of its definition, and says which may be shown; nil: nobody looks at definitions.
// A resource has none that rules go by, nor has a task. A name alone, as a search may find, says nothing new of a tool.
func (f *filter) defined(l *mcp.Listing) ([]bool, error) {
	if !f.s.guard.LooksAtDefinitions() || len(l.Items) == 0 {
		return nil, nil
	}
	all := make([]guard.Definition, 0, len(l.Items))
	at := make([]int, 0, len(l.Items))
	l.Definitions(func(i int, raw jsontext.Value) {
		switch l.Items[i].Kind {
		case mcp.ItemTool, mcp.ItemPrompt, mcp.ItemTemplate:
		default:
			return
		}
		if raw.Kind() != '{' {
			return
		}
		l.Items[i].Definition = f.s.definition(raw).hash
		all, at = append(all, guard.Definition{Item: l.Items[i], Raw: raw}), append(at, i)
	})
	defined := make([]bool, len(l.Items))
	for i := range defined {
		defined[i] = true
	}
	if len(all) == 0 {
		return defined, nil
	}
	shown, err := f.s.guard.Shows(f.ctx, f.call, all)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnkept, err)
	}
	for n, i := range at {
		defined[i] = shown[n]
	}
	return defined, nil
}
