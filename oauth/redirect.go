package oauth

import (
	"net/url"
	"strings"
)

// MatchRedirect reports whether asked is one of the registered redirect addresses: byte for byte, except that the port
// is free for http on a loopback host (RFC 8252 §7.3; for localhost as MCP clients need it, docs/divergences.md).
// The host stands as it was registered: 127.0.0.1 is not localhost.
func MatchRedirect(registered []string, asked string) bool {
	for _, r := range registered {
		if r == asked {
			return true
		}
	}
	bare, ok := withoutPort(asked)
	if !ok {
		return false
	}
	for _, r := range registered {
		if b, ok := withoutPort(r); ok && b == bare {
			return true
		}
	}
	return false
}

// LoopbackRedirect reports whether uri is http on 127.0.0.1, [::1] or localhost: a program on the person's own machine.
func LoopbackRedirect(uri string) bool { _, ok := withoutPort(uri); return ok }

// withoutPort cuts the port out of an http loopback address, and reports whether uri is one. It cuts text and never
// rebuilds it, so that everything else is still compared byte for byte.
func withoutPort(uri string) (string, bool) {
	rest, ok := strings.CutPrefix(uri, "http://")
	if !ok {
		return "", false
	}
	for _, host := range []string{"127.0.0.1", "[::1]", "localhost"} {
		after, ok := strings.CutPrefix(rest, host)
		if !ok {
			continue
		}
		if port, ok := strings.CutPrefix(after, ":"); ok {
			after = strings.TrimLeft(port, "0123456789")
			if digits := len(port) - len(after); digits == 0 || digits > 5 {
				return "", false
			}
		}
		if after == "" || after[0] == '/' || after[0] == '?' {
			return "http://" + host + after, true
		}
	}
	return "", false
}

// CheckRedirect says why uri cannot be registered as a redirect address; empty: it can. Allowed are https, http on
// loopback, and the private-use schemes in schemes. RFC 8252 §7, OAuth 2.1 §2.3.1, RFC 9700 §4.1.3.
func CheckRedirect(uri string, schemes ...string) (reason string) {
	u, err := url.Parse(uri)
	switch {
	case len(uri) > 2048:
		return "it is longer than 2048 characters"
	case err != nil || u.Scheme == "":
		return "it is not an absolute address"
	case strings.Contains(uri, "#"):
		return "it has a fragment"
	case u.User != nil:
		return "it has a user name"
	case strings.ContainsAny(uri, "\\*") || hasControl(uri):
		return "it has a character that no redirect address may have"
	case u.Scheme == "https" && u.Hostname() == "":
		return "it has no host"
	case u.Scheme == "https", LoopbackRedirect(uri):
		return ""
	case u.Scheme == "http":
		return "http is only for 127.0.0.1, [::1] and localhost"
	}
	for _, s := range schemes {
		if u.Scheme == s && strings.HasPrefix(uri, s+":") {
			return ""
		}
	}
	return "the scheme " + printable(u.Scheme) + " is not allowed"
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r <= 0x20 || r >= 0x7f })
}

// ResponseURL is where an authorization answer goes: redirect with params added to its query. RFC 6749 §4.1.2: the
// query that the address has already is kept.
func ResponseURL(redirect string, params url.Values) string {
	switch {
	case len(params) == 0:
		return redirect
	case strings.HasSuffix(redirect, "?"), strings.HasSuffix(redirect, "&"):
		return redirect + params.Encode()
	case strings.Contains(redirect, "?"):
		return redirect + "&" + params.Encode()
	}
	return redirect + "?" + params.Encode()
}

// WithoutLoopbackPort is uri less its port if it is http on a loopback host; any other uri is returned as it is.
func WithoutLoopbackPort(uri string) string {
	if bare, ok := withoutPort(uri); ok {
		return bare
	}
	return uri
}
