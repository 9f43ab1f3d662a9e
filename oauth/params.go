package oauth

import (
	"fmt"
	"net/url"
	"slices"
)

// Params are the parameters of one request, each at most once; only resource (RFC 8707 §2) and audience
// (RFC 8693 §2.1) may repeat. The zero Params holds nothing.
type Params struct{ values url.Values }

// repeatable are the parameters that may stand more than once.
var repeatable = []string{"resource", "audience"}

// ReadParams parses application/x-www-form-urlencoded text: a query or a form body. A parameter that is repeated,
// and text that is malformed, is an *Error with code invalid_request. RFC 6749 §3.1: unknown parameters are kept and ignored;
// parameters sent without a value are treated as if they were omitted.
func ReadParams(encoded string) (Params, error) {
	values, err := url.ParseQuery(encoded)
	if err != nil {
		return Params{}, InvalidRequest("malformed", "the parameters are not valid application/x-www-form-urlencoded text")
	}
	for name, all := range values {
		if len(all) > 1 && !slices.Contains(repeatable, name) {
			return Params{}, InvalidRequest("repeated_parameter", fmt.Sprintf("the parameter %s stands more than once", printable(name)))
		}
		if all = slices.DeleteFunc(all, func(v string) bool { return v == "" }); len(all) == 0 {
			delete(values, name)
			continue
		}
		values[name] = all
	}
	return Params{values}, nil
}

// Get is the value of name, empty when it is absent.
func (p Params) Get(name string) string { return p.values.Get(name) }

// All are the values of a parameter that may repeat, in order.
func (p Params) All(name string) []string { return slices.Clone(p.values[name]) }

// Encode is the text that ReadParams reads as p.
func (p Params) Encode() string { return p.values.Encode() }

// printable keeps a stranger's text fit for a description: RFC 6749 §5.2 allows %x20-21 / %x23-5B / %x5D-7E.
func printable(s string) string {
	out := make([]byte, 0, min(len(s), 64))
	for i := 0; i < len(s) && len(out) < 64; i++ {
		if c := s[i]; c >= 0x20 && c <= 0x7e && c != '"' && c != '\\' {
			out = append(out, c)
		}
	}
	return string(out)
}
