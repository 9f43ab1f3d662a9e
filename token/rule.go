package token

import (
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/doorward-mcp/doorward/oauth"
)

// Rule says which tokens of an issuer that is not ours are access tokens, and where in them stands what a Caller holds.
// A claim is named as it stands in the token, or, with a slash before it, by a JSON pointer (RFC 6901). Where several are
// named, the first that the token has counts. The zero Rule takes what RFC 9068 §2.2 describes, without groups.
type Rule struct {
	Types          []string            // typ of the JOSE header, without application/; "": it may have none; empty: at+jwt
	Required       map[string][]string // :: claim → values, of which every access token has one in it
	Present        []string            // claims that every access token has
	Forbidden      []string            // claims that none has
	AnyOf          []string            // claims of which each has at least one
	AudienceClaim  string              // what counts where a token has no aud; empty: nothing does
	Subject        []string            // empty: sub
	Client         []string            // empty: client_id
	ID             []string            // empty: jti
	Scopes         []string            // text with spaces between the names, or an array; empty: scope
	Groups         []string            // likewise an array, or text that is one; empty: none. They count only with Issuer.Groups
	RequiredScopes oauth.Scopes        // what a token must have to be for this resource at all, in the issuer's words
	RequiredClaims map[string][]string // likewise, as Required
	ScopeOf        map[string][]string // :: scope of the issuer → scopes here; nil: its names are ours
	GroupScopes    map[string][]string // :: group of the issuer → scopes here
}

// accessToken reports whether the claims are those of an access token.
func (r *Rule) accessToken(c foreign) bool {
	return c.all(r.Required) && !slices.ContainsFunc(r.Present, func(name string) bool { return !c.has(name) }) &&
		!slices.ContainsFunc(r.Forbidden, c.has) && (len(r.AnyOf) == 0 || slices.ContainsFunc(r.AnyOf, c.has))
}

// audiences are whom the token is for. A token that has aud is judged by nothing else.
func (r *Rule) audiences(c foreign) []string {
	name := "aud"
	if _, ok := c.find(name); !ok && r.AudienceClaim != "" {
		name = r.AudienceClaim
	}
	v, _ := c.find(name)
	all, _ := words(v)
	return all
}

// scopes are the token's, in the issuer's words. What RFC 6749 §3.3 does not let into a scope is left out.
func (r *Rule) scopes(c foreign) oauth.Scopes {
	var names []string
	for _, name := range or(r.Scopes, "scope") {
		v, ok := c.find(name)
		if !ok {
			continue
		}
		all, _ := words(v)
		if v.Kind() == '"' && len(all) == 1 {
			all = strings.Fields(all[0])
		}
		for _, s := range all {
			if parsed, err := oauth.ParseScopes(s); err == nil && len(parsed) == 1 {
				names = append(names, s)
			}
		}
		break
	}
	return oauth.NewScopes(names...)
}

func (r *Rule) groups(c foreign) []string {
	for _, name := range r.Groups {
		if v, ok := c.find(name); ok {
			all, _ := words(v)
			return all
		}
	}
	return nil
}

// ours are the scopes of a token in the words of the resource.
func (r *Rule) ours(theirs oauth.Scopes, groups []string) oauth.Scopes {
	var names []string
	if r.ScopeOf == nil {
		names = slices.Clone(theirs)
	}
	for _, s := range theirs {
		names = append(names, r.ScopeOf[s]...)
	}
	for _, g := range groups {
		names = append(names, r.GroupScopes[g]...)
	}
	return oauth.NewScopes(names...)
}

// genuine judges claims whose origin is certain, but for what may change until they are judged again.
func (i *Issuer) genuine(c foreign, size int) (*genuine, error) {
	r := i.Rule
	// What RFC 9068 §4 has the typ of the header for, many issuers say in claims.
	if !r.accessToken(c) {
		return nil, invalid("not_access", "the token is none of its issuer's access tokens")
	}
	g := &genuine{audiences: r.audiences(c), size: uint32(size) + 512}
	said := &g.caller
	said.Foreign, said.Principal = true, Principal{i.URL, c.first(r.Subject, "sub")}
	said.Client, said.ID, said.ACR = c.first(r.Client, "client_id"), c.first(r.ID, "jti"), c.first(nil, "acr")
	switch {
	case len(g.audiences) == 0:
		return nil, invalid("no_audience", "the token does not say whom it is for")
	case said.Subject == "":
		return nil, invalid("no_subject", "the token does not say whose it is, where its issuer's tokens say that")
	case said.Client == "":
		return nil, invalid("no_client", "the token does not say which client has it, where its issuer's tokens say that")
	}
	if err := c.times(g); err != nil {
		return nil, err
	}
	if err := c.narrowed(said); err != nil {
		return nil, err
	}
	theirs := r.scopes(c)
	if !theirs.Covers(r.RequiredScopes) || !c.all(r.RequiredClaims) {
		return nil, invalid("required", "the token lacks a scope or claim by which its issuer's tokens are for this server")
	}
	if i.Groups {
		said.Groups = r.groups(c)
	}
	said.Scopes = r.ours(theirs, said.Groups)
	return g, nil
}

// takes reports whether a JOSE header is one that access tokens of the issuer have.
func (i *Issuer) takes(header jose.Header) bool {
	typ, _ := header.ExtraHeaders[jose.HeaderType].(string)
	return i.takesType(typ)
}

func (i *Issuer) takesType(typ string) bool {
	typ = strings.TrimPrefix(strings.ToLower(typ), "application/")
	return slices.ContainsFunc(i.types(), func(known string) bool { return strings.EqualFold(typ, known) })
}

func (i *Issuer) types() []string {
	if i.Rule != nil && len(i.Rule.Types) > 0 {
		return i.Rule.Types
	}
	return []string{i.Typ}
}
