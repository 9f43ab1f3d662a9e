package cedar

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// The bounds of an input schema: far more than tools have.
const (
	maxSchemas     = 10_000 // schemas within one
	maxSchemaDepth = 100
)

// schemaReader makes shapes of an input schema. One schema that is referred to from many places, or from itself, is one shape.
type schemaReader struct {
	root  any
	draft draft
	at    map[string]*shape // :: JSON pointer → shape
	order []*shape
}

// draft is the dialect that a schema is written in.
type draft int

const (
	draft2020 draft = iota // MCP's default
	draft7
)

// dialects are the values of $schema that can be read. JSON Schema 2020-12 core §8.1.1: what cannot be understood must not be
// guessed at.
var dialects = map[string]draft{"https://json-schema.org/draft/2020-12/schema": draft2020, "http://json-schema.org/draft-07/schema": draft7, "https://json-schema.org/draft-07/schema": draft7}

// readSchema makes a shape of an input schema, and a check by a library of what the shape does not cover; nil: it covers all.
func readSchema(raw jsontext.Value) (*shape, *fullCheck, error) {
	r := &schemaReader{at: map[string]*shape{}}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&r.root); err != nil {
		return nil, nil, errors.New("reading an input schema: it is no JSON that can be read")
	}
	if object, ok := r.root.(map[string]any); ok {
		if said, given := object["$schema"]; given {
			uri, _ := said.(string)
			known := false
			if r.draft, known = dialects[strings.TrimSuffix(uri, "#")]; !known {
				return nil, nil, fmt.Errorf("reading an input schema: its $schema is %q: 2020-12 and draft-07 are understood", uri)
			}
		}
	}
	root, err := r.read("", r.root, 0)
	if err == nil {
		err = circular(r.order)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading an input schema: %w", err)
	}
	shorten(r.order)
	if !slices.ContainsFunc(r.order, func(s *shape) bool { return s.partial }) {
		return root, nil, nil
	}
	full, err := newFullCheck(r, root)
	if err != nil {
		return nil, nil, fmt.Errorf("reading an input schema: %w", err)
	}
	return root, full, nil
}

// read makes the shape of the schema at a pointer.
func (r *schemaReader) read(pointer string, v any, depth int) (*shape, error) {
	if s, ok := r.at[pointer]; ok {
		return s, nil
	}
	if len(r.order) == maxSchemas || depth > maxSchemaDepth {
		return nil, fmt.Errorf("it has more than %d schemas in it, or is nested more than %d deep", maxSchemas, maxSchemaDepth)
	}
	s := &shape{kinds: kindsAll, maxLength: -1, maxItems: -1, maxMembers: -1}
	r.at[pointer] = s
	r.order = append(r.order, s)
	switch v := v.(type) {
	case bool: // core §4.3.2
		if !v {
			s.kinds = 0
		}
		return s, nil
	case map[string]any:
		k := &keywords{schemaReader: r, shape: s, pointer: pointer, all: v, depth: depth + 1}
		if err := k.read(); err != nil {
			return nil, err
		}
		return s, nil
	}
	return nil, fmt.Errorf("#%s: a schema is an object or a boolean", pointer)
}

// keywords is one schema object that is being read.
type keywords struct {
	*schemaReader
	*shape
	pointer string
	all     map[string]any
	depth   int
	counted int // keywords that say what fits
}

// wrong says what is wrong with a keyword.
func (k *keywords) wrong(name, format string, args ...any) error {
	return fmt.Errorf("#%s/%s: %s", k.pointer, escapePointer(name), fmt.Sprintf(format, args...))
}

// below reads a schema that stands in a keyword.
func (k *keywords) below(v any, path ...string) (*shape, error) {
	pointer := k.pointer
	for _, p := range path {
		pointer += "/" + escapePointer(p)
	}
	return k.schemaReader.read(pointer, v, k.depth)
}

// escapePointer is a member's name in a JSON pointer, RFC 6901 §3.
func escapePointer(name string) string { return pointerEscapes.Replace(name) }

var (
	pointerEscapes   = strings.NewReplacer("~", "~0", "/", "~1")
	pointerUnescapes = strings.NewReplacer("~1", "/", "~0", "~")
)

func (k *keywords) read() error {
	if about, ok := k.all["description"].(string); ok {
		k.about = about
	}
	if _, ok := k.all["default"]; ok { // validation §9.2: an annotation, which the server may go by
		k.notes = append(k.notes, "rules see it only if it is given: what it is by default, the server knows")
	}
	if _, ok := k.all["$ref"]; ok && k.draft == draft7 { // draft-07 §8.3: what stands beside $ref is ignored
		k.counted = 1
		return k.ref()
	}
	names := slices.Sorted(maps.Keys(k.all))
	for _, name := range names {
		if slices.Contains(asserting, name) {
			k.counted++
		}
	}
	for _, name := range names {
		if err := k.keyword(name, k.all[name]); err != nil {
			return err
		}
	}
	return k.closeMembers()
}

// closeMembers numbers the members that the schema names.
func (k *keywords) closeMembers() error {
	for _, name := range k.required {
		if p := k.properties[name]; p != nil {
			p.required = true
			continue
		}
		if k.properties == nil {
			k.properties = map[string]*property{}
		}
		k.properties[name] = &property{name: name, required: true}
	}
	for i, name := range slices.Sorted(maps.Keys(k.properties)) {
		k.properties[name].at = i
	}
	if k.all["patternProperties"] != nil {
		k.additional = nil // whether a member is one of them, the library says
	}
	return nil
}

// ref is $ref: to a schema that stands in the same one. Nothing is ever fetched.
func (k *keywords) ref() error {
	to, _ := k.all["$ref"].(string)
	pointer, local := strings.CutPrefix(to, "#")
	if !local {
		return k.wrong("$ref", "it refers to something outside of the schema (%q), and nothing is fetched", to)
	}
	v, canonical, ok := find(k.root, pointer)
	if !ok {
		return k.wrong("$ref", "there is nothing at %q", to)
	}
	same, err := k.schemaReader.read(canonical, v, k.depth)
	if err != nil {
		return err
	}
	k.same = same
	k.reaches.same = append(k.reaches.same, same)
	k.partial = k.partial || k.counted > 1
	if k.about == "" {
		k.about = same.about
	}
	return nil
}

// find is what a JSON pointer in a fragment stands for, RFC 6901 §6, and the pointer as we write it.
func find(v any, pointer string) (found any, canonical string, ok bool) {
	pointer, ok = unescapeFragment(pointer)
	if !ok || pointer != "" && pointer[0] != '/' {
		return nil, "", false
	}
	for _, part := range strings.Split(pointer, "/")[1:] {
		name := pointerUnescapes.Replace(part)
		switch at := v.(type) {
		case map[string]any:
			v, ok = at[name]
		case []any:
			i, isIndex := index(name)
			if ok = isIndex && i < len(at); ok {
				v = at[i]
			}
		default:
			ok = false
		}
		if !ok {
			return nil, "", false
		}
		canonical += "/" + escapePointer(name)
	}
	return v, canonical, true
}
