package authserver_test

import (
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/oauth"
)

// RFC 8707 §2.2, AS-RESOURCE-INDICATOR: one audience a token, chosen among what was granted, and a wrong choice costs nothing.
func TestOneAudienceAToken(t *testing.T) {
	k := newKit(t)
	k.add("app", oauth.Dynamic)
	q := asks("app", "scope", "mcp files:write")
	q.Add("resource", files)
	code := k.code(q)
	k.token(redeem("app", code)).wants(t, 400, "invalid_target")
	k.token(redeem("app", code, "resource", "https://elsewhere.example/mcp")).wants(t, 400, "invalid_target")
	k.token(redeem("app", code, "resource", crm, "resource", files)).wants(t, 400, "invalid_target")
	first := k.token(redeem("app", code, "resource", crm)).wants(t, 200, "")
	if c := claims(t, first.text("access_token")); c["aud"] != crm || c["scope"] != "mcp" {
		t.Errorf("%v", c)
	}
	refresh := form("grant_type", "refresh_token", "client_id", "app", "refresh_token", first.text("refresh_token"))
	k.token(refresh).wants(t, 400, "invalid_target")
	refresh.Set("resource", files)
	second := k.token(refresh).wants(t, 200, "")
	if c := claims(t, second.text("access_token")); c["aud"] != files || c["scope"] != "files:write mcp" {
		t.Errorf("%v", c)
	}
}

// 2025-03-26: a client that knows the origin only names no resource; the person picks the server.
func TestThePersonPicksTheServer(t *testing.T) {
	k := newKit(t)
	k.add("old", oauth.Dynamic)
	q := asks("old", "resource", "")
	for _, wrong := range []string{"", "https://elsewhere.example/mcp", issuer + "/userinfo"} {
		if to, err := k.allow(newBrowser(), q, wrong); err == nil {
			t.Errorf("%q was picked: %v", wrong, to)
		}
	}
	to, err := k.allow(newBrowser(), q, files)
	if err != nil {
		t.Fatal(err)
	}
	got := k.token(redeem("old", to.Query().Get("code"))).wants(t, 200, "")
	if c := claims(t, got.text("access_token")); c["aud"] != files {
		t.Errorf("%v", c)
	}
}

// Down-scoping: what a person may not have is left out, and what nobody knows too.
func TestScopesAreCutToThePerson(t *testing.T) {
	k := newKit(t)
	k.add("app", oauth.Dynamic)
	for _, c := range []struct {
		name, asked, want string
		groups            []string
	}{
		{"a member", "mcp crm:admin", "crm:admin mcp", []string{"ops"}},
		{"another", "mcp crm:admin", "mcp", []string{"staff"}},
		{"another, who asks for nothing else", "crm:admin", "mcp", nil},
		{"scopes that nobody knows", "mcp repo read:user", "mcp", nil},
		{"nothing asked for", "", "mcp", nil},
	} {
		k.person.Groups = c.groups
		got := k.token(redeem("app", k.code(asks("app", "scope", c.asked, "prompt", "consent")))).wants(t, 200, "")
		if claims(t, got.text("access_token"))["scope"] != c.want || got.text("scope") != c.want {
			t.Errorf("%s: %v", c.name, got.body)
		}
	}
}

// CC-NO-REFRESH, CC-BASELINE, rule 14: client_credentials is for clients that the operator registered.
func TestClientCredentials(t *testing.T) {
	k := newKit(t)
	k.add("ci", oauth.Listed, withSecret("client_credentials"), reaches(crm, files))
	k.add("narrow", oauth.Listed, withSecret("client_credentials"), reaches(files), func(c *oauth.Client) { c.Scope = "files:write" })
	k.add("other", oauth.Listed, withSecret("authorization_code"), reaches(crm))
	k.add("stranger", oauth.Dynamic, withSecret("client_credentials"), reaches(crm))
	k.add("public", oauth.Listed, func(c *oauth.Client) { c.GrantTypes = []string{"client_credentials"} }, reaches(crm))
	ask := func(client string, more ...string) reply {
		return k.token(form(append([]string{"grant_type", "client_credentials"}, more...)...), basic(client)...)
	}
	got := ask("ci", "resource", crm).wants(t, 200, "")
	c := claims(t, got.text("access_token"))
	if c["aud"] != crm || c["sub"] != "ci" || c["client_id"] != "ci" || c["scope"] != "mcp" || c["gid"] != nil || got.body["refresh_token"] != nil {
		t.Errorf("%v %v", c, got.body)
	}
	ask("ci").wants(t, 400, "invalid_target")
	ask("ci", "resource", issuer+"/userinfo").wants(t, 400, "invalid_target")
	ask("ci", "resource", crm, "scope", "crm:admin").wants(t, 400, "invalid_scope") // groups are people's
	ask("ci", "resource", files, "scope", "files:write unheard-of").wants(t, 200, "")
	if c := claims(t, ask("narrow").wants(t, 200, "").text("access_token")); c["aud"] != files || c["scope"] != "files:write" {
		t.Errorf("%v", c)
	}
	ask("narrow", "resource", crm).wants(t, 400, "invalid_target")
	ask("other", "resource", crm).wants(t, 400, "unauthorized_client")
	ask("stranger", "resource", crm).wants(t, 400, "unauthorized_client")
	k.token(form("grant_type", "client_credentials", "client_id", "public", "resource", crm)).wants(t, 400, "unauthorized_client")
	k.token(form("grant_type", "client_credentials", "client_id", "ci", "client_secret", "wrong", "resource", crm)).wants(t, 401, "invalid_client")
	k.token(form("grant_type", "client_credentials", "client_id", "ci", "client_secret", secret, "resource", crm)).wants(t, 200, "")
}

// CC-OAUTH-BCP, AS-CIMD-PKJWT-ENFORCE, RFC 7523 §3: what a client assertion must be.
func TestClientAssertions(t *testing.T) {
	k := newKit(t)
	key, other := newSigner(t, "k1"), newSigner(t, "k1")
	k.add("signs", oauth.Listed, reaches(crm), func(c *oauth.Client) {
		c.TokenAuthMethod, c.JWKS, c.GrantTypes = "private_key_jwt", key.jwks(), []string{"client_credentials"}
	})
	k.add("ci", oauth.Listed, withSecret("client_credentials"), reaches(crm))
	ask := func(assertion string, more ...string) reply {
		v := form(append([]string{"grant_type", "client_credentials", "resource", crm}, more...)...)
		if assertion != "" {
			v.Set("client_assertion", assertion)
			v.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		}
		return k.token(v)
	}
	used := k.assertion(key, "signs")
	ask(used).wants(t, 200, "")
	ask(used).wants(t, 401, "invalid_client")
	ask(k.assertion(key, "signs"), "client_id", "signs").wants(t, 200, "")
	for name, wrong := range map[string]string{
		"another key":              k.assertion(other, "signs"),
		"another audience":         k.assertion(key, "signs", "aud", issuer+"/token"),
		"two audiences":            k.assertion(key, "signs", "aud", []string{issuer, "https://other.example"}),
		"expired":                  k.assertion(key, "signs", "exp", k.now.Add(-time.Minute).Unix()),
		"for ever":                 k.assertion(key, "signs", "exp", k.now.Add(48*time.Hour).Unix()),
		"no jti":                   k.assertion(key, "signs", "jti", nil),
		"no exp":                   k.assertion(key, "signs", "exp", nil),
		"another issuer":           k.assertion(key, "signs", "iss", "ci"),
		"another subject":          k.assertion(key, "signs", "sub", "ci"),
		"a client without key":     k.assertion(key, "ci"),
		"a client that is unknown": k.assertion(key, "nobody"),
		"a DPoP proof":             k.proof(key, "/token"),
		"no JWT":                   "x",
	} {
		if got := ask(wrong); got.Code != 401 || got.text("error") != "invalid_client" {
			t.Errorf("%s: %d %v", name, got.Code, got.body)
		}
	}
	ask("", "client_id", "signs").wants(t, 401, "invalid_client")
	ask("", "client_id", "signs", "client_secret", secret).wants(t, 401, "invalid_client")
	ask(k.assertion(key, "signs"), "client_id", "ci").wants(t, 401, "invalid_client")
	ask(k.assertion(key, "signs"), "client_secret", secret).wants(t, 400, "invalid_request")
}
