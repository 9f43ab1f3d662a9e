package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
)

// decoder puts a tree into a value, and notes where each member stands and what does not fit. The library's own decoder
// ends at the first error.
type decoder struct{ p *problems }

func (d decoder) value(path string, n ast.Node, v reflect.Value) {
	if n == nil || n.Type() == ast.NullType {
		d.wrong(path, n, "it has no value: leave it out, or give one")
		return
	}
	if into, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		d.text(path, n, into)
		return
	}
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		d.duration(path, n, v)
	case v.Kind() == reflect.Pointer:
		to := reflect.New(v.Type().Elem())
		d.value(path, n, to.Elem())
		v.Set(to)
	case v.Kind() == reflect.Struct && single(n) && word(v).IsValid():
		d.scalar(path, n, word(v))
	case v.Kind() == reflect.Struct:
		d.object(path, n, v)
	case v.Kind() == reflect.Map:
		d.entries(path, n, v)
	case v.Kind() == reflect.Slice:
		d.list(path, n, v)
	default:
		d.scalar(path, n, v)
	}
}

// wrong notes a problem where n stands, and that n stands there.
func (d decoder) wrong(path string, n ast.Node, format string, a ...any) {
	d.seen(path, n)
	d.p.add(path, format, a...)
}

// seen notes where a member stands: at its value, where that is a single one, else where it was seen first, at its key.
func (d decoder) seen(path string, n ast.Node) {
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil || n.Type() == ast.NullType {
		return
	}
	if _, ok := d.p.places[path]; ok && !single(n) {
		return
	}
	at := n.GetToken().Position
	d.p.places[path] = place{at.Line, at.Column}
}

func single(n ast.Node) bool {
	_, ok := n.(ast.ScalarNode)
	return ok
}

func (d decoder) pairs(path string, n ast.Node, each func(key string, pair *ast.MappingValueNode)) {
	m, ok := n.(ast.MapNode)
	if !ok {
		d.wrong(path, n, "it must be a mapping, KEY: VALUE on each line")
		return
	}
	seen := map[string]bool{}
	for it := m.MapRange(); it.Next(); {
		pair := it.KeyValue()
		key, ok := keyOf(pair.Key)
		at := pair.Key.GetToken()
		switch {
		case !ok:
			d.p.note(at, path, "a key must be a word")
		case seen[key]:
			d.p.note(at, "", "the key `"+printable(key)+"` stands here a second time")
		default:
			seen[key] = true
			d.p.places[under(path, key)] = place{at.Position.Line, at.Position.Column}
			each(key, pair)
		}
	}
}

func keyOf(n ast.MapKeyNode) (string, bool) {
	s, ok := n.(*ast.StringNode)
	if !ok || s.Value == "" || strings.ContainsFunc(s.Value, unprintable) || !utf8.ValidString(s.Value) || len(s.Value) > 200 {
		return "", false
	}
	return s.Value, true
}

// object reads the members of a struct, those of the structs inlined in it included.
func (d decoder) object(path string, n ast.Node, v reflect.Value) {
	fields := map[string]reflect.Value{}
	members(v, func(key string, field reflect.Value) { fields[key] = field })
	d.pairs(path, n, func(key string, pair *ast.MappingValueNode) {
		field, ok := fields[key]
		if !ok {
			var known []string
			for k := range fields {
				known = append(known, k)
			}
			slices.Sort(known)
			text := fmt.Sprintf("unknown key `%s`%s", printable(key), meant(key, known))
			if !strings.HasSuffix(text, "?") {
				text += "; the keys here are " + strings.Join(known, ", ")
			}
			d.p.note(pair.Key.GetToken(), "", text)
			return
		}
		d.value(under(path, key), pair.Value, field)
	})
}

// words calls each with every text in v, by its member. A text that is empty is not given, except in a list or a map.
func words(path string, v reflect.Value, each func(path, s string)) {
	switch v.Kind() {
	case reflect.String:
		if v.String() != "" {
			each(path, v.String())
		}
	case reflect.Pointer:
		if !v.IsNil() {
			words(path, v.Elem(), each)
		}
	case reflect.Struct:
		if one := word(v); one.IsValid() {
			words(path, one, each)
		}
		members(v, func(key string, field reflect.Value) { words(under(path, key), field, each) })
	case reflect.Slice:
		for i := range v.Len() {
			if entry := v.Index(i); entry.Kind() == reflect.String {
				each(nth(path, i), entry.String())
			} else {
				words(nth(path, i), entry, each)
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			if it.Value().Kind() == reflect.String {
				each(under(path, it.Key().String()), it.Value().String())
			} else {
				words(under(path, it.Key().String()), it.Value(), each)
			}
		}
	}
}

// members calls each with every member of a struct, by the name that the file has for it.
func members(v reflect.Value, each func(key string, field reflect.Value)) {
	for i := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		switch {
		case strings.Contains(options, "inline"):
			members(v.Field(i), each)
		case name != "" && name != "-":
			each(name, v.Field(i))
		}
	}
}

// word is the member of a struct that stands for all of it where the file has one word in place of a mapping; the zero Value: it
// has none.
func word(v reflect.Value) reflect.Value {
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("yaml") == ",word" {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

// entries reads a map whose keys are names that the operator chose.
func (d decoder) entries(path string, n ast.Node, v reflect.Value) {
	m := reflect.MakeMap(v.Type())
	d.pairs(path, n, func(key string, pair *ast.MappingValueNode) {
		entry := reflect.New(v.Type().Elem()).Elem()
		d.value(under(path, key), pair.Value, entry)
		m.SetMapIndex(reflect.ValueOf(key), entry)
	})
	if m.Len() > 0 { // an empty one is the same as none
		v.Set(m)
	}
}

func (d decoder) list(path string, n ast.Node, v reflect.Value) {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		d.wrong(path, n, "it must be a list, - VALUE on each line")
		return
	}
	for i, n := range s.Values {
		entry := reflect.New(v.Type().Elem()).Elem()
		at := nth(path, i)
		if m, ok := n.(ast.MapNode); ok { // the token of a mapping is that of its first colon
			if it := m.MapRange(); it.Next() {
				d.seen(at, it.Key())
			}
		}
		d.value(at, n, entry)
		v.Set(reflect.Append(v, entry))
	}
}

// word is a value that is text of one line.
func (d decoder) word(path string, n ast.Node) (string, bool) {
	var s string
	switch n := n.(type) {
	case *ast.StringNode:
		s = n.Value
	case *ast.LiteralNode:
		s = n.Value.Value
	case ast.ScalarNode:
		d.wrong(path, n, "it must be text: put it in quotes")
		return "", false
	default:
		d.wrong(path, n, "it must be text, on one line")
		return "", false
	}
	d.seen(path, n)
	if wrong := checkWord(s); wrong != "" {
		d.p.add(path, "%s", wrong)
		return "", false
	}
	return s, true
}

// checkWord says why s cannot be a value of one line; empty: it can.
func checkWord(s string) string {
	switch {
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unprintable):
		return "it has a line break or a character that cannot be seen"
	case s == "":
		return "it is empty: leave it out, or give a value"
	case strings.TrimSpace(s) != s:
		return "it begins or ends with a space"
	}
	return ""
}

// unprintable are controls and the marks that make text read as another.
func unprintable(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == 0x2028 || r == 0x2029 || r == utf8.RuneError
}
