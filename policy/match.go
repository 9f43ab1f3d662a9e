package policy

import (
	"net/url"
	"path"
	"regexp"
	"strings"
	"unicode"

	"github.com/doorward-mcp/doorward/mcp"
)

// expression is what stands in a URI template between braces. RFC 6570 §2.2.
var expression = regexp.MustCompile(`\{[^{}]*\}|\*`)

// anyOf matches what one of the patterns does, whole; nil: there are none.
func anyOf(patterns []string, text func(string) string) *regexp.Regexp {
	if len(patterns) == 0 {
		return nil
	}
	all := make([]string, len(patterns))
	for i, p := range patterns {
		all[i] = text(p)
	}
	return regexp.MustCompile(`(?s)^(?:` + strings.Join(all, "|") + `)$`)
}

// nameText is a pattern of names as an expression: * is the only character that is not itself.
func nameText(pattern string) string {
	return strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `.*`)
}

// Address is an expression for the addresses of a pattern or URI template, to be held against an address as it stands and as
// Resolved has it. It matches too much rather than too little.
func Address(pattern string) *regexp.Regexp { return anyOf([]string{pattern}, addressText) }

// addressText is an address or URI template as an expression. Case does not count, and a simple expression of a template may
// hold whatever a path segment may: what matches too much asks for a scope too many, what matches too little gives one away.
func addressText(pattern string) string {
	var b strings.Builder
	b.WriteString("(?i:")
	from := 0
	for _, at := range expression.FindAllStringIndex(pattern, -1) {
		b.WriteString(regexp.QuoteMeta(pattern[from:at[0]]))
		if inner := strings.Trim(pattern[at[0]:at[1]], "{}"); inner != "" && !strings.ContainsAny(inner[:1], "*+#/.;?&") {
			b.WriteString(`[^/]*`)
		} else {
			b.WriteString(`.*`)
		}
		from = at[1]
	}
	b.WriteString(regexp.QuoteMeta(pattern[from:]))
	b.WriteString(")")
	return b.String()
}

// match reports whether the name is among the items. An address is held against the patterns as it stands and as a server may
// read it: with its escapes and dots resolved, without a slash at its end, without query and fragment. One that cannot be read
// matches everything.
func (i items) match(name string) bool {
	if i.names.MatchString(name) || i.kind != mcp.ItemResource {
		return i.names.MatchString(name)
	}
	plain, ok := Resolved(name)
	bare, _, _ := strings.Cut(plain, "#")
	bare, _, _ = strings.Cut(bare, "?")
	return !ok || i.names.MatchString(plain) || i.names.MatchString(strings.TrimRight(bare, "/"))
}

// Resolved is an address as a server may read it: with its escapes decoded, as often as there are any, and its dots gone. false:
// it cannot be known how it is read.
func Resolved(address string) (string, bool) {
	for range 4 {
		// WHATWG URL §4.4: many servers' URL parser takes line ends and tabs out of an address, and what surrounds it.
		if strings.ContainsFunc(address, unicode.IsControl) || address != strings.TrimSpace(address) {
			return "", false
		}
		decoded, err := url.PathUnescape(address)
		if err != nil {
			return "", false
		}
		if decoded == address {
			return plain(strings.ReplaceAll(decoded, `\`, "/"))
		}
		address = decoded
	}
	return "", false
}

// special are the schemes whose addresses have a host, however many slashes stand before it, with the port that need not be
// said. WHATWG URL §4.2.
var special = map[string]string{"http": "80", "https": "443", "ws": "80", "wss": "443", "ftp": "21", "file": ""}

// plain is an address without dots, and for a special scheme in the one way to write it. false: what host it has is not
// certain.
func plain(address string) (string, bool) {
	scheme, rest, found := strings.Cut(address, ":")
	if !found {
		return path.Clean(scheme), true
	}
	scheme = strings.ToLower(scheme)
	port, known := special[scheme]
	below, slashes := strings.CutPrefix(rest, "//")
	switch {
	case known && scheme != "file":
		below = strings.TrimLeft(rest, "/")
	case known && !slashes: // file:/x and file:x are file:///x
		below = "/" + strings.TrimLeft(rest, "/")
	case !slashes:
		return path.Clean(address), true
	}
	host, below, _ := strings.Cut(below, "/")
	if known {
		host = strings.TrimSuffix(host[strings.LastIndexByte(host, '@')+1:], ":"+port)
		if scheme == "file" && strings.EqualFold(host, "localhost") {
			host = ""
		}
		if strings.ContainsFunc(host, func(r rune) bool { return r > unicode.MaxASCII }) {
			return "", false
		}
	}
	return scheme + "://" + host + path.Clean("/"+below), true
}
