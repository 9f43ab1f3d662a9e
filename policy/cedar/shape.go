package cedar

// kinds are kinds of JSON values, one bit each. JSON Schema 2020-12 core §4.2.1; an integer is a number without a fraction,
// however it is written (validation §6.1.1).
type kinds uint8

const (
	kindNull kinds = 1 << iota
	kindBool
	kindString
	kindInteger
	kindFraction
	kindArray
	kindObject

	kindNumber = kindInteger | kindFraction
	kindsAll   = kindNull | kindBool | kindString | kindNumber | kindArray | kindObject
)

// kindsNamed are the values of the keyword type.
var kindsNamed = map[string]kinds{
	"null": kindNull, "boolean": kindBool, "string": kindString, "integer": kindInteger, "number": kindNumber, "array": kindArray, "object": kindObject,
}

// String is the kinds in words.
func (k kinds) String() string {
	words := ""
	for _, one := range []struct {
		kinds
		word string
	}{{kindNull, "null"}, {kindBool, "a boolean"}, {kindString, "a string"}, {kindNumber, "a number"}, {kindInteger, "an integer"}, {kindFraction, "a fraction"}, {kindArray, "an array"}, {kindObject, "an object"}} {
		if k&one.kinds != one.kinds {
			continue
		}
		if k &^= one.kinds; words != "" {
			words += " or "
		}
		words += one.word
	}
	if words == "" {
		return "nothing"
	}
	return words
}

// shape is a schema as the walk holds arguments against it. nil: anything fits. A shape may contain itself.
type shape struct {
	kinds  kinds
	same   *shape // what the schema says by reference; then nothing else of the shape counts but orNull
	orNull bool   // null fits besides what fits same

	texts  map[string]bool // strings of enum and const; used if listed
	others map[string]bool // the other values of enum and const in canonical form
	listed bool

	least, most            *number
	leastOpen, mostOpen    bool // the bound itself does not fit
	multiple               *number
	minLength, maxLength   int // of code points; maxLength is -1 if there is none
	pattern                *pattern
	items                  *shape
	minItems, maxItems     int
	unique                 bool
	properties             map[string]*property
	required               []string
	additional             *shape // of what properties does not name
	minMembers, maxMembers int

	// partial: the schema has keywords that the walk does not know. The whole definition is then checked by a library as well.
	partial bool
	choice  bool     // it has alternatives
	about   string   // its description
	notes   []string // what a reader of the schema should know of it
	reaches reaches
}

// property is a member that a schema names.
type property struct {
	name     string
	at       int    // its number, for what has been seen
	shape    *shape // nil and declared: anything fits
	declared bool   // by properties, not by required alone
	required bool
}

// reaches are the schemas that a value is held against because it is held against this one.
type reaches struct {
	same     []*shape // the value itself
	named    []*shape // one member each
	members  []*shape // any member
	elements []*shape // any element
}

// plain is what the walk holds a value against: references are followed. null: the value is null.
func (s *shape) plain(null bool) *shape {
	for s != nil && s.same != nil {
		if s.orNull && null {
			return onlyNull
		}
		s = s.same
	}
	return s
}

// onlyNull is what only null fits.
var onlyNull = &shape{kinds: kindNull, maxLength: -1, maxItems: -1, maxMembers: -1}
