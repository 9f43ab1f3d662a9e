package cedar

import (
	"reflect"

	"github.com/cedar-policy/cedar-go"
)

// formatWidth is how many characters a line has at most, where it can be broken.
const formatWidth = 120

// Format is the text of a file of rules in the one way that everybody writes it: comments where they were, a line for a rule's
// scope, a line for each condition where they do not fit on one, an empty line between rules. It means what the text meant, and
// formatting it again changes nothing. name is only for messages; the error says line and column of what is no Cedar.
func Format(name string, text []byte) ([]byte, error) {
	before, err := parseText(name, text)
	if err != nil {
		return nil, err
	}
	words, _ := scanRules(text) // what parses has words
	p := printer{pending: -1}
	p.file(settled(words))
	after, err := parseText(name, p.out.Bytes())
	if err != nil || !sameRules(before, after) {
		// What is written is what decides: a text that cannot be laid out without a doubt stays as it is.
		return nil, &Error{[]Problem{{File: name, Text: "its layout cannot be changed without changing what it means"}}}
	}
	return p.out.Bytes(), nil
}

// sameRules reports whether two texts say the same, wherever it stands in them.
func sameRules(a, b cedar.PolicyList) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := *a[i].AST(), *b[i].AST()
		x.Position = y.Position
		if !reflect.DeepEqual(x, y) {
			return false
		}
	}
	return true
}
