package config

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/oauth"
)

var (
	serverName   = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)
	serverPath   = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	scopeName    = regexp.MustCompile(`^[\x21\x23-\x5b\x5d-\x7e]{1,128}$`) // RFC 6749 §3.3
	headerName   = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")     // RFC 9110 §5.6.2
	secretive    = regexp.MustCompile(`(?i)(^|[_-])(key|token|secret|password|passwd|credentials?|cookie|authorization)$`)
)

// own are the first segments of the paths that the installation itself answers.
var own = []string{".well-known", "access", "admin", "authorize", "consent", "device", "device_authorization", "healthz", "introspect", "jwks", "link",
	"logout", "par", "readyz", "register", "revoke", "sign-in", "sign-out", "static", "token", "userinfo"}

// Reserved reports whether a path is the installation's own, so that no server may have it.
func Reserved(path string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return first == "" || slices.Contains(own, first)
}

func (k checker) servers() {
	if len(k.c.Servers) == 0 {
		k.add("servers", "it is missing: at least one server is what all of this is for")
	}
	paths, resources := map[string]string{}, map[string]string{} // :: path, canonical resource or path of its metadata → the server that has it
	for _, name := range slices.Sorted(maps.Keys(k.c.Servers)) {
		at, s := under("servers", name), k.c.Servers[name]
		if !serverName.MatchString(name) {
			k.add(at, "a server's name is 1 to 63 of a-z, 0-9, - and _, and begins with a letter or digit")
		}
		k.path(at, s)
		if other, taken := paths[s.Path]; taken && s.Path != "" {
			k.add(under(at, "path"), "server %s has the path %s already", other, printable(s.Path))
		}
		paths[s.Path] = name
		k.resource(at, name, s, resources)
		k.behind(at, s)
		k.upstream(at, s)
		k.scopes(at, s)
		k.toolSearch(at, s)
		k.auth(at, s)
		k.headers(at, s)
		k.asks(at, s)
	}
}

func (k checker) path(at string, s Server) {
	at = under(at, "path")
	switch {
	case s.Path == "":
		k.add(at, "it is missing: where the server is found below public_url, such as /mcp")
	case !serverPath.MatchString(s.Path) || strings.Contains(s.Path+"/", "/./") || strings.Contains(s.Path+"/", "/../") || len(s.Path) > 200:
		k.add(at, "%s is not a path such as /mcp: it begins with a slash, does not end in one, and its parts are of A-Z, a-z, 0-9 and -._~", printable(s.Path))
	case Reserved(s.Path):
		k.add(at, "%s is an address of Doorward's own", printable(s.Path))
	}
}

func (k checker) resource(at, name string, s Server, seen map[string]string) {
	if s.URI != "" {
		if wrong := k.safe(s.URI); wrong != "" {
			k.add(under(at, "resource"), "%s", wrong)
			return
		}
	}
	canonical, err := oauth.CanonicalResource(k.c.Resource(s).URI)
	if err != nil {
		if s.URI != "" {
			k.add(under(at, "resource"), "it is not an absolute address without a fragment")
		}
		return
	}
	if below, ours := strings.CutPrefix(canonical, k.c.PublicURL+"/"); ours && Reserved(below) && s.URI != "" {
		k.add(under(at, "resource"), "%s is an address of Doorward's own", printable(s.URI))
	}
	if other, taken := seen[canonical]; taken && (s.URI != "" || k.c.Servers[other].URI != "") {
		k.add(under(at, "resource"), "server %s has the same resource: a token for one would be good at the other", other)
	}
	seen[canonical] = name
	// Resources of two origins are told apart by what a client asks for, which is a path: RFC 9728 §3.1.
	u, err := url.Parse(canonical)
	if err != nil {
		return
	}
	if other, taken := seen[u.Path]; taken && !k.broken(under(at, "resource"), under(at, "path")) && other != name {
		k.add(under(at, "resource"), "its metadata would lie at the same path as that of server %s", other)
	}
	seen[u.Path] = name
	if wrong := k.documentation(s); wrong != "" {
		k.add(under(at, "documentation"), "%s", wrong)
	}
}

func (k checker) documentation(s Server) string {
	if s.Documentation == "" {
		return ""
	}
	return k.safe(s.Documentation)
}

// behind holds that exactly one thing stands behind a server, and that it can.
func (k checker) behind(at string, s Server) {
	n := 0
	for _, given := range []bool{len(s.Addresses()) > 0, len(s.Command) > 0, s.Demo} {
		if given {
			n++
		}
	}
	switch {
	case n == 0 && k.broken(under(at, "url"), under(at, "urls"), under(at, "command"), under(at, "demo")): // said already
	case n == 0:
		k.add(at, "nothing stands behind it: give `url`, `command` or `demo: true`")
	case n > 1:
		k.add(at, "it has several of `url`, `command` and `demo`: which one is to be protected?")
	}
	k.process(at, s)
}

// auth holds that a server which is open asks for nothing: whoever wrote both meant one of them.
func (k checker) auth(at string, s Server) {
	if s.Auth == "" {
		return
	}
	if s.Auth != AuthNoneInsecure {
		k.add(under(at, "auth"), "there is no auth %s: leave it out, so that tokens are asked for, or write %s for a server that is open to everybody", printable(s.Auth), AuthNoneInsecure)
		return
	}
	for key, given := range map[string]bool{"scopes": len(s.Scopes) > 0, "initial": len(s.Initial) > 0, "required": len(s.Required) > 0, "needs": len(s.Needs) > 0,
		"dpop": s.DPoP != DPoP{}, "authentication": s.Authentication.MaxAge != 0 || len(s.Authentication.ACR) > 0, "may_act": s.MayAct != "", "device_authorization": s.Devices} {
		if given {
			k.add(under(at, key), "the server is open to everybody (`auth: %s`), so this would never count", AuthNoneInsecure)
		}
	}
}

// hop are headers that are the gateway's own to write, or belong to one connection (RFC 9110 §7.6.1).
var hop = []string{"connection", "content-length", "doorward-caller", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}

func (k checker) headers(at string, s Server) {
	k.headersAt(under(at, "upstream_headers"), s.UpstreamHeaders)
}

func (k checker) headersAt(at string, all map[string]Text) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		here, value := under(at, name), string(all[name])
		switch lower := strings.ToLower(name); {
		case !headerName.MatchString(name) || len(name) > 200:
			k.add(here, "%s cannot be the name of a header", printable(name))
		case slices.Contains(hop, lower):
			k.add(here, "%s is not yours to set", name)
		case checkReferences(value) != "":
			k.add(here, "%s", checkReferences(value))
		case secretive.MatchString(name) && !reference.MatchString(value):
			k.add(here, "a secret stands here in the clear: write ${env:NAME} or ${file:PATH} in its place, and change the secret")
		}
	}
}

// asks holds what a server asks of its callers against what can be given.
func (k checker) asks(at string, s Server) {
	if s.Limits.Body > 64<<20 {
		k.add(under(at, "limits.request_body"), "at most %d: the whole of it is held in memory", 64<<20)
	}
	if s.Limits.News > time.Minute {
		k.add(under(at, "limits.revocation_news"), "%s is long for a token that was taken back: at most 1m", formatDuration(s.Limits.News))
	}
	if s.Authentication.MaxAge%time.Second != 0 { // max_age counts seconds, OpenID Connect Core §3.1.2.1
		k.add(under(at, "authentication.max_age"), "it must be a whole number of seconds")
	}
	for i, acr := range s.Authentication.ACR {
		if strings.Contains(acr, " ") || strings.Contains(acr, `"`) {
			k.add(nth(under(at, "authentication.acr_values"), i), "an acr has neither spaces nor quotes")
		}
	}
	if s.MayAct == "" {
		return
	}
	i := slices.IndexFunc(k.c.Clients.Listed, func(c Client) bool { return c.ID == s.MayAct })
	switch {
	case i < 0:
		k.add(under(at, "may_act"), "no listed client has the id %s%s", printable(s.MayAct), meant(s.MayAct, k.c.Clients.ids()))
	case !slices.Contains(k.c.Clients.Listed[i].Grants(), grantExchange):
		k.add(under(at, "may_act"), "%s", fmt.Sprintf("the client %s does not have the grant type %s", printable(s.MayAct), grantExchange))
	}
}
