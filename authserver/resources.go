package authserver

import (
	"strings"

	"github.com/doorward-mcp/doorward/oauth"
)

const unknownResource = "unknown_resource"

// resource finds the configured resource that a resource parameter means. Spellings are forgiven here and nowhere else
// (rule 1): case of scheme and host, the default port, one slash at the end, and the loopback names of the listener.
func (s *Server) resource(parameter string) (oauth.Resource, error) {
	asked, err := oauth.CanonicalResource(parameter)
	if err != nil {
		return oauth.Resource{}, err
	}
	origin := oauth.Origin(asked)
	if configured, ok := s.c.Aliases[origin]; ok {
		asked = configured + strings.TrimPrefix(asked, origin)
	}
	for _, r := range s.c.Resources {
		if own, err := oauth.CanonicalResource(r.URI); err == nil && own == asked {
			return r, nil
		}
	}
	return oauth.Resource{}, oauth.InvalidTarget(unknownResource, "no server here has that resource identifier; its protected resource metadata names the right one")
}

// resources are what an authorization request asks for. One that names none (2025-03-26 clients) gets the one server's.
func (s *Server) resources(parameters []string) ([]oauth.Resource, error) {
	if len(parameters) == 0 {
		if len(s.c.Resources) != 1 {
			return nil, oauth.InvalidTarget("no_resource", "there are several servers here: the request must name one with the resource parameter")
		}
		return s.c.Resources, nil
	}
	var all []oauth.Resource
	for _, p := range parameters {
		r, err := s.resource(p)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// Resource is the configured resource of an identifier.
func (s *Server) Resource(uri string) (oauth.Resource, bool) {
	for _, r := range s.c.Resources {
		if r.URI == uri {
			return r, true
		}
	}
	return oauth.Resource{}, false
}

// narrow is what of the asked scopes the resources know. Scopes that they do not know are left out rather than refused:
// clients ask for whatever is advertised somewhere (RFC 6749 §3.3 lets us, if the answer says what was given).
// A client that asks for nothing that is known gets what a new caller needs.
func narrow(asked oauth.Scopes, resources []oauth.Resource) oauth.Scopes {
	known, initial := oauth.Scopes{}, oauth.Scopes{}
	for _, r := range resources {
		known, initial = known.Union(r.ScopeNames()), initial.Union(r.InitialScopes())
	}
	scopes := asked.Intersect(known)
	if len(scopes) == 0 {
		scopes = initial
	}
	if asked.Contains(oauth.OfflineAccess) {
		scopes = scopes.Union(oauth.Scopes{oauth.OfflineAccess})
	}
	return scopes
}
