package provider_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward-mcp/doorward/authtest"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/provider"
	"github.com/doorward-mcp/doorward/token"
)

const api = "6e74172b-be56-4843-9ff4-e66a39bb12e3"

// good is what an access token for the API says.
func good() authtest.Said {
	return authtest.Said{Audience: api, Client: api, Scopes: []string{"notes.read", "notes.write"}, Groups: []string{"editors"}, Roles: []string{"admin"}}
}

func said(change func(*authtest.Said)) authtest.Said {
	s := good()
	change(&s)
	return s
}

func claim(name string, v any) authtest.Said {
	return said(func(s *authtest.Said) { s.Claims = map[string]any{name: v} })
}

// reason is why a token is refused; empty: it is not.
func reason(t testing.TB, v *token.Verifier, raw string) string {
	t.Helper()
	_, err := v.Verify(t.Context(), time.Now(), raw, "")
	var e *oauth.Error
	if err != nil && !errors.As(err, &e) {
		t.Fatal(err)
	}
	if e == nil {
		return ""
	}
	return e.Reason
}

// RS-TOKEN-VALIDATE, RS-AUDIENCE, RS-ISSUER-PIN, RS-NO-FOREIGN-TOKENS: the access tokens of each server are taken as its
// profile says, and nothing else that it signs.
func TestProfiles(t *testing.T) {
	for _, shape := range authtest.Shapes() {
		t.Run(string(shape), func(t *testing.T) {
			f, other := authtest.NewForeign(t, shape), authtest.NewForeign(t, shape)
			v := token.NewVerifier(f.At(api))
			allow, deny := "", func(reasons ...string) string { return strings.Join(reasons, "|") }
			if shape == authtest.OktaOrg { // its access tokens are for Okta alone
				allow = "type"
			}
			whole := f.Access(good())
			for _, c := range []struct{ name, raw, want string }{
				{"an access token", whole, allow},
				{"an ID token of the same application", f.Identity(good()), deny("type", "not_access", "no_client")},
				{"one with a nonce", f.Identity(claim("nonce", "n")), deny("type", "not_access")},
				{"one with the scopes in it", f.Identity(said(func(s *authtest.Said) { s.Claims = map[string]any{"scp": "notes.read"} })), deny("type", "not_access", "no_client")},
				{"for another resource", f.Access(said(func(s *authtest.Said) { s.Audience, s.Client = "another", "another" })), deny("type", "audience")},
				{"for several, one of them this", f.Access(claim("aud", []string{"another", api})), allow},
				{"for another, issued to this application", f.Access(claim("aud", "another")), deny("type", "audience")},
				{"for a longer name", f.Access(said(func(s *authtest.Said) { s.Audience, s.Client = api+"/", api+"/" })), deny("type", "audience")},
				{"in other case", f.Access(said(func(s *authtest.Said) { s.Audience, s.Client = strings.ToUpper(api), strings.ToUpper(api) })), deny("type", "audience")},
				{"an audience that is no text", f.Access(claim("aud", 7)), deny("type", "no_audience")},
				{"of another issuer", other.Access(good()), "issuer"},
				{"that says to be of this issuer", other.Access(claim("iss", f.Issuer)), deny("type", "key", "signature")},
				{"the issuer with a slash more", f.Access(claim("iss", f.Issuer+"/")), "issuer"},
				{"without an issuer", f.Access(claim("iss", nil)), "issuer"},
				{"signed by somebody else under the key's name", f.Stolen(good()), deny("type", "signature")},
				{"not signed", f.Unsigned(good()), deny("algorithm", "malformed")},
				{"signed with the public key as a secret", f.Symmetric(good()), "algorithm"},
				{"with another scope under the same signature", f.Altered(whole, func(c map[string]any) { c["scope"], c["scp"] = "admin", "admin" }), deny("type", "signature")},
				{"ended", f.Access(said(func(s *authtest.Said) { s.Life = -time.Hour })), deny("type", "expired")},
				{"without an end", f.Access(claim("exp", nil)), deny("type", "claims")},
				{"an end that is none", f.Access(claim("exp", "soon")), deny("type", "claims")},
				{"not yet good", f.Access(claim("nbf", time.Now().Add(time.Hour).Unix())), deny("type", "not_yet")},
				{"of nobody", f.Access(said(func(s *authtest.Said) { s.Claims = map[string]any{"sub": nil, "oid": nil} })), deny("type", "no_subject")},
				{"of nobody's client", f.Access(said(func(s *authtest.Said) {
					s.Claims = map[string]any{"azp": nil, "appid": nil, "cid": nil, "client_id": nil, "aud": api}
				})), deny("type", "no_client", "not_access")},
				{"bound to a certificate", f.Access(claim("cnf", map[string]any{"x5t#S256": "x"})), deny("type", "bound_otherwise")},
				{"bound to a key, sent as Bearer", f.Access(claim("cnf", map[string]any{"jkt": "x"})), deny("type", "bound")},
				{"an actor who is nobody", f.Access(claim("act", map[string]any{"client_id": "x"})), deny("type", "claims")},
				{"opaque", f.Opaque(good()), "malformed"},
			} {
				if got := reason(t, v, c.raw); got != c.want && !(c.want != "" && slices.Contains(strings.Split(c.want, "|"), got)) {
					t.Errorf("%s: %q, want %q", c.name, got, c.want)
				}
			}
		})
	}
}

// What a caller is stands where the profile says; groups count only where they are asked for.
func TestCallersOfProfiles(t *testing.T) {
	for shape, want := range map[authtest.Shape]token.Caller{
		authtest.Entra:    {Principal: token.Principal{Subject: "alice"}, Scopes: oauth.NewScopes("notes.read", "notes.write"), Groups: []string{"editors"}},
		authtest.EntraV1:  {Principal: token.Principal{Subject: "alice"}, Scopes: oauth.NewScopes("notes.read", "notes.write"), Groups: []string{"editors"}},
		authtest.Okta:     {Principal: token.Principal{Subject: "alice@example.com"}, Scopes: oauth.NewScopes("notes.read", "notes.write"), Groups: []string{"editors"}},
		authtest.Cognito:  {Principal: token.Principal{Subject: "alice"}, Scopes: oauth.NewScopes("notes.read", "notes.write"), Groups: []string{"editors"}},
		authtest.Keycloak: {Principal: token.Principal{Subject: "alice"}, Scopes: oauth.NewScopes("notes.read", "notes.write", "profile"), Groups: []string{"editors"}, ACR: "1"},
		authtest.Auth0:    {Principal: token.Principal{Subject: "auth0|alice"}, Scopes: oauth.NewScopes("notes.read", "notes.write")},
		authtest.Standard: {Principal: token.Principal{Subject: "alice"}, Scopes: oauth.NewScopes("notes.read", "notes.write")},
	} {
		f := authtest.NewForeign(t, shape)
		want.Issuer, want.Client, want.Resource, want.Foreign = f.Issuer, api, api, true
		i := f.At(api)
		for _, groups := range []bool{true, false} {
			if i.Groups = groups; !groups {
				want.Groups = nil
			}
			got, err := token.NewVerifier(i).Verify(t.Context(), time.Now(), f.Access(good()), "")
			if err != nil {
				t.Errorf("%s: %v", shape, err)
				continue
			}
			if got.Expires.IsZero() || got.Issued.IsZero() {
				t.Errorf("%s: %v, %v", shape, got.Issued, got.Expires)
			}
			got.Issued, got.Expires, got.Authenticated, got.ID, got.Hash = time.Time{}, time.Time{}, time.Time{}, "", [32]byte{}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", shape, d)
			}
		}
	}
}

// A role of a person is no power of the client: roles are scopes where a program calls for itself, and has no scp.
func TestRolesOfEntra(t *testing.T) {
	f := authtest.NewForeign(t, authtest.Entra)
	v := token.NewVerifier(f.At(api))
	for name, c := range map[string]struct {
		said authtest.Said
		want oauth.Scopes
	}{
		"a person with a role": {said(func(s *authtest.Said) { s.Scopes = []string{"notes.read"} }), oauth.NewScopes("notes.read")},
		"a program":            {said(func(s *authtest.Said) { s.Scopes = nil }), oauth.NewScopes("admin")},
	} {
		got, err := v.Verify(t.Context(), time.Now(), f.Access(c.said), "")
		if err != nil || !slices.Equal(got.Scopes, c.want) {
			t.Errorf("%s: %v %v", name, got.Scopes, err)
		}
	}
}

// Scopes and groups of the issuer become scopes here as it is written, and what a server asks for must be there.
func TestHere(t *testing.T) {
	f := authtest.NewForeign(t, authtest.Keycloak)
	p, _ := provider.Named("keycloak")
	for name, c := range map[string]struct {
		here   provider.Here
		groups bool
		want   string // the scopes, or the reason
	}{
		"as they are":                       {provider.Here{}, false, "notes.read notes.write profile"},
		"mapped, and no others":             {provider.Here{Scopes: map[string][]string{"notes.read": {"read", "list"}}}, false, "list read"},
		"groups that count":                 {provider.Here{Scopes: map[string][]string{"notes.read": {"read"}}, Groups: map[string][]string{"editors": {"write"}, "others": {"all"}}}, true, "read write"},
		"groups that do not":                {provider.Here{Scopes: map[string][]string{"notes.read": {"read"}}, Groups: map[string][]string{"editors": {"write"}}}, false, "read"},
		"a scope that is asked for":         {provider.Here{RequiredScopes: []string{"notes.read"}}, false, "notes.read notes.write profile"},
		"a scope that is lacking":           {provider.Here{RequiredScopes: []string{"mail"}}, false, "required"},
		"a claim that is asked for":         {provider.Here{RequiredClaims: map[string][]string{"/realm_access/roles": {"admin", "x"}}}, false, "notes.read notes.write profile"},
		"a claim with another value":        {provider.Here{RequiredClaims: map[string][]string{"/realm_access/roles": {"x"}}}, false, "required"},
		"a claim that nothing could fulfil": {provider.Here{RequiredClaims: map[string][]string{"azp": nil}}, false, "required"},
		"a claim inside of a text":          {provider.Here{RequiredClaims: map[string][]string{"/azp/x": {"x"}}}, false, "required"},
	} {
		c.here.Audiences = []string{api}
		i := p.Issuer(f.Issuer, c.here)
		i.Keys, i.Groups = f.At().Keys, c.groups
		got, err := token.NewVerifier(i).Verify(t.Context(), time.Now(), f.Access(good()), "")
		text := got.Scopes.String()
		var e *oauth.Error
		if errors.As(err, &e) {
			text = e.Reason
		}
		if text != c.want {
			t.Errorf("%s: %q, want %q", name, text, c.want)
		}
	}
}

// A scope has another name where clients ask for it, if only one of the issuer's stands for it, or somebody wrote it down.
func TestNames(t *testing.T) {
	got := provider.Here{Scopes: map[string][]string{"Notes.Read": {"read", "list"}, "Notes.All": {"list", "write", "delete"}},
		AskedAs: map[string]string{"write": "api://x/Notes.All"}}.Names()
	if d := cmp.Diff(map[string]string{"read": "Notes.Read", "delete": "Notes.All", "write": "api://x/Notes.All"}, got); d != "" {
		t.Error(d)
	}
}

// What an operator says besides makes an access token narrower, never wider.
func TestWith(t *testing.T) {
	p, _ := provider.Named("cognito")
	got := p.With(provider.Tokens{Access: provider.AccessToken{Required: map[string][]string{"token_use": {"id"}, "x": {"y"}}, Present: []string{"p"}, Forbidden: []string{"f"}}, Claims: provider.Claims{Subject: []string{"username"}}})
	if d := cmp.Diff(map[string][]string{"token_use": {}, "x": {"y"}}, got.Access.Required); d != "" {
		t.Error(d)
	}
	if !slices.Contains(got.Access.Forbidden, "at_hash") || !slices.Contains(got.Access.Forbidden, "f") || !slices.Contains(got.Access.Present, "p") || got.Claims.Subject[0] != "username" || got.AudienceClaim != "client_id" {
		t.Errorf("%+v", got)
	}
}

// Every profile can be read, whole, and refuses what it names.
func TestEveryProfileIsWhole(t *testing.T) {
	for _, name := range provider.Names() {
		p, ok := provider.Named(name)
		if !ok || p.Title == "" || len(p.Algorithms) == 0 || len(p.Claims.Client) == 0 {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if _, ok := provider.Named("../profiles/okta"); ok {
		t.Error("a profile by its path")
	}
	for issuer, name := range map[string]string{"https://login.microsoftonline.com/common/v2.0": "entra", "https://login.microsoftonline.com/x": "entra", "https://dev-1.okta.com": "okta", "https://id.example.com/realms/x/protocol/openid-connect": "keycloak"} {
		if p, _ := provider.Named(name); p.Refuses(issuer) == "" {
			t.Errorf("%s is taken", issuer)
		}
	}
	for issuer, name := range map[string]string{"https://login.microsoftonline.com/x/v2.0": "entra", "https://sts.windows.net/x/": "entra", "https://dev-1.okta.com/oauth2/default": "okta"} {
		if p, _ := provider.Named(name); p.Refuses(issuer) != "" {
			t.Errorf("%s is refused", issuer)
		}
	}
	for audience, name := range map[string]string{"account": "keycloak", "https://graph.microsoft.com": "entra", "https://x.auth0.com/userinfo": "auth0"} {
		if p, _ := provider.Named(name); p.RefusesAudience(audience) == "" {
			t.Errorf("%s is taken", audience)
		}
	}
}

// Metadata of another issuer names nobody's keys. RFC 8414 §3.3.
func TestDiscover(t *testing.T) {
	const issuer = "https://id.example.com/realms/x"
	for name, c := range map[string]struct {
		metadata oauth.ServerMetadata
		good     bool
	}{
		"its own":             {oauth.ServerMetadata{Issuer: issuer, JWKSURI: "https://id.example.com/keys"}, true},
		"with a slash more":   {oauth.ServerMetadata{Issuer: issuer + "/", JWKSURI: "https://id.example.com/keys"}, false},
		"another's":           {oauth.ServerMetadata{Issuer: "https://evil.example.com", JWKSURI: "https://id.example.com/keys"}, false},
		"one without the key": {oauth.ServerMetadata{Issuer: issuer}, false},
	} {
		var asked []string
		fetch := provider.Discover(func(_ context.Context, url string) ([]byte, time.Time, error) {
			asked = append(asked, url)
			b, err := json.Marshal(c.metadata)
			return b, time.Time{}, err
		})
		if _, _, err := fetch(t.Context(), issuer); (err == nil) != c.good || c.good != slices.Contains(asked, "https://id.example.com/keys") {
			t.Errorf("%s: %v, asked %v", name, err, asked)
		}
	}
}
