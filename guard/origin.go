package guard

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"

	"github.com/doorward-mcp/doorward/oauth"
)

// checkOrigin keeps other sites' pages away: a page that rebinds its name to this address still sends its own Origin.
// MCP, Transports, Security Warning. It comes before the token, and its refusal has no challenge: no token would help.
func (g *Guard) checkOrigin(r *http.Request) error {
	all := r.Header.Values("Origin")
	if len(all) == 0 || len(all) == 1 && g.AllowsOrigin(all[0]) {
		return nil
	}
	return &oauth.Error{Status: 403, Code: "access_denied", Reason: "origin", Description: "requests from pages of that origin are not taken here"}
}

// AllowsOrigin reports whether pages of a web origin may call: the resource's own origin, the listed ones, and on
// loopback those that loopback serves. "null" never may: any sandboxed page has it.
func (g *Guard) AllowsOrigin(origin string) bool {
	own := oauth.Origin(g.c.Resource.URI)
	return origin == own || slices.Contains(g.c.Origins, origin) && origin != "null" || isLoopback(own) && isLoopback(origin)
}

// isLoopback reports whether an origin is http or https on a loopback address or localhost.
func isLoopback(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Scheme+"://"+u.Host != origin {
		return false
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && addr.IsLoopback() && addr.Zone() == ""
}
