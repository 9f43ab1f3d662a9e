package guard

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// resource is the identifier under which the request knows the resource: the configured one, or on loopback the one with
// the spelling of its Host, and with a slash at its end or none, as the request has it, because a client compares it with the
// address that it was given. RFC 9728 §3.3.
func (g *Guard) resource(r *http.Request) string {
	own := oauth.Origin(g.c.Resource.URI)
	path := strings.TrimPrefix(g.c.Resource.URI, own)
	if asked := strings.TrimPrefix(r.URL.Path, oauth.WellKnownResource); asked != path && strings.Trim(asked, "/") != "" && strings.TrimSuffix(asked, "/") == strings.TrimSuffix(path, "/") {
		path = asked
	}
	if origin, ok := g.c.Hosts[r.Host]; ok {
		own = origin
	}
	return own + path
}

func (g *Guard) metadataURL(r *http.Request) string {
	return oauth.InsertWellKnown(oauth.WellKnownResource, g.resource(r))
}

// Metadata serves the document of RFC 9728. Mount it at the path-inserted well-known address.
func (g *Guard) Metadata() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", http.MethodGet)
			g.Refuse(w, r, &oauth.Error{Status: 405, Code: "invalid_request", Reason: "method", Description: "this address takes GET only"})
			return
		}
		b, err := json.Marshal(oauth.ProtectedResource{
			Resource: g.resource(r), AuthorizationServers: g.c.Servers, ScopesSupported: g.asked(g.c.Resource.InitialScopes()),
			BearerMethods: []string{"header"}, Name: g.c.Resource.Name, Documentation: g.c.Resource.Documentation,
			DPoPAlgorithms: token.Algorithms(), DPoPRequired: g.c.DPoP.Required,
		})
		if err != nil {
			g.Refuse(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "public, max-age=300")
		_, _ = w.Write(append(b, '\n'))
	})
}
