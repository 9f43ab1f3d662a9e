package cedar

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// caseReader reads the YAML of one file of cases and notes where what does not fit. The library's own decoder ends at the first
// error, and gives numbers another value than they were written with.
type caseReader struct {
	file string
	p    *problems
}

// caseMember is one member of a mapping: its value, and its name for where it stands.
type caseMember struct{ key, value ast.Node }

// members are those of one mapping, or of several that were put together.
type caseMembers map[string]caseMember

// parse is the file's one document; nil: it is none, which is noted.
func (c caseReader) parse(content []byte) (root ast.Node) {
	// The parser is somebody else's, and a file that breaks it is a file that cannot be read.
	defer func() {
		if recover() != nil {
			root = nil
			c.p.add(c.file, 0, 0, "this is not YAML that can be read")
		}
	}()
	tokens := lexer.Tokenize(string(content))
	if deep(tokens) {
		c.p.add(c.file, 0, 0, "this is nested deeper than any case")
		return nil
	}
	tree, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	var at yaml.Error
	switch {
	case errors.As(err, &at) && at.GetToken() != nil && at.GetToken().Position != nil:
		c.p.add(c.file, at.GetToken().Position.Line, at.GetToken().Position.Column, "this is not YAML: %s", at.GetMessage())
		return nil
	case err != nil:
		c.p.add(c.file, 0, 0, "this is not YAML: %s", firstLine(err))
		return nil
	}
	for _, doc := range tree.Docs {
		switch {
		case doc.Body == nil || doc.Body.Type() == ast.CommentType:
		case root != nil:
			c.wrong(doc.Body, "a second document begins here: the file is one")
		default:
			root = doc.Body
		}
	}
	return root
}

// maxNested bounds what is nested: the parser follows it as deep as it goes.
const maxNested = 100

// deep reports whether something is nested deeper than that, in brackets, in entries on one line, or by indentation.
func deep(tokens token.Tokens) bool {
	open, entries, line := 0, 0, 0
	for _, t := range tokens {
		if t.Position == nil {
			continue
		}
		if t.Position.Line != line {
			line, entries = t.Position.Line, 0
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			open++
		case token.SequenceEndType, token.MappingEndType:
			open--
		case token.SequenceEntryType, token.MappingKeyType:
			entries++
		}
		if open > maxNested || entries > maxNested || t.Position.IndentNum > 16*maxNested {
			return true
		}
	}
	return false
}

// wrong notes a problem where n stands.
func (c caseReader) wrong(n ast.Node, format string, a ...any) {
	line, column := placeOf(n)
	c.p.add(c.file, line, column, format, a...)
}

func placeOf(n ast.Node) (line, column int) {
	if m, ok := n.(ast.MapNode); ok { // its own token is the first colon
		if it := m.MapRange(); it.Next() {
			n = it.Key()
		}
	}
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return 0, 0
	}
	return n.GetToken().Position.Line, n.GetToken().Position.Column
}

// members are those of a mapping. Every key must be one of known; nil: any may be.
func (c caseReader) members(n ast.Node, known []string) caseMembers {
	all := caseMembers{}
	m, ok := n.(ast.MapNode)
	if !ok {
		c.wrong(n, "it must be a mapping, KEY: VALUE")
		return all
	}
	for it := m.MapRange(); it.Next(); {
		key, ok := it.Key().(*ast.StringNode)
		if !ok {
			c.wrong(it.Key(), "a key must be a word")
			continue
		}
		_, twice := all[key.Value]
		switch {
		case twice:
			c.wrong(key, "the key `%s` stands here a second time", key.Value)
		case known != nil && !slices.Contains(known, key.Value):
			c.wrong(key, "unknown key `%s`%s; the keys here are %s", key.Value, meant(key.Value, known), strings.Join(known, ", "))
		default:
			all[key.Value] = caseMember{key, it.Value()}
		}
	}
	return all
}

// items are the entries of a list.
func (c caseReader) items(n ast.Node) []ast.Node {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		c.wrong(n, "it must be a list")
		return nil
	}
	return s.Values
}

// text is a value of one word or line.
func (c caseReader) text(n ast.Node) string {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return n.Value.Value
	case *ast.IntegerNode:
		return n.GetToken().Value
	}
	c.wrong(n, "it must be text: put it in quotes")
	return ""
}

// read puts members into the fields of a struct that their json tags name.
func (c caseReader) read(from caseMembers, into any) {
	v := reflect.ValueOf(into).Elem()
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if m, ok := from[name]; ok && name != "" {
			c.value(m.value, v.Field(i))
		}
	}
}

func (c caseReader) value(n ast.Node, v reflect.Value) {
	switch into := v.Addr().Interface().(type) {
	case *string:
		*into = c.text(n)
	case *[]string:
		*into = []string{}
		for _, one := range c.items(n) {
			*into = append(*into, c.text(one))
		}
	case **bool:
		if b, ok := n.(*ast.BoolNode); ok {
			*into = &b.Value
			return
		}
		c.wrong(n, "it must be true or false")
	case *jsontext.Value:
		*into = c.json(n)
	case *map[string]any:
		*into = map[string]any{}
		for key, m := range c.members(n, nil) {
			(*into)[key] = c.attribute(m.value)
		}
	}
}

// attribute is what a person can have: text, a whole number, true or false, or texts.
func (c caseReader) attribute(n ast.Node) any {
	switch n := n.(type) {
	case *ast.BoolNode:
		return n.Value
	case *ast.IntegerNode:
		i, err := strconv.ParseInt(n.GetToken().Value, 10, 64)
		if err != nil {
			c.wrong(n, "it is no whole number of 64 bits")
		}
		return i
	case *ast.SequenceNode:
		all := []string{}
		for _, one := range n.Values {
			all = append(all, c.text(one))
		}
		return all
	}
	return c.text(n)
}

// json is the JSON of a value, its numbers as they are written. Text in its place is JSON already, for what YAML cannot say.
func (c caseReader) json(n ast.Node) jsontext.Value {
	var b []byte
	if s, ok := n.(*ast.StringNode); ok {
		b = []byte(s.Value)
	} else {
		b = c.appendJSON(nil, n)
	}
	v := jsontext.Value(b)
	if !v.IsValid() {
		c.wrong(n, "it is not JSON")
		return nil
	}
	return v
}

func (c caseReader) appendJSON(b []byte, n ast.Node) []byte {
	if _, ok := n.(ast.MapNode); ok {
		all := c.members(n, nil)
		b = append(b, '{')
		for i, key := range slices.Sorted(maps.Keys(all)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = quoted(b, key)
			b = append(b, ':')
			b = c.appendJSON(b, all[key].value)
		}
		return append(b, '}')
	}
	switch n := n.(type) {
	case *ast.SequenceNode:
		b = append(b, '[')
		for i, one := range n.Values {
			if i > 0 {
				b = append(b, ',')
			}
			b = c.appendJSON(b, one)
		}
		return append(b, ']')
	case *ast.NullNode:
		return append(b, "null"...)
	case *ast.BoolNode:
		return strconv.AppendBool(b, n.Value)
	case *ast.IntegerNode, *ast.FloatNode:
		text := n.GetToken().Value
		if v := jsontext.Value(text); !v.IsValid() || v.Kind() != '0' {
			c.wrong(n, "write this number as JSON has it, or the text in quotes")
			text = "0"
		}
		return append(b, text...)
	}
	return quoted(b, c.text(n))
}

func quoted(b []byte, text string) []byte {
	b, _ = jsontext.AppendQuote(b, strings.ToValidUTF8(text, "\ufffd")) // it can only fail for what is no UTF-8
	return b
}

// meant is the end of a message about a word that nobody knows: which one was probably meant.
func meant(word string, known []string) string {
	best, least := "", max(1, len(word)/3)+1
	for _, k := range known {
		if d := distance(strings.ToLower(word), k); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(": did you mean `%s`?", best)
}

// distance is the number of letters to insert, leave out or change.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return max(len(a), len(b))
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner = row[j+1]
			row[j+1] = min(row[j+1]+1, row[j]+1, change)
		}
	}
	return row[len(b)]
}
