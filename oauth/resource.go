package oauth

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Resource is what guard, authserver, web and gateway share about one server.
type Resource struct {
	URI           string      `yaml:"resource"` // the identifier; byte for byte the aud of its tokens
	Name          string      `yaml:"name"`
	Documentation string      `yaml:"documentation"`
	Scopes        []ScopeText `yaml:"scopes"`                         // empty: DefaultScope
	Initial       Scopes      `yaml:"initial"`                        // what a 401 asks for and a client that names none gets; empty: DefaultScope
	Devices       bool        `yaml:"device_authorization,omitempty"` // its tokens can be had by the device flow, RFC 8628
	MayAct        string      `yaml:"may_act,omitempty"`              // the client that may exchange its tokens, RFC 8693 §4.4; empty: none but who serves it
}

// ScopeText is a scope, the sentence that the consent page shows, and who may have it.
type ScopeText struct {
	Name     string   `yaml:"name"`
	Sentence string   `yaml:"sentence"`
	Groups   []string `yaml:"groups,omitempty"`   // a person must be in one of them; empty: everybody may
	Includes []string `yaml:"includes,omitempty"` // scopes that are good wherever this one is
}

// DefaultScope is the scope of a resource that names none.
const DefaultScope = "mcp"

// AllScopes are the scopes that the resource knows, with their sentences.
func (r Resource) AllScopes() []ScopeText {
	if len(r.Scopes) > 0 {
		return r.Scopes
	}
	return []ScopeText{{Name: DefaultScope, Sentence: "Use the tools, resources and prompts of this server on your behalf"}}
}

// Includes are the scopes that others are good for. :: scope → scopes it includes
func (r Resource) Includes() map[string]Scopes {
	all := map[string]Scopes{}
	for _, s := range r.Scopes {
		if len(s.Includes) > 0 {
			all[s.Name] = NewScopes(s.Includes...)
		}
	}
	return all
}

// ScopeNames is the set of the scopes that the resource knows.
func (r Resource) ScopeNames() Scopes {
	var names []string
	for _, s := range r.AllScopes() {
		names = append(names, s.Name)
	}
	return NewScopes(names...)
}

// Permitted are the scopes that a member of groups may have.
func (r Resource) Permitted(groups []string) Scopes {
	var names []string
	for _, s := range r.AllScopes() {
		if len(s.Groups) == 0 || slices.ContainsFunc(s.Groups, func(g string) bool { return slices.Contains(groups, g) }) {
			names = append(names, s.Name)
		}
	}
	return NewScopes(names...)
}

// InitialScopes is what a new caller needs.
func (r Resource) InitialScopes() Scopes {
	if len(r.Initial) > 0 {
		return NewScopes(r.Initial...)
	}
	return NewScopes(DefaultScope)
}

// CanonicalResource makes spellings of one resource comparable: scheme and host in lower case, no default port,
// no trailing slash. It is for the resource parameter alone: aud and issuers are compared byte for byte.
// RFC 8707 §2: an absolute URI without a fragment; anything else is an *Error with code invalid_target.
func CanonicalResource(uri string) (string, error) {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme == "" || u.Host == "" || u.Opaque != "" || strings.Contains(uri, "#") || u.User != nil || len(uri) > 2048 {
		return "", InvalidTarget("malformed_resource", fmt.Sprintf("the resource %s is not an absolute URI without a fragment", printable(uri)))
	}
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	if u.Scheme == "https" {
		u.Host = strings.TrimSuffix(u.Host, ":443")
	} else if u.Scheme == "http" {
		u.Host = strings.TrimSuffix(u.Host, ":80")
	}
	path, raw := u.EscapedPath(), ""
	if u.RawQuery != "" {
		raw = "?" + u.RawQuery
	}
	return u.Scheme + "://" + u.Host + strings.TrimSuffix(path, "/") + raw, nil
}
