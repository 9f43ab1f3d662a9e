package config

import (
	"slices"
	"strings"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
)

func (k checker) scopes(at string, s Server) {
	seen := map[string]bool{}
	for i, scope := range s.Scopes {
		here := nth(under(at, "scopes"), i)
		switch {
		case !scopeName.MatchString(scope.Name):
			k.add(under(here, "name"), "a scope is a word of printable characters without quotes and backslashes")
		case scope.Name == "openid" || scope.Name == "offline_access":
			k.add(under(here, "name"), "%s has a meaning of its own in OpenID Connect: give the scope another name", scope.Name)
		case seen[scope.Name]:
			k.add(under(here, "name"), "the scope %s stands here a second time", scope.Name)
		}
		seen[scope.Name] = true
		for j, group := range scope.Groups {
			if slices.Index(scope.Groups, group) < j {
				k.add(nth(under(here, "groups"), j), "it stands here a second time")
			}
		}
		if scope.Sentence == "" {
			k.add(under(here, "sentence"), "it is missing: people read it before they consent")
		}
	}
	if len(s.Scopes) > 0 && len(s.Initial) == 0 && !seen[oauth.DefaultScope] {
		k.add(under(at, "initial"), "it is missing: which of the scopes does a client get that names none?")
	}
	known := s.ScopeNames()
	k.known(under(at, "initial"), known, s.Initial)
	k.known(under(at, "required"), known, s.Required)
	for i, scope := range s.Scopes {
		here := under(nth(under(at, "scopes"), i), "includes")
		k.known(here, known, scope.Includes)
		if slices.Contains(scope.Includes, scope.Name) {
			k.add(here, "%s includes itself already", scope.Name)
		}
	}
	for i, n := range s.Needs {
		k.need(nth(under(at, "needs"), i), known, n)
	}
}

// known holds that names are among the server's scopes.
func (k checker) known(at string, known oauth.Scopes, names []string) {
	for i, name := range names {
		if !known.Contains(name) {
			k.add(nth(at, i), "%s is not among the server's scopes", printable(name))
		}
	}
}

// operations are the methods of MCP and the words for what has none. A method that is not here is an extension's: it is
// recognised by its slash.
var operations = []string{"answer", "end", "initialize", "ping", "stream"}

func (k checker) need(at string, known oauth.Scopes, n policy.Need) {
	k.known(under(at, "scopes"), known, n.Scopes)
	if len(n.Scopes) == 0 {
		k.add(under(at, "scopes"), "it is missing: which scopes are needed?")
	}
	if len(n.Methods)+len(n.Tools)+len(n.Prompts)+len(n.Resources) == 0 {
		k.add(at, "it is for every operation: write `required` for that")
	}
	for i, m := range n.Methods {
		if !strings.ContainsAny(m, "/*") && !slices.Contains(operations, m) {
			k.add(nth(under(at, "methods"), i), "%s is no method, such as tools/call, nor one of %s", printable(m), strings.Join(operations, ", "))
		}
	}
	for what, names := range map[string][]string{"tools": n.Tools, "prompts": n.Prompts, "resources": n.Resources} {
		for i, name := range names {
			if name == "" {
				k.add(nth(under(at, what), i), "it is empty")
			}
		}
	}
}
