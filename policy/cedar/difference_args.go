package cedar

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/doorward-mcp/doorward/mcp"
)

// call is a call of a target.
func (m *maker) call(t target) Call {
	c := Call{Server: t.server}
	switch t.item.Kind {
	case mcp.ItemTool:
		c.Tool = t.item.Name
	case mcp.ItemPrompt:
		c.Prompt = t.item.Name
	case mcp.ItemTemplate:
		c.Resource = m.address(t.item.Name)
		return c
	case mcp.ItemResource:
		c.Resource = draw(m, append([]string{"file:///some-resource"}, m.texts("args.uri")...))
		return c
	default:
		c.Method = "ping"
		return c
	}
	if b := m.value(nil, t.shape, "args", 0); t.shape != nil && len(b) > 0 && b[0] == '{' {
		c.Args = jsontext.Value(b)
	}
	return c
}

// address is one that a template makes, its variables those that rules compare with.
func (m *maker) address(template string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(template, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, after, _ := strings.Cut(rest, "}")
		b.WriteString(draw(m, append([]string{"x"}, m.texts("args."+strings.TrimLeft(name, "+#/.;?&"))...)))
		template = after
	}
}

// maxMade bounds how deep made-up arguments are nested.
const maxMade = 8

// value appends a value for a schema: of what rules compare with under the path, of what the schema lists, or the least of its
// type. It need not fit: a call that is refused is decided too.
func (m *maker) value(b []byte, s *shape, path string, depth int) []byte {
	if s == nil {
		return append(b, `"x"`...)
	}
	if s = s.plain(false); s == nil || depth > maxMade {
		return append(b, "null"...)
	}
	if s.kinds&kindNull != 0 && m.random.IntN(3) == 0 {
		return append(b, "null"...)
	}
	listed := slices.Sorted(maps.Keys(s.texts))
	var named []cedar.Value
	for _, v := range m.values[path] {
		if text, ok := v.(cedar.String); !ok || !s.listed || s.texts[string(text)] {
			named = append(named, v)
		}
	}
	switch {
	case s.kinds&kindObject != 0 && s.kinds&kindString == 0:
		return m.object(b, s, path, depth)
	case s.kinds&kindArray != 0 && s.kinds&kindString == 0:
		return m.array(b, s, path, depth)
	case len(named) > 0 && m.random.IntN(4) > 0:
		return appendValue(b, draw(m, named))
	case len(listed) > 0:
		return quoted(b, draw(m, listed))
	case s.kinds&kindString != 0:
		return quoted(b, strings.Repeat("x", max(1, s.minLength)))
	case s.kinds&kindNumber != 0:
		return append(b, draw(m, []string{"0", "1", "100"})...)
	case s.kinds&kindBool != 0:
		return append(b, draw(m, []string{"true", "false"})...)
	}
	return append(b, "null"...)
}

func (m *maker) object(b []byte, s *shape, path string, depth int) []byte {
	b = append(b, '{')
	first := true
	for _, name := range slices.Sorted(maps.Keys(s.properties)) {
		p := s.properties[name]
		if !p.declared || !p.required && m.random.IntN(3) == 0 {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(quoted(b, name), ':')
		b = m.value(b, p.shape, path+"."+name, depth+1)
	}
	return append(b, '}')
}

func (m *maker) array(b []byte, s *shape, path string, depth int) []byte {
	b = append(b, '[')
	for i := range s.minItems + m.random.IntN(3) {
		if i > 8 {
			break
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = m.value(b, s.items, path, depth+1)
	}
	return append(b, ']')
}

// appendValue is a value as JSON.
func appendValue(b []byte, v cedar.Value) []byte {
	switch v := v.(type) {
	case cedar.Long, cedar.Boolean, cedar.Decimal:
		return fmt.Append(b, v.String())
	case cedar.String:
		return quoted(b, string(v))
	}
	return quoted(b, v.String())
}
