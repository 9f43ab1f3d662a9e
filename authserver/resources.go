package authserver

import (
	"slices"
	"strings"

	"github.com/doorward-mcp/doorward/oauth"
)

const unknownResource = "unknown_resource"

// Scopes that belong to the authorization server and to none of its resources. OpenID Connect Core §5.4.
const (
	openID  = "openid"
	profile = "profile"
)

var serverScopes = oauth.NewScopes(openID, profile, oauth.OfflineAccess)

// identity is UserInfo as the resource that it is: a token for an MCP server says nothing there, and its tokens nothing
// to an MCP server (rule 1).
func identity(issuer string) oauth.Resource {
	return oauth.Resource{URI: issuer + "/userinfo", Name: "Your name here", Initial: oauth.NewScopes(openID), Scopes: []oauth.ScopeText{
		{Name: openID, Sentence: "Know that it is you, and recognise you when you come back"},
		{Name: profile, Sentence: "Know your user name and your groups"},
	}}
}

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
	for _, r := range s.all {
		if own, err := oauth.CanonicalResource(r.URI); err == nil && own == asked {
			return r, nil
		}
	}
	return oauth.Resource{}, oauth.InvalidTarget(unknownResource, "no server here has that resource identifier; its protected resource metadata names the right one")
}

// target is what an authorization request asks for: resources, or several of which the person chooses one.
func (s *Server) target(parameters []string, asked oauth.Scopes) (resources, choices []string, err error) {
	if len(parameters) == 0 {
		resources, choices = s.unnamed(asked)
		return resources, choices, nil
	}
	for _, p := range parameters {
		r, err := s.resource(p)
		if err != nil {
			return nil, nil, err
		}
		if s.machines(r.URI) {
			return nil, nil, oauth.InvalidTarget(unknownResource, "what has that identifier is for clients that call for themselves, and nobody can be asked for it")
		}
		if !slices.Contains(resources, r.URI) {
			resources = append(resources, r.URI)
		}
	}
	return resources, nil, nil
}

// machines reports whether a resource is for clients that call for themselves alone.
func (s *Server) machines(uri string) bool {
	return slices.ContainsFunc(s.c.Others, func(r oauth.Resource) bool { return r.URI == uri })
}

// unnamed is what a request without resource means. OpenID clients never send one, and ask for nothing but who the person
// is; MCP clients of 2025-03-26 know the origin only, and mean the one server there, or one that the person knows.
func (s *Server) unnamed(asked oauth.Scopes) (resources, choices []string) {
	if asked.Contains(openID) && serverScopes.Covers(asked) {
		return []string{s.c.Issuer + "/userinfo"}, nil
	}
	for _, r := range s.c.Resources {
		choices = append(choices, r.URI)
	}
	if len(choices) == 1 {
		return choices, nil
	}
	return nil, choices
}

// Resource is the configured resource of an identifier.
func (s *Server) Resource(uri string) (oauth.Resource, bool) {
	for _, r := range s.all {
		if r.URI == uri {
			return r, true
		}
	}
	return oauth.Resource{}, false
}

// Offered is what of the scopes that p asks for the resources know and its person may have. What they do not know is left
// out rather than refused: clients ask for whatever is advertised somewhere (RFC 6749 §3.3 lets us, if the answer says
// what was given). A client that asks for nothing that is known gets what a new caller needs.
func (s *Server) Offered(p Pending, resources []string) oauth.Scopes {
	known, initial := oauth.Scopes{}, oauth.Scopes{}
	for _, uri := range resources {
		r, _ := s.Resource(uri)
		may := p.may(r.Permitted(p.groups()))
		known, initial = known.Union(may), initial.Union(r.InitialScopes().Intersect(may))
	}
	scopes := p.Scopes.Intersect(known)
	if len(scopes) == 0 {
		scopes = initial
	}
	if len(scopes) == 0 {
		return nil
	}
	return scopes.Union(p.may(p.Scopes.Intersect(serverScopes)))
}

// OfferedAt is what of Offered means something at one of the resources: a scope of the same name may be free at another and for
// a few here.
func (s *Server) OfferedAt(p Pending, resources []string, uri string) oauth.Scopes {
	r, _ := s.Resource(uri)
	return s.Offered(p, resources).Intersect(r.Permitted(p.groups()).Union(serverScopes))
}

func (p Pending) groups() []string {
	if p.SignedIn == nil {
		return nil
	}
	return p.SignedIn.Groups
}

// may is what of scopes the operator lets the client have.
func (p Pending) may(scopes oauth.Scopes) oauth.Scopes {
	if p.Limit == nil {
		return scopes
	}
	return scopes.Intersect(p.Limit.Union(oauth.Scopes{oauth.OfflineAccess}))
}

// limit is what c may have at most, if the operator says so of it; nil: whatever there is. What cannot be read is nothing.
func limit(c oauth.Client) oauth.Scopes {
	if c.Source != oauth.Listed || c.Scope == "" {
		return nil
	}
	most, err := oauth.ParseScopes(c.Scope)
	if err != nil || most == nil {
		return oauth.Scopes{}
	}
	return most
}
