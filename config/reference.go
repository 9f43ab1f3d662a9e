package config

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// Secret is a reference to a secret and nothing else: ${env:NAME}, ${file:PATH} or ${credential:NAME}, one that systemd hands
// to a service (systemd.exec(5), LoadCredential=). Empty: there is none.
type Secret string

// Text is a value in which references may stand.
type Text string

// Lookup finds what ${kind:name} means.
type Lookup func(kind, name string) (string, error)

// reference matches what looks like a reference; its kind may be one that there is not.
var reference = regexp.MustCompile(`\$\{([^:{}]*):?([^{}]*)\}`)

// ErrEmptySecret is the error of a reference that leads to nothing.
var ErrEmptySecret = errors.New("it is empty")

// Reveal is the secret. The error names the reference, never what it leads to.
func (s Secret) Reveal(lookup Lookup) (string, error) {
	v, err := Text(s).Expand(lookup, nil)
	if err == nil && v == "" {
		err = fmt.Errorf("%s: %w", string(s), ErrEmptySecret)
	}
	return v, err
}

// Expand is the text with its references looked up, less line breaks at their ends. escape is applied to what they lead
// to; nil: nothing is. The error is that of the first reference that leads nowhere, and names it.
func (t Text) Expand(lookup Lookup, escape func(string) string) (string, error) {
	var failed error
	v := reference.ReplaceAllStringFunc(string(t), func(ref string) string {
		m := reference.FindStringSubmatch(ref)
		v, err := lookup(m[1], m[2])
		if err != nil && failed == nil {
			failed = fmt.Errorf("%s: %w", ref, err)
		}
		if v = strings.TrimRight(v, "\r\n"); escape != nil {
			v = escape(v)
		}
		return v
	})
	return v, failed
}

// Headers are the upstream headers of s with their references looked up. A reference that leads nowhere is an error
// that names it; so is a value that no header can have.
func (s Server) Headers(lookup Lookup) (http.Header, error) {
	h, err := headers(s.UpstreamHeaders, lookup)
	if err != nil {
		return nil, fmt.Errorf("upstream header %w", err)
	}
	return h, nil
}

// Reveal is the headers for the collector, as Server.Headers.
func (t Tracing) Reveal(lookup Lookup) (http.Header, error) {
	h, err := headers(t.Headers, lookup)
	if err != nil {
		return nil, fmt.Errorf("header for the collector: %w", err)
	}
	return h, nil
}

func headers(all map[string]Text, lookup Lookup) (http.Header, error) {
	h := http.Header{}
	for name, text := range all {
		value, err := text.Expand(lookup, nil)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if strings.ContainsAny(value, "\r\n\x00") {
			return nil, fmt.Errorf("%s: its value has a line break", name)
		}
		h.Set(name, value)
	}
	return h, nil
}

// Address is the database's address with its references looked up: sqlite:PATH or postgres://…; empty: SQLite in the data
// directory. What a reference inside of an address leads to may have any character; a reference that is the whole
// address leads to an address.
func (c Config) Address(lookup Lookup) (string, error) {
	escape := escapeAll
	if reference.FindString(string(c.Database)) == string(c.Database) {
		escape = nil
	}
	v, err := c.Database.Expand(lookup, escape)
	if err != nil {
		return "", fmt.Errorf("database: %w", err)
	}
	return v, nil
}

// escapeAll encodes every character that has a meaning anywhere in an address. RFC 3986 §2.3.
func escapeAll(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// checkReferences says what is wrong with the references in a text; empty: nothing is.
func checkReferences(s string) string {
	for _, m := range reference.FindAllStringSubmatch(s, -1) {
		switch {
		case m[1] != "env" && m[1] != "file" && m[1] != "credential":
			return fmt.Sprintf("there is no reference %s: ${env:NAME}, ${file:PATH} and ${credential:NAME} are", m[0])
		case m[1] == "credential" && strings.ContainsAny(m[2], `/\`):
			return fmt.Sprintf("the reference %s has a path: a credential has a name", m[0])
		case m[2] == "":
			return fmt.Sprintf("the reference %s names nothing", m[0])
		}
	}
	if strings.Contains(reference.ReplaceAllString(s, ""), "${") {
		return "a reference has no end: ${env:NAME}, ${file:PATH} and ${credential:NAME} are references"
	}
	return ""
}
