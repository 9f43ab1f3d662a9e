package cedar

import (
	"encoding/json"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
)

// asserting are the keywords that say what fits. All others are annotations, or nobody knows what they are (JSON Schema 2020-12
// core §6.5 and §7.7, validation §9), and so is format (§7.2.1).
var asserting = []string{
	"$ref", "$dynamicRef", "$recursiveRef", "$id", "type", "enum", "const",
	"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern",
	"items", "minItems", "maxItems", "uniqueItems", "prefixItems", "additionalItems", "contains", "minContains", "maxContains", "unevaluatedItems",
	"properties", "required", "additionalProperties", "minProperties", "maxProperties", "patternProperties", "propertyNames",
	"unevaluatedProperties", "dependentRequired", "dependentSchemas", "dependencies",
	"allOf", "anyOf", "oneOf", "not", "if", "then", "else",
}

// keyword reads one keyword. One that the walk does not cover makes the shape partial.
func (k *keywords) keyword(name string, v any) (err error) {
	switch name {
	case "$ref":
		return k.ref()
	case "$dynamicRef", "$recursiveRef":
		return k.wrong(name, "what it refers to is known only while a value is read, which is not supported")
	case "$id":
		if k.pointer != "" {
			return k.wrong(name, "a schema with an address of its own inside of another is not supported")
		}
	case "type":
		return k.readType(name, v)
	case "enum", "const":
		return k.readValues(name, v)
	case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf":
		return k.readBound(name, v)
	case "minLength":
		k.minLength, err = k.size(name, v)
	case "maxLength":
		k.maxLength, err = k.size(name, v)
	case "minItems":
		k.minItems, err = k.size(name, v)
	case "maxItems":
		k.maxItems, err = k.size(name, v)
	case "minProperties":
		k.minMembers, err = k.size(name, v)
	case "maxProperties":
		k.maxMembers, err = k.size(name, v)
	case "pattern":
		return k.readPattern(name, v)
	case "uniqueItems":
		var ok bool
		if k.unique, ok = v.(bool); !ok {
			return k.wrong(name, "it is no boolean")
		}
	default:
		return k.applicator(name, v)
	}
	return err
}

// readType is type, validation §6.1.1.
func (k *keywords) readType(name string, v any) error {
	names, _ := v.([]any)
	if one, ok := v.(string); ok {
		names = []any{one}
	}
	var all kinds
	for _, n := range names {
		word, _ := n.(string)
		kind, known := kindsNamed[word]
		if !known {
			return k.wrong(name, "there is no type %v", n)
		}
		all |= kind
	}
	if all == 0 {
		return k.wrong(name, "it is no name of a type and no list of them")
	}
	k.kinds &= all
	return nil
}

// readValues is enum and const, validation §6.1.2 and §6.1.3. They say the type as well, where type does not.
func (k *keywords) readValues(name string, v any) error {
	values := []any{v}
	if name == "enum" {
		var ok bool
		if values, ok = v.([]any); !ok {
			return k.wrong(name, "it is no list of values")
		}
	}
	if k.listed { // both are given: the library takes the one that is not kept here
		k.partial = true
		return nil
	}
	k.listed, k.texts, k.others = true, map[string]bool{}, map[string]bool{}
	var all kinds
	for _, value := range values {
		all |= kindOf(value)
		if text, ok := value.(string); ok {
			k.texts[text] = true
			continue
		}
		raw, err := json.Marshal(value)
		if err != nil {
			return k.wrong(name, "it holds what is no JSON")
		}
		canonical, ok := (&scan{data: raw}).canonical(nil)
		if !ok {
			return k.wrong(name, "it holds what is no JSON")
		}
		k.others[string(canonical)] = true
	}
	if k.all["type"] != nil && all&kindNumber != 0 {
		all |= kindNumber // type says which
	}
	k.kinds &= all
	return nil
}

// kindOf is the kind of a value as encoding/json reads it with UseNumber.
func kindOf(v any) kinds {
	switch v := v.(type) {
	case nil:
		return kindNull
	case bool:
		return kindBool
	case string:
		return kindString
	case []any:
		return kindArray
	case json.Number:
		if n, _ := parseNumber([]byte(v), nil); n.integer() {
			return kindInteger
		}
		return kindNumber
	}
	return kindObject
}

// readBound is validation §6.2.
func (k *keywords) readBound(name string, v any) error {
	literal, ok := v.(json.Number)
	n, readable := parseNumber([]byte(literal), nil)
	if !ok || !readable {
		return k.wrong(name, "it is no number")
	}
	switch name {
	case "multipleOf":
		if len(n.digits) == 0 || n.negative {
			return k.wrong(name, "it is not greater than 0")
		}
		k.multiple = &n
	case "minimum", "exclusiveMinimum":
		open := name == "exclusiveMinimum"
		if c := 1; k.least != nil {
			if c = n.compare(*k.least); c < 0 || c == 0 && !open {
				return nil
			}
		}
		k.least, k.leastOpen = &n, open
	default:
		open := name == "exclusiveMaximum"
		if c := -1; k.most != nil {
			if c = n.compare(*k.most); c > 0 || c == 0 && !open {
				return nil
			}
		}
		k.most, k.mostOpen = &n, open
	}
	return nil
}

// size is a number of things: an integer that is not negative.
func (k *keywords) size(name string, v any) (int, error) {
	literal, _ := v.(json.Number)
	n, ok := parseNumber([]byte(literal), nil)
	size, fits := n.scaled(0)
	if !ok || !fits || size < 0 || size > 1<<31-1 {
		return 0, k.wrong(name, "it is no integer from 0 to 2147483647")
	}
	return int(size), nil
}

// readPattern is pattern, validation §6.3.3. One that Go's expressions, which take linear time, cannot say is not checked: the
// text that rules see is the one that the server reads in any case. See the comments of the generated schema.
func (k *keywords) readPattern(name string, v any) error {
	text, ok := v.(string)
	if !ok {
		return k.wrong(name, "it is no string")
	}
	expression, err := compilePattern(text)
	if err != nil {
		k.notes = append(k.notes, "its pattern is not checked: it cannot be matched in linear time")
		return nil
	}
	k.pattern = expression
	return nil
}

// unicodeEscape is what ECMA-262 has and Go has not.
var unicodeEscape = regexp.MustCompile(`\\\\|\\u[0-9a-fA-F]{4}`)

// pattern is an expression that texts are held against.
type pattern struct {
	*regexp.Regexp
	size int // of its program: so many steps a byte of a text takes at most
}

// maxMatching bounds the steps of one text, to about a second: time is linear, and still too long for a long text and an expression
// that repeats a lot.
const maxMatching = 1 << 27

// compilePattern is an expression of ECMA-262 as one of Go's, where it means the same.
func compilePattern(text string) (*pattern, error) {
	expression, err := regexp.Compile(unicodeEscape.ReplaceAllStringFunc(text, func(s string) string {
		if s == `\\` {
			return s
		}
		return `\x{` + s[2:] + `}`
	}))
	if err != nil {
		return nil, err
	}
	tree, err := syntax.Parse(expression.String(), syntax.Perl)
	if err != nil {
		return nil, err
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, err
	}
	return &pattern{expression, len(program.Inst)}, nil
}

// index is an index of an array in a JSON pointer, RFC 6901 §4.
func index(s string) (int, bool) {
	i, err := strconv.Atoi(s)
	return i, err == nil && i >= 0 && strconv.Itoa(i) == s && !strings.HasPrefix(s, "+")
}
