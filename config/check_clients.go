package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/doorward-mcp/doorward/oauth"
)

func (c Clients) ids() (all []string) {
	for _, listed := range c.Listed {
		all = append(all, listed.ID)
	}
	return all
}

func (k checker) issuers() {
	seen := map[string]bool{}
	for i, a := range k.c.AssertionIssuers {
		at := nth("assertion_issuers", i)
		switch {
		case a.Issuer == "":
			k.add(under(at, "issuer"), "it is missing")
		case k.safe(a.Issuer) != "":
			k.add(under(at, "issuer"), "%s", k.safe(a.Issuer))
		case a.Issuer == k.c.PublicURL:
			k.add(under(at, "issuer"), "it is this installation itself")
		case seen[a.Issuer]:
			k.add(under(at, "issuer"), "it stands here a second time")
		}
		seen[a.Issuer] = true
		if a.Kind != "workload" && a.Kind != "identity" {
			k.add(under(at, "kind"), "it must be workload (it says which program this is) or identity (it says which person)")
		}
		if a.JWKSURI != "" && k.safe(a.JWKSURI) != "" {
			k.add(under(at, "jwks_uri"), "%s", k.safe(a.JWKSURI))
		}
	}
}

func (k checker) clients() {
	seen := map[string]bool{}
	for i, c := range k.c.Clients.Listed {
		at := nth("clients.listed", i)
		k.id(at, c, seen)
		k.credentials(at, c)
		k.redirects(at, c)
		k.grants(at, c)
		k.reach(under(at, "serves"), c.Serves)
		k.reach(under(at, "reaches"), c.Reaches)
		k.workload(at, c)
		if c.Evaluates && !slices.Contains(c.Grants(), grantMachine) {
			k.add(under(at, "evaluates"), "it asks with a token of its own: give it the grant type client_credentials")
		}
		if c.Evaluates && k.c.Policy.Bundle == "" {
			k.add(under(at, "evaluates"), "there are no rules of our own to ask about: name a `policy.bundle`")
		}
		if len(c.Serves) > 0 && c.public() {
			k.add(under(at, "serves"), "who serves reads other people's tokens, so the client must authenticate: give `secret`, `jwks_uri`, `jwks_file` or `workload`")
		}
		for _, name := range strings.Fields(c.Scope) {
			if !k.scopeKnown(name) {
				k.add(under(at, "scope"), "no server has the scope %s", printable(name))
			}
		}
	}
	k.fallback()
}

func (k checker) scopeKnown(name string) bool {
	for _, s := range k.c.Servers {
		if s.ScopeNames().Contains(name) {
			return true
		}
	}
	return slices.Contains([]string{"openid", oauth.OfflineAccess}, name)
}

func (k checker) id(at string, c Client, seen map[string]bool) {
	at = under(at, "client_id")
	switch {
	case c.ID == "":
		k.add(at, "it is missing")
	case len(c.ID) > 200 || strings.ContainsFunc(c.ID, func(r rune) bool { return r <= 0x20 || r >= 0x7f }):
		k.add(at, "it has a space, a character beyond ASCII, or more than 200 characters") // RFC 6749 appendix A.1
	case oauth.IsDocumentID(c.ID):
		k.add(at, "an id with :// in it is the address of a metadata document: a listed client needs another one")
	case strings.HasPrefix(c.ID, "dw-"):
		k.add(at, "ids that begin with dw- are those of clients that registered themselves")
	case seen[c.ID]:
		k.add(at, "%s stands here a second time", printable(c.ID))
	}
	seen[c.ID] = true
}

// credentials holds how a client authenticates against what it has.
func (k checker) credentials(at string, c Client) {
	keys := c.JWKSURI != "" || c.JWKSFile != ""
	methods := []string{methodNone, methodBasic, methodPost, methodKey}
	here := under(at, "token_endpoint_auth_method")
	switch method := c.Method(); {
	case !slices.Contains(methods, method):
		k.add(here, "there is no method %s: %s are%s", printable(method), strings.Join(methods, ", "), strings.Replace(meant(method, methods), ":", ";", 1))
	case method == methodKey && !keys:
		k.add(here, "private_key_jwt needs the client's keys: give `jwks_uri` or `jwks_file`")
	case (method == methodBasic || method == methodPost) && c.Secret == "":
		k.add(here, "%s needs `secret`", method)
	case method != methodBasic && method != methodPost && c.Secret != "":
		k.add(under(at, "secret"), "the client authenticates with %s, which has no secret", method)
	case method != methodKey && keys:
		k.add(here, "the client has keys, but %s does not use them", method)
	case c.Workload != nil && (c.Secret != "" || keys):
		k.add(under(at, "workload"), "the client has other credentials too: one way to authenticate, not two")
	}
	if c.JWKSURI != "" && c.JWKSFile != "" {
		k.add(under(at, "jwks_file"), "the client has `jwks_uri` too: which one is right?")
	}
	if c.JWKSURI != "" && k.safe(c.JWKSURI) != "" {
		k.add(under(at, "jwks_uri"), "%s", k.safe(c.JWKSURI))
	}
	k.reference(under(at, "secret"), c.Secret)
}

func (k checker) redirects(at string, c Client) {
	for _, list := range []struct {
		key  string
		uris []string
	}{{"redirect_uris", c.RedirectURIs}, {"post_logout_redirect_uris", c.LogoutURIs}} {
		for i, uri := range list.uris {
			here := nth(under(at, list.key), i)
			if reason := oauth.CheckRedirect(uri, k.c.Registration.Schemes...); reason != "" {
				k.add(here, "%s cannot be a redirect address: %s", printable(uri), reason)
			} else if slices.Index(list.uris, uri) < i {
				k.add(here, "it stands here a second time")
			}
		}
	}
	// Who serves and names no grant type only asks about tokens.
	code := slices.Contains(c.Grants(), grantCode) && (len(c.GrantTypes) > 0 || len(c.Serves) == 0 || len(c.RedirectURIs) > 0)
	if code && len(c.RedirectURIs) == 0 {
		k.add(under(at, "redirect_uris"), "authorization_code needs at least one; for a client without people write `grant_types: [client_credentials]`")
	}
	if !code && len(c.RedirectURIs) > 0 {
		k.add(under(at, "redirect_uris"), "nothing is ever sent there: the client does not have the grant type authorization_code")
	}
}

// grants holds each grant type against what it needs. What a client may get without a person at a browser is only what its
// operator wrote down for it (rule 14 of the architecture: registration gives no power).
func (k checker) grants(at string, c Client) {
	all := []string{grantCode, grantRefresh, grantMachine, grantJWT, grantDevice, grantExchange}
	for i, g := range c.GrantTypes {
		here := nth(under(at, "grant_types"), i)
		if slices.Index(c.GrantTypes, g) < i {
			k.add(here, "it stands here a second time")
			continue
		}
		switch g {
		case grantCode:
		case grantRefresh:
			if !slices.Contains(c.GrantTypes, grantCode) && !slices.Contains(c.GrantTypes, grantDevice) {
				k.add(here, "there is nothing to refresh: the client has neither authorization_code nor the device grant")
			}
		case grantMachine, grantJWT, grantExchange:
			k.machine(here, c, g)
		case grantDevice:
			if !slices.ContainsFunc(slices.Collect(maps.Values(k.c.Servers)), func(s Server) bool { return s.Devices }) {
				k.add(here, "no server has `device_authorization: true`")
			}
		default:
			k.add(here, "there is no grant type %s%s", printable(g), meant(g, all))
		}
	}
}

// machine holds a grant without a person at a browser against what it needs.
func (k checker) machine(at string, c Client, g string) {
	if c.public() {
		k.add(at, "the client must authenticate for %s: give `secret`, `jwks_uri`, `jwks_file` or `workload`", g)
	}
	if g == grantJWT && len(k.c.AssertionIssuers) == 0 {
		k.add(at, "`assertion_issuers` has nobody whose assertion it could bring")
	}
	if len(c.Reaches) == 0 && !c.Evaluates {
		k.add(at, "the client gets tokens for no server: list the servers in `reaches`")
	}
	named := slices.ContainsFunc(slices.Collect(maps.Values(k.c.Servers)), func(s Server) bool { return s.MayAct == c.ID })
	if g == grantExchange && len(c.Serves) == 0 && !named {
		k.add(at, "the client has no tokens to exchange: list the servers that it is in `serves`, or name it in a server's `may_act`")
	}
	// What was consented to on a loopback address is not remembered: any program could have asked there.
	remembered := slices.ContainsFunc(c.RedirectURIs, func(u string) bool { return !oauth.LoopbackRedirect(u) })
	if g == grantExchange && !remembered && !k.c.Exchange.InsecureWithoutConsent {
		k.add(at, "nobody can consent that the client acts for them: give it authorization_code and a redirect address that is not on loopback")
	}
}

// reach holds names of servers against those that there are.
func (k checker) reach(at string, names []string) {
	known := slices.Sorted(maps.Keys(k.c.Servers))
	for i, name := range names {
		switch {
		case !slices.Contains(known, name):
			k.add(nth(at, i), "there is no server %s%s", printable(name), meant(name, known))
		case slices.Index(names, name) < i:
			k.add(nth(at, i), "it stands here a second time")
		case k.c.Servers[name].Open():
			k.add(nth(at, i), "the server %s is open to everybody: there are no tokens for it", name)
		}
	}
}

func (k checker) workload(at string, c Client) {
	if c.Workload == nil {
		return
	}
	at = under(at, "workload")
	var known []string
	kind := ""
	for _, a := range k.c.AssertionIssuers {
		known = append(known, a.Issuer)
		if a.Issuer == c.Workload.Issuer {
			kind = a.Kind
		}
	}
	switch {
	case !slices.Contains(known, c.Workload.Issuer):
		k.add(under(at, "issuer"), "%s is not among `assertion_issuers`", printable(c.Workload.Issuer))
	case kind == "identity":
		k.add(under(at, "issuer"), "%s says which person somebody is, not which program: its kind is identity", printable(c.Workload.Issuer))
	}
	if c.Workload.Subject == "" {
		k.add(under(at, "subject"), "it is missing: every program of the issuer would be this client")
	}
	for i, other := range k.c.Clients.Listed {
		if other.ID == c.ID {
			break
		}
		if o := other.Workload; o != nil && o.Issuer == c.Workload.Issuer && o.Subject == c.Workload.Subject {
			k.add(at, "%s", fmt.Sprintf("it is the same program as %s", nth("clients.listed", i)))
		}
	}
}

// fallback holds the client that answers every registration against what it must be.
func (k checker) fallback() {
	id := k.c.Clients.Default
	if id == "" {
		return
	}
	i := slices.IndexFunc(k.c.Clients.Listed, func(c Client) bool { return c.ID == id })
	switch {
	case i < 0:
		k.add("clients.default", "no listed client has the id %s%s", printable(id), meant(id, k.c.Clients.ids()))
	case !k.c.Clients.Listed[i].public():
		k.add("clients.default", "the client %s has credentials, which everybody would be: it must be a public one", printable(id))
	case !slices.Contains(k.c.Clients.Listed[i].Grants(), grantCode):
		k.add("clients.default", "the client %s does not have the grant type authorization_code", printable(id))
	}
}
