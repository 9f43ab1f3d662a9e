package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// What a file may have: far more than any installation needs, and little enough to be read in an instant.
const (
	maxFile  = 4 << 20
	maxDepth = 16
)

// Read reads a file. name is only for messages. The error is an *Error with everything that is wrong.
func Read(name string, file []byte) (Config, error) {
	var c Config
	p := &problems{places: map[string]place{"": {1, 1}}}
	root := parse(p, file)
	if root != nil {
		d := decoder{p}
		d.value("", root, reflect.ValueOf(&c).Elem())
		check(p, c)
	}
	if err := p.err(name); err != nil {
		return Config{}, err
	}
	return c, nil
}

// parse makes a tree of the file, or notes why it is none.
func parse(p *problems, file []byte) (root ast.Node) {
	if len(file) > maxFile {
		p.add("", "the file is longer than %d KiB", maxFile>>10)
		return nil
	}
	// The parser is somebody else's, and a file that breaks it is a file that cannot be read.
	defer func() {
		if recover() != nil {
			root = nil
			p.add("", "the file is not YAML that can be read")
		}
	}()
	tokens := lexer.Tokenize(string(file))
	if !plain(p, tokens) {
		return nil
	}
	// Repeated keys are noted with everything else.
	tree, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		var at yaml.Error
		if errors.As(err, &at) && at.GetToken() != nil {
			p.note(at.GetToken(), "", "this is not YAML: "+at.GetMessage())
		} else {
			p.add("", "this is not YAML")
		}
		return nil
	}
	var bodies []ast.Node
	for _, doc := range tree.Docs {
		if doc.Body != nil && doc.Body.Type() != ast.CommentType {
			bodies = append(bodies, doc.Body)
		}
	}
	switch {
	case len(bodies) == 0:
		p.add("", "the file is empty")
		return nil
	case len(bodies) > 1:
		p.note(bodies[1].GetToken(), "", "a second document begins here: the file is one document")
		return nil
	}
	return bodies[0]
}

// plain reports whether the words of a file are all of the part of YAML that is read here. It runs before the parser, which
// follows what is nested as deep as it goes.
func plain(p *problems, tokens token.Tokens) bool {
	before := len(p.all)
	open, entries, line := 0, 0, 0
	for _, t := range tokens {
		if t.Position == nil {
			continue
		}
		if t.Position.Line != line {
			line, entries = t.Position.Line, 0
		}
		switch t.Type {
		case token.InvalidType:
			p.note(t, "", "this is not YAML: "+t.Error)
			return false
		case token.AnchorType, token.AliasType, token.TagType, token.MergeKeyType, token.DirectiveType, token.MappingKeyType:
			p.note(t, "", fmt.Sprintf("anchors, aliases, tags, merge keys, directives and complex keys are not read here (%s): write the value out, or put text in quotes", printable(t.Value)))
		case token.SequenceStartType, token.MappingStartType:
			open++
		case token.SequenceEndType, token.MappingEndType:
			open--
		case token.SequenceEntryType:
			entries++
		}
		if open > maxDepth || entries > maxDepth || t.Position.IndentNum > 16*maxDepth {
			p.note(t, "", "this is nested deeper than anything that a configuration has")
			return false
		}
		if len(p.all) > before+20 {
			return false
		}
	}
	return len(p.all) == before
}

// note notes a problem where a word of the file stands.
func (p *problems) note(t *token.Token, path, text string) {
	at := place{1, 1}
	if t != nil && t.Position != nil {
		at = place{t.Position.Line, t.Position.Column}
	}
	p.all = append(p.all, Problem{Line: at.line, Column: at.column, Path: path, Text: text})
}

// printable is a word of the file in a message: short, and of one line.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if unprintable(r) {
			return '?'
		}
		return r
	}, s)
	if len(s) > 40 {
		s = strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}
