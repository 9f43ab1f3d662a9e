package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/doorward-mcp/doorward/provider"
)

// issuersOf holds what a server says of its issuers against what there is.
func (k checker) issuersOf(at string, s Server) {
	if s.Open() {
		if len(s.Issuers) > 0 || s.GroupsFrom != "" {
			k.add(under(at, "issuers"), "the server is open to everybody (`auth: %s`), so this would never count", AuthNoneInsecure)
		}
		return
	}
	var names []string
	for n, i := range s.Issuers {
		here := nth(under(at, "issuers"), n)
		known, ok := k.c.Issuers[i.Name]
		switch {
		case i.Name == "":
			k.add(under(here, "name"), "it is missing: one of `issuers`, or %s", OwnIssuer)
		case slices.Contains(names, i.Name):
			k.add(under(here, "name"), "%s stands here a second time", printable(i.Name))
		case i.Name == OwnIssuer:
			k.ownEntry(here, i)
		case !ok:
			k.add(under(here, "name"), "`issuers` has nobody called %s%s", printable(i.Name), meant(i.Name, append(slices.Sorted(maps.Keys(k.c.Issuers)), OwnIssuer)))
		default:
			k.entry(here, s, i, known)
		}
		names = append(names, i.Name)
	}
	k.groupsFrom(at, s, names)
	k.opaque(at, s)
}

// ownEntry holds that nothing is asked of our own tokens that they could not say.
func (k checker) ownEntry(at string, i ServerIssuer) {
	if len(i.Audiences)+len(i.Scopes)+len(i.Groups)+len(i.RequiredScopes)+len(i.RequiredClaims) > 0 {
		k.add(at, "Doorward's own tokens have the server's resource as their audience and its scopes: nothing else can be said of them here")
	}
}

func (k checker) entry(at string, s Server, i ServerIssuer, issuer Issuer) {
	if len(i.Audiences) == 0 {
		k.add(under(at, "audiences"), "it is missing: without an audience every token of %s would be good here, whatever it was issued for", i.Name)
	}
	p, _ := provider.Named(issuer.Profile)
	for n, audience := range i.Audiences {
		here := nth(under(at, "audiences"), n)
		switch {
		case p.RefusesAudience(audience) != "":
			k.add(here, "%s", p.RefusesAudience(audience))
		case audience == issuer.Issuer:
			k.add(here, "it is the issuer itself, and not this server")
		case slices.Index(i.Audiences, audience) < n:
			k.add(here, "it stands here a second time")
		}
	}
	known := s.ScopeNames()
	for key, mapped := range map[string]map[string][]string{"scopes": i.Scopes, "groups": i.Groups} {
		for _, from := range slices.Sorted(maps.Keys(mapped)) {
			here := under(under(at, key), from)
			if len(mapped[from]) == 0 {
				k.add(here, "it is made nothing of: list scopes of the server")
			}
			for n, to := range mapped[from] {
				if !known.Contains(to) {
					k.add(nth(here, n), "%s is not among the server's scopes%s", printable(to), meant(to, known))
				}
			}
		}
	}
	if len(i.Groups) > 0 && s.GroupIssuer() != i.Name {
		k.add(under(at, "groups"), "the groups of %s do not count at this server: write `groups_from: %s`", i.Name, i.Name)
	}
	k.askedAs(under(at, "asked_as"), s, i)
	k.values(under(at, "required_claims"), i.RequiredClaims)
}

// askedAs holds that clients can be told by which name to ask for a scope: they are told one.
func (k checker) askedAs(at string, s Server, i ServerIssuer) {
	if len(i.AskedAs) > 0 && (s.Owned() || s.Issuers[0].Name != i.Name) {
		k.add(at, "clients are told one name for each scope, and that is the one of %s: list this issuer first, and without %s", s.Issuers[0].Name, OwnIssuer)
		return
	}
	known := s.ScopeNames()
	for _, scope := range slices.Sorted(maps.Keys(i.AskedAs)) {
		switch name := i.AskedAs[scope]; {
		case !known.Contains(scope):
			k.add(under(at, scope), "%s is not among the server's scopes%s", printable(scope), meant(scope, known))
		case !scopeName.MatchString(name):
			k.add(under(at, scope), "a scope is a word of printable characters without quotes and backslashes")
		}
	}
}

// groupsFrom holds that at most one issuer's groups count, because the name of a group does not say whose it is.
func (k checker) groupsFrom(at string, s Server, names []string) {
	from := s.GroupsFrom
	issuer, ok := k.c.Issuers[from]
	at = under(at, "groups_from")
	switch {
	case from == "" || from == OwnIssuer && s.Owned():
	case !slices.Contains(names, from):
		k.add(at, "%s is not among the issuers of this server%s", printable(from), meant(from, names))
	case ok && len(issuer.Accepts().Claims.Groups) == 0:
		k.add(at, "it is not known where in tokens of %s groups stand: write `issuers.%s.claims.groups`", from, from)
	}
}

// opaque holds that it can be told who is to be asked about a token that names no issuer: it is a secret of whoever issued it.
func (k checker) opaque(at string, s Server) {
	asked := map[string]string{} // :: name → prefix
	for n, i := range s.Issuers {
		known := k.c.Issuers[i.Name].Introspection
		if known == nil {
			continue
		}
		for other, prefix := range asked {
			if strings.HasPrefix(prefix, known.Prefix) || strings.HasPrefix(known.Prefix, prefix) {
				k.add(nth(under(at, "issuers"), n), "%s is asked about tokens too: one that names no issuer would be shown to the wrong one. Give both a `token_prefix`, neither of which begins with the other", other)
			}
		}
		asked[i.Name] = known.Prefix
	}
}

// toldApart holds that no token of an issuer is for two servers, unless each asks for something that the other does not.
func (k checker) toldApart() {
	type place struct {
		at, server string
		i          ServerIssuer
	}
	seen := map[[2]string][]place{} // :: issuer's name, audience → where
	for _, name := range slices.Sorted(maps.Keys(k.c.Servers)) {
		for n, i := range k.c.Servers[name].Issuers {
			for m, audience := range i.Audiences {
				at := nth(under(nth(under(under("servers", name), "issuers"), n), "audiences"), m)
				key := [2]string{i.Name, audience}
				for _, other := range seen[key] {
					if other.server != name && !differ(other.i.Here, i.Here) {
						k.add(at, "server %s takes tokens of %s for the same audience: a token for one would be good at the other. Give it another audience, or both `required_scopes` or `required_claims` that tell them apart", other.server, i.Name)
						break
					}
				}
				seen[key] = append(seen[key], place{at, name, i})
			}
		}
	}
}

// differ reports whether a token that is for one of two servers is not therefore for the other.
func differ(a, b provider.Here) bool {
	for claim, values := range a.RequiredClaims {
		others, ok := b.RequiredClaims[claim]
		if ok && !slices.ContainsFunc(values, func(v string) bool { return slices.Contains(others, v) }) {
			return true
		}
	}
	return more(a, b) && more(b, a)
}

// more reports whether a asks for something that b does not.
func more(a, b provider.Here) bool {
	for claim := range a.RequiredClaims {
		if _, ok := b.RequiredClaims[claim]; !ok {
			return true
		}
	}
	return slices.ContainsFunc(a.RequiredScopes, func(s string) bool { return !slices.Contains(b.RequiredScopes, s) })
}

// ownTokens holds that nobody is promised tokens that our own authorization server does not issue.
func (k checker) ownTokens() {
	foreign := func(name string) bool {
		s, ok := k.c.Servers[name]
		return ok && !s.Open() && !s.Owned()
	}
	for _, name := range slices.Sorted(maps.Keys(k.c.Servers)) {
		s, at := k.c.Servers[name], under("servers", name)
		for key, given := range map[string]bool{"device_authorization": s.Devices, "may_act": s.MayAct != ""} {
			if given && foreign(name) {
				k.add(under(at, key), "it is about tokens of Doorward's own, which this server does not take: `issuers` lacks `- name: %s`", OwnIssuer)
			}
		}
	}
	for i, c := range k.c.Clients.Listed {
		for key, names := range map[string][]string{"serves": c.Serves, "reaches": c.Reaches} {
			for n, name := range names {
				if foreign(name) {
					k.add(nth(under(nth("clients.listed", i), key), n), "the server %s takes no tokens of Doorward's own: its `issuers` lack `- name: %s`", name, OwnIssuer)
				}
			}
		}
	}
}
