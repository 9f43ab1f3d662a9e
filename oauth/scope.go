package oauth

import (
	"fmt"
	"slices"
	"strings"
)

// Scopes is a set of scope names, sorted, each once. The zero Scopes is empty and covers nothing but itself.
type Scopes []string

// OfflineAccess asks for a refresh token. It belongs to the authorization server and to no resource.
const OfflineAccess = "offline_access"

// NewScopes makes a set of names. It does not judge the names: ParseScopes does.
func NewScopes(names ...string) Scopes {
	s := slices.Clone(names)
	slices.Sort(s)
	return slices.Compact(s)
}

// ParseScopes reads a scope parameter. RFC 6749 §3.3: tokens of %x21 / %x23-5B / %x5D-7E, one space between them.
// More spaces than one are forgiven. Any other character is an *Error with code invalid_scope.
func ParseScopes(text string) (Scopes, error) {
	for i := range len(text) {
		if c := text[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return nil, &Error{Status: 400, Code: "invalid_scope", Reason: "malformed_scope", Description: fmt.Sprintf("the scope has a character that RFC 6749 section 3.3 does not allow at position %d", i)}
		}
	}
	return NewScopes(strings.Fields(text)...), nil
}

// String is the set as a scope parameter.
func (s Scopes) String() string { return strings.Join(s, " ") }

// Contains reports whether name is in the set.
func (s Scopes) Contains(name string) bool { _, ok := slices.BinarySearch(s, name); return ok }

// Missing lists what want holds and s does not.
func (s Scopes) Missing(want Scopes) Scopes {
	return slices.DeleteFunc(slices.Clone(want), s.Contains)
}

// Covers reports whether every scope of want is in the set.
func (s Scopes) Covers(want Scopes) bool { return len(s.Missing(want)) == 0 }

// Intersect is what both hold.
func (s Scopes) Intersect(t Scopes) Scopes {
	return slices.DeleteFunc(slices.Clone(s), func(n string) bool { return !t.Contains(n) })
}

// Union is what either holds.
func (s Scopes) Union(t Scopes) Scopes { return NewScopes(slices.Concat(s, t)...) }

// Without is the set less name.
func (s Scopes) Without(name string) Scopes {
	return slices.DeleteFunc(slices.Clone(s), func(n string) bool { return n == name })
}
