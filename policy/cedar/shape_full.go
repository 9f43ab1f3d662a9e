package cedar

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/google/jsonschema-go/jsonschema"
)

// fullCheck holds arguments against a schema with a library that knows all keywords. It goes as often over a value as the schema
// has alternatives for it, so what it may do is bounded before.
type fullCheck struct {
	schema  *jsonschema.Resolved
	repeats []float64 // :: depth of a value → how often at most it, or one above it, is held against something
	pattern int       // the size of the largest expression
}

// maxSteps bounds what the library does for one call. With a hundred nanoseconds to a microsecond for each it is well below a
// second.
const maxSteps = 1 << 18

// newFullCheck prepares the library. Its expressions are Go's as well, so that patterns which these cannot say are left out.
func newFullCheck(r *schemaReader, root *shape) (*fullCheck, error) {
	f := &fullCheck{repeats: repeats(root)}
	readable := f.withoutPatterns(r.root, false)
	if m, ok := readable.(map[string]any); ok {
		m["$schema"] = "https://json-schema.org/draft/2020-12/schema"
		if r.draft == draft7 {
			m["$schema"] = "http://json-schema.org/draft-07/schema#"
		}
		delete(m, "$id") // what is referred to stands in it
	}
	raw, err := json.Marshal(readable)
	if err != nil {
		return nil, err
	}
	var schema jsonschema.Schema
	if err := json.Unmarshal(raw, &schema); err != nil {
		return nil, fmt.Errorf("it cannot be read whole: %w", err)
	}
	resolved, err := schema.Resolve(nil)
	if err != nil {
		return nil, fmt.Errorf("it cannot be read whole: %w", err)
	}
	f.schema = resolved
	if f.repeats[2] > maxSteps { // of a member of a member, with nothing beside it
		return nil, errors.New("it has more alternatives within alternatives than can be tried")
	}
	return f, nil
}

// withoutPatterns is a copy of a schema without the patterns that Go cannot say. Within a value that is given as one, nothing is
// a pattern.
func (f *fullCheck) withoutPatterns(v any, value bool) any {
	switch v := v.(type) {
	case map[string]any:
		all := maps.Clone(v)
		for name, one := range v {
			if text, ok := one.(string); ok && name == "pattern" && !value {
				delete(all, name)
				if expression, err := compilePattern(text); err == nil {
					all[name] = expression.String()
					f.pattern = max(f.pattern, expression.size)
				}
				continue
			}
			all[name] = f.withoutPatterns(one, value || name == "enum" || name == "const" || name == "default" || name == "examples")
		}
		return all
	case []any:
		all := make([]any, len(v))
		for i, one := range v {
			all[i] = f.withoutPatterns(one, value)
		}
		return all
	}
	return v
}

// check holds raw against the schema.
func (f *fullCheck) check(raw []byte) (refused *refusal) {
	nodes, depth := extent(raw)
	if depth >= len(f.repeats) || float64(nodes)*f.repeats[depth] > maxSteps || float64(len(raw))*f.repeats[depth]*float64(f.pattern) > maxMatching {
		return &refusal{code: refusedBounds, why: "there is more in it than the alternatives of the input schema can be tried for"}
	}
	// The library is somebody else's, and what breaks it is what cannot be checked.
	defer func() {
		if recover() != nil {
			refused = &refusal{code: refusedSchema, why: "it cannot be held against the input schema"}
		}
	}()
	var v any
	if json.Unmarshal(raw, &v) != nil { // such as a number beyond all doubles
		return &refusal{code: refusedSchema, why: "it holds what cannot be read"}
	}
	if f.schema.Validate(v) != nil { // the error has the arguments in it
		return &refusal{code: refusedSchema, why: "it fits none of the alternatives, or not a condition, of the input schema"}
	}
	return nil
}

// extent is how many values JSON holds and how deep they are nested, at most.
func extent(raw []byte) (nodes, depth int) {
	nodes = 1
	s := scan{data: raw}
	at := 0
	for {
		switch c := s.peek(); c {
		case 0:
			return nodes, depth
		case '"':
			if _, end, _ := s.quoted(); end == 0 {
				return nodes, depth
			}
			continue
		case '{', '[':
			at++
			nodes++
			depth = max(depth, at)
		case '}', ']':
			at--
		case ',':
			nodes++
		}
		s.at++
	}
}
