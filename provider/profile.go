package provider

import (
	"embed"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

//go:embed profiles
var profiles embed.FS

// Profile is what is known of a kind of authorization server: one file of profiles/, whose name is the profile's. The zero
// Profile is a server that does as RFC 9068 says.
type Profile struct {
	Title            string    `json:"title"`             // what people call it
	Refused          []Refused `json:"refused"`           // issuers whose access tokens nobody else can take
	RefusedAudiences []Refused `json:"refused_audiences"` // audiences that say nothing, because too many tokens have them
	Tokens
}

// Refused are texts that cannot be meant.
type Refused struct {
	Pattern string `json:"pattern"` // a regular expression for them
	Why     string `json:"why"`
}

// Tokens say which tokens of an issuer are access tokens, and where in them stands what a caller is. A claim is named as it
// stands in the token, or, with a slash before it, by a JSON pointer (RFC 6901); of several the first that a token has
// counts. A member that is empty is as in RFC 9068. The names in the file of configuration are those of profiles/.
type Tokens struct {
	Algorithms    []string    `json:"algorithms" yaml:"algorithms"` // empty: ES256 and RS256
	Access        AccessToken `json:"access_token" yaml:"access_token"`
	AudienceClaim string      `json:"audience_claim" yaml:"audience_claim"` // what counts in a token without aud; empty: nothing does
	Claims        Claims      `json:"claims" yaml:"claims"`
}

// AccessToken tells the access tokens of an issuer from its ID tokens and whatever else it signs.
type AccessToken struct {
	Types     []string            `json:"typ" yaml:"typ"`             // of the header; none: it has none. Empty: at+jwt
	Required  map[string][]string `json:"required" yaml:"required"`   // :: claim → values, of which it is or holds one
	Present   []string            `json:"present" yaml:"present"`     // claims that it has, whatever they are
	Forbidden []string            `json:"forbidden" yaml:"forbidden"` // claims that it does not have
	AnyOf     []string            `json:"any_of" yaml:"any_of"`       // claims of which it has at least one
}

// Claims are where in a token stands what a caller is.
type Claims struct {
	Subject []string `json:"subject" yaml:"subject"` // empty: sub
	Client  []string `json:"client" yaml:"client"`   // empty: client_id
	ID      []string `json:"id" yaml:"id"`           // empty: jti
	Scopes  []string `json:"scopes" yaml:"scopes"`   // empty: scope
	Groups  []string `json:"groups" yaml:"groups"`   // empty: it says none
}

// typNone is how a profile writes that the header has no typ.
const typNone = "none"

// Named is a profile by its name.
func Named(name string) (p Profile, ok bool) {
	b, err := profiles.ReadFile("profiles/" + name + ".json")
	if err != nil || !slices.Contains(Names(), name) {
		return Profile{}, false
	}
	if err := json.Unmarshal(b, &p); err != nil {
		panic("provider: profile " + name + ": " + err.Error())
	}
	return p, true
}

// Names are the names of all profiles, sorted.
func Names() (all []string) {
	files, err := profiles.ReadDir("profiles")
	if err != nil {
		panic("provider: the profiles are part of the program: " + err.Error())
	}
	for _, f := range files {
		all = append(all, strings.TrimSuffix(f.Name(), ".json"))
	}
	return all
}

// Refuses says why no token of an issuer can be taken; empty: nothing is known against it.
func (p Profile) Refuses(issuer string) string { return refuses(p.Refused, issuer) }

// RefusesAudience says why an audience is none for a resource; empty: nothing is known against it.
func (p Profile) RefusesAudience(audience string) string {
	return refuses(p.RefusedAudiences, audience)
}

func refuses(all []Refused, s string) string {
	for _, r := range all {
		if regexp.MustCompile(r.Pattern).MatchString(s) {
			return r.Why
		}
	}
	return ""
}

// With is t with what the operator says besides. What tells access tokens from others is added to: required, present and
// forbidden claims of both count. All else that o has takes the place of what t has.
func (t Tokens) With(o Tokens) Tokens {
	t.Algorithms = instead(t.Algorithms, o.Algorithms)
	a := &t.Access
	a.Types, a.AnyOf = instead(a.Types, o.Access.Types), instead(a.AnyOf, o.Access.AnyOf)
	a.Present, a.Forbidden = slices.Concat(a.Present, o.Access.Present), slices.Concat(a.Forbidden, o.Access.Forbidden)
	required := map[string][]string{}
	for claim, values := range a.Required {
		required[claim] = values
	}
	for claim, values := range o.Access.Required {
		if known, ok := required[claim]; ok { // fewer may be asked for, never others
			values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return !slices.Contains(known, v) })
		}
		required[claim] = values
	}
	a.Required = required
	if o.AudienceClaim != "" {
		t.AudienceClaim = o.AudienceClaim
	}
	c := &t.Claims
	c.Subject, c.Client, c.ID = instead(c.Subject, o.Claims.Subject), instead(c.Client, o.Claims.Client), instead(c.ID, o.Claims.ID)
	c.Scopes, c.Groups = instead(c.Scopes, o.Claims.Scopes), instead(c.Groups, o.Claims.Groups)
	return t
}

func instead(known, given []string) []string {
	if len(given) > 0 {
		return given
	}
	return known
}

// Here is what one resource makes of an issuer's tokens. The zero Here takes none.
type Here struct {
	Audiences      []string            `yaml:"audiences"`       // one of them must be in aud, byte for byte
	Scopes         map[string][]string `yaml:"scopes"`          // :: scope of the issuer → scopes here; empty: its names are ours
	Groups         map[string][]string `yaml:"groups"`          // :: group of the issuer → scopes here
	AskedAs        map[string]string   `yaml:"asked_as"`        // :: scope here → what clients ask the issuer for; one that is not in it: as in Scopes, if one of its scopes alone stands for it
	RequiredScopes []string            `yaml:"required_scopes"` // what a token must have to be for this resource, in the issuer's words
	RequiredClaims map[string][]string `yaml:"required_claims"` // :: claim → values, of which it must be or hold one
}

// Names are the scopes here that have another name where clients ask the issuer for them. :: scope here → its name there
func (h Here) Names() map[string]string {
	all, several := map[string]string{}, map[string]bool{}
	for theirs, ours := range h.Scopes {
		for _, s := range ours {
			several[s] = several[s] || all[s] != ""
			all[s] = theirs
		}
	}
	for s := range several {
		if several[s] { // which of them a client may have, nobody here knows
			delete(all, s)
		}
	}
	maps.Copy(all, h.AskedAs)
	return all
}

// Issuer is an issuer at one resource. It still needs Keys or Introspect, and Groups if its groups count.
func (t Tokens) Issuer(url string, here Here) token.Issuer {
	i := token.Issuer{URL: url, Audiences: here.Audiences, Rule: t.rule()}
	for _, a := range t.Algorithms {
		i.Algorithms = append(i.Algorithms, jose.SignatureAlgorithm(a))
	}
	i.Rule.RequiredScopes, i.Rule.RequiredClaims, i.Rule.GroupScopes = oauth.NewScopes(here.RequiredScopes...), here.RequiredClaims, here.Groups
	if len(here.Scopes) > 0 {
		i.Rule.ScopeOf = here.Scopes
	}
	return i
}

func (t Tokens) rule() *token.Rule {
	r := &token.Rule{AudienceClaim: t.AudienceClaim, Forbidden: t.Access.Forbidden, AnyOf: t.Access.AnyOf, Required: t.Access.Required, Present: t.Access.Present,
		Subject: t.Claims.Subject, Client: t.Claims.Client, ID: t.Claims.ID, Scopes: t.Claims.Scopes, Groups: t.Claims.Groups}
	for _, typ := range t.Access.Types {
		if typ == typNone {
			typ = ""
		}
		r.Types = append(r.Types, typ)
	}
	return r
}
