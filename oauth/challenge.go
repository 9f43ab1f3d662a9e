package oauth

import (
	"strconv"
	"strings"
)

// Challenge is one WWW-Authenticate value. Every 401 and 403 of this module is written by its String.
type Challenge struct {
	Scheme           string // empty: Bearer
	Error            string // empty: no credentials came (RFC 6750 §3: then no error code is given)
	Description      string
	Scope            Scopes
	ResourceMetadata string // RFC 9728 §5.1
	ACR              string // RFC 9470 §3
	MaxAge           int    // seconds, RFC 9470 §3; 0: not given
	Realm            string
	Algorithms       []string // of a DPoP proof, RFC 9449 §5.1
}

// String formats the challenge. RFC 6750 §3, RFC 9728 §5.1, RFC 9470 §3.
func (c Challenge) String() string {
	scheme := c.Scheme
	if scheme == "" {
		scheme = "Bearer"
	}
	var members []string
	add := func(name, value string) {
		if value != "" {
			members = append(members, name+`="`+quotable(value)+`"`)
		}
	}
	add("realm", c.Realm)
	add("error", c.Error)
	add("error_description", c.Description)
	add("scope", c.Scope.String())
	add("resource_metadata", c.ResourceMetadata)
	add("acr_values", c.ACR)
	add("algs", strings.Join(c.Algorithms, " "))
	if c.MaxAge > 0 {
		add("max_age", strconv.Itoa(c.MaxAge))
	}
	if len(members) == 0 {
		return scheme
	}
	return scheme + " " + strings.Join(members, ", ")
}

// quotable keeps value inside a quoted string: RFC 9110 §5.6.4 less its escapes, which clients read differently.
func quotable(value string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < 0x20 || r > 0x7e:
			return -1
		case r == '"' || r == '\\':
			return '\''
		}
		return r
	}, value)
}

// ParseChallenges reads WWW-Authenticate values as RFC 9110 §11.6.1 has them: several challenges in one value or in
// several. Text that does not parse ends the list at that point: a client works with what came before it.
// Parameters that this package does not know are ignored; names and schemes are compared without case.
func ParseChallenges(values []string) []Challenge {
	var all []Challenge
	for _, v := range values {
		all = append(all, parseValue(v)...)
	}
	return all
}

func parseValue(v string) []Challenge {
	var all []Challenge
	r := &reader{v}
	for {
		r.skip(" \t,")
		word := r.token()
		if word == "" {
			return all
		}
		r.skip(" \t")
		if len(all) > 0 && r.peek() == '=' { // a parameter of the last challenge
			r.skip("=")
			r.skip(" \t")
			value, ok := r.value()
			if !ok {
				return all
			}
			all[len(all)-1].set(word, value)
			continue
		}
		all = append(all, Challenge{Scheme: word})
	}
}

func (c *Challenge) set(name, value string) {
	switch strings.ToLower(name) {
	case "realm":
		c.Realm = value
	case "error":
		c.Error = value
	case "error_description":
		c.Description = value
	case "scope":
		c.Scope = NewScopes(strings.Fields(value)...)
	case "resource_metadata":
		c.ResourceMetadata = value
	case "acr_values":
		c.ACR = value
	case "algs":
		c.Algorithms = strings.Fields(value)
	case "max_age":
		c.MaxAge, _ = strconv.Atoi(value)
	}
}

// reader walks a header value.
type reader struct{ rest string }

func (r *reader) skip(set string) { r.rest = strings.TrimLeft(r.rest, set) }

func (r *reader) peek() byte {
	if r.rest == "" {
		return 0
	}
	return r.rest[0]
}

func (r *reader) token() string {
	n := strings.IndexFunc(r.rest, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, c)
	})
	if n < 0 {
		n = len(r.rest)
	}
	word := r.rest[:n]
	r.rest = r.rest[n:]
	return word
}

// value reads a token or a quoted string with its escapes. RFC 9110 §5.6.4.
func (r *reader) value() (string, bool) {
	if r.peek() != '"' {
		n := strings.IndexAny(r.rest, ", \t")
		if n < 0 {
			n = len(r.rest)
		}
		v := r.rest[:n]
		r.rest = r.rest[n:]
		return v, v != ""
	}
	var b strings.Builder
	for i := 1; i < len(r.rest); i++ {
		switch c := r.rest[i]; c {
		case '"':
			r.rest = r.rest[i+1:]
			return b.String(), true
		case '\\':
			if i++; i == len(r.rest) {
				return "", false
			}
			b.WriteByte(r.rest[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}
