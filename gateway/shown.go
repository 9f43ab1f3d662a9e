package gateway

import (
	"crypto/sha256"
	"encoding/json"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/maypok86/otter/v2"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/mcp"
)

// definition is what a call's record needs to know of the definition that its caller was shown.
type definition struct {
	hash    mcp.Hash
	secrets []string // JSON pointers to arguments that its schema calls secret
}

// listener is a caller who was shown an item. Two clients of one person are two.
type listener struct{ issuer, subject, client, kind, name string }

// shown are the definitions that callers were last shown of a server's items; what is forgotten is missing from records.
type shown = otter.Cache[listener, definition]

const maxShown = 100_000

func newShown() *shown {
	return otter.Must(&otter.Options[listener, definition]{MaximumSize: maxShown})
}

func listening(c guard.Call, i mcp.Item) listener {
	return listener{c.Caller.Issuer, c.Caller.Subject, c.Caller.Client, i.Kind, i.Name}
}

// record begins the record of an admitted call.
func (s *Server) record(c guard.Call) audit.Record {
	r := c.Record()
	for i, op := range c.Message.Operations {
		item, ok := op.Item()
		if !ok {
			continue
		}
		d, ok := s.shown.GetIfPresent(listening(c, item))
		if !ok {
			continue
		}
		if r.Shown == nil {
			r.Shown = make([]mcp.Hash, len(c.Message.Operations))
		}
		r.Shown[i], r.Secrets = d.hash, append(r.Secrets, d.secrets...)
	}
	return r
}

// show remembers what the caller of f is shown of the items of a list.
func (f *filter) show(l *mcp.Listing, seen []bool) {
	if len(seen) == 0 {
		return
	}
	l.Definitions(func(i int, raw jsontext.Value) {
		if k := l.Items[i].Kind; !seen[i] || raw.Kind() != '{' || k != mcp.ItemTool && k != mcp.ItemPrompt {
			return
		}
		f.s.shown.Set(listening(f.call, l.Items[i]), f.s.definition(raw))
	})
}

// definition reads a definition; one that is known is not read again.
func (s *Server) definition(raw jsontext.Value) definition {
	as := sha256.Sum256(raw)
	if d, ok := s.hashes.GetIfPresent(as); ok {
		return d
	}
	d := definition{hash: mcp.HashDefinition(raw), secrets: secrets(raw)}
	if d.hash == (mcp.Hash{}) { // two readers would not understand it alike: it has one of its bytes, which nobody accepts
		d.hash = sha256.Sum256(append([]byte("as it was written: "), raw...))
	}
	s.hashes.Set(as, d)
	return d
}

// schema is as much of a JSON Schema as says which arguments are secret.
type schema struct {
	Properties map[string]json.RawMessage `json:"properties"`
	Items      json.RawMessage            `json:"items"`
	WriteOnly  bool                       `json:"writeOnly"`
	Format     string                     `json:"format"`
}

const maxDepth = 16

// secrets are JSON pointers to the arguments that a tool's schema calls secret: writeOnly (JSON Schema validation §9.4), or of the format password (OpenAPI
// 3.1 §4.4.3). What lies in an array cannot be named by one pointer: then the whole array is secret.
func secrets(raw jsontext.Value) (all []string) {
	var d struct {
		Input json.RawMessage `json:"inputSchema"`
	}
	if json.Unmarshal(raw, &d) != nil {
		return nil
	}
	var walk func(raw json.RawMessage, at string, depth int)
	walk = func(raw json.RawMessage, at string, depth int) {
		var s schema
		if len(raw) == 0 || depth > maxDepth || json.Unmarshal(raw, &s) != nil {
			return
		}
		if s.WriteOnly || s.Format == "password" {
			all = append(all, at)
			return
		}
		for name, p := range s.Properties {
			walk(p, at+"/"+pointerEscape.Replace(name), depth+1)
		}
		before := len(all)
		if walk(s.Items, at, depth+1); len(all) > before {
			all = append(all[:before], at)
		}
	}
	walk(d.Input, "", 0)
	return all
}

// pointerEscape is RFC 6901 §3.
var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")
