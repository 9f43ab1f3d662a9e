package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/doorward-mcp/doorward/provider"
	"github.com/doorward-mcp/doorward/token"
)

// foreignIssuers holds the authorization servers that are not ours against what each needs, and the servers against them.
func (k checker) foreignIssuers() {
	seen := map[string]string{} // :: iss → name
	for _, name := range slices.Sorted(maps.Keys(k.c.Issuers)) {
		at, i := under("issuers", name), k.c.Issuers[name]
		if !serverName.MatchString(name) || name == OwnIssuer {
			k.add(at, "an issuer's name is 1 to 63 of a-z, 0-9, - and _, begins with a letter or digit, and is not %s, which is Doorward's own", OwnIssuer)
		}
		k.foreignIssuer(under(at, "issuer"), i.Issuer)
		if other, ok := seen[i.Issuer]; ok && i.Issuer != "" {
			k.add(under(at, "issuer"), "it is that of %s already", other)
		}
		seen[i.Issuer] = name
		k.profile(at, i)
		k.introspection(at, i)
		k.tokens(at, i)
	}
	for _, name := range slices.Sorted(maps.Keys(k.c.Servers)) {
		k.issuersOf(under("servers", name), k.c.Servers[name])
	}
	k.toldApart()
	k.ownTokens()
}

func (k checker) foreignIssuer(at, issuer string) {
	switch {
	case issuer == "":
		k.add(at, "it is missing: what stands in iss of its tokens")
	case k.safe(issuer) != "":
		k.add(at, "%s", k.safe(issuer))
	case strings.Contains(issuer, "?"): // RFC 8414 §2
		k.add(at, "an issuer has no query")
	case issuer == k.c.PublicURL:
		k.add(at, "it is this installation itself: a server lists it as `- name: %s`", OwnIssuer)
	}
}

func (k checker) profile(at string, i Issuer) {
	if i.Profile == "" {
		return
	}
	p, ok := provider.Named(i.Profile)
	if !ok {
		k.add(under(at, "profile"), "there is no profile %s%s; there are %s", printable(i.Profile), strings.TrimSuffix(meant(i.Profile, provider.Names()), "?"), strings.Join(provider.Names(), ", "))
		return
	}
	if why := p.Refuses(i.Issuer); why != "" {
		k.add(under(at, "issuer"), "%s", why)
	}
	for claim, values := range p.Access.Required {
		given, ok := i.Access.Required[claim]
		if ok && !slices.ContainsFunc(given, func(v string) bool { return slices.Contains(values, v) }) {
			k.add(under(under(at, "access_token.required"), claim), "access tokens of %s have %s there", p.Title, strings.Join(values, " or "))
		}
	}
}

func (k checker) introspection(at string, i Issuer) {
	if i.JWKSURI != "" && k.safe(i.JWKSURI) != "" {
		k.add(under(at, "jwks_uri"), "%s", k.safe(i.JWKSURI))
	}
	if i.Introspection == nil {
		return
	}
	if i.JWKSURI != "" {
		k.add(under(at, "jwks_uri"), "`introspection` is given too: are its tokens verified by keys, or is it asked about them?")
	}
	if len(i.Algorithms) > 0 {
		k.add(under(at, "algorithms"), "`introspection` is given: no signature is verified")
	}
	at, n := under(at, "introspection"), *i.Introspection
	methods := []string{methodBasic, methodPost, methodNone}
	switch {
	case n.Endpoint == "":
		k.add(under(at, "endpoint"), "it is missing: where the issuer is asked")
	case k.safe(n.Endpoint) != "":
		k.add(under(at, "endpoint"), "%s", k.safe(n.Endpoint))
	}
	if n.ClientID == "" {
		k.add(under(at, "client_id"), "it is missing: who asks") // RFC 7662 §2.1: the endpoint MUST require authorization
	}
	switch {
	case n.Method != "" && !slices.Contains(methods, n.Method):
		k.add(under(at, "method"), "there is no method %s: %s are", printable(n.Method), strings.Join(methods, ", "))
	case n.Method == methodNone && n.Secret != "":
		k.add(under(at, "client_secret"), "the method none does not use it")
	case n.Method != methodNone && n.Secret == "":
		k.add(under(at, "client_secret"), "it is missing: a reference, such as ${env:NAME}")
	}
	k.reference(under(at, "client_secret"), n.Secret)
}

func (k checker) tokens(at string, i Issuer) {
	for n, alg := range i.Algorithms {
		if !slices.Contains(token.Algorithms(), alg) { // RFC 8725 §3.1; a shared secret verifies and signs alike
			k.add(nth(under(at, "algorithms"), n), "%s is not one of %s", printable(alg), strings.Join(token.Algorithms(), ", "))
		}
	}
	k.values(under(at, "access_token.required"), i.Access.Required)
	all := i.Accepts()
	for claim := range all.Access.Required {
		if n := slices.Index(i.Access.Forbidden, claim); n >= 0 {
			k.add(nth(under(at, "access_token.forbidden"), n), "the claim is required too")
		}
	}
}

// values holds that a claim which is asked for has values.
func (k checker) values(at string, claims map[string][]string) {
	for _, claim := range slices.Sorted(maps.Keys(claims)) {
		if len(claims[claim]) == 0 {
			k.add(under(at, claim), "it has no value: list those of which a token must have one")
		}
	}
}
