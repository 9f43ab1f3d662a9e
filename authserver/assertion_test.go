package authserver_test

import (
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

const (
	bearerGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	idp         = "https://idp.example"
	platform    = "https://platform.example"
)

// trusting is a kit that trusts an identity provider and a platform, and their keys.
func trusting(t *testing.T) (k *kit, person, workload signer) {
	person, workload = newSigner(t, "p"), newSigner(t, "w")
	keys := func(s signer) token.Keys {
		f, err := token.FixedKeys(s.jwks())
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	k = newKit(t, func(c *authserver.Config) {
		c.Trusts = []authserver.Trust{{Issuer: idp, Keys: keys(person), Identity: true}, {Issuer: platform, Keys: keys(workload)}}
	})
	k.add("desk", oauth.Listed, withSecret(bearerGrant), reaches(crm))
	k.add("deploy", oauth.Listed, reaches(files), func(c *oauth.Client) {
		c.GrantTypes, c.WorkloadIssuer, c.WorkloadSubject = []string{bearerGrant}, platform, "repo:acme/crm"
		c.WorkloadClaims = map[string]string{"repository_id": "42"}
	})
	return k, person, workload
}

// jag is an ID-JAG for the client desk; more are claims besides or instead, typ its typ.
func (k *kit) jag(s signer, typ string, more ...any) string {
	c := map[string]any{"iss": idp, "sub": "u1", "aud": issuer, "client_id": "desk", "jti": time.Now().String(), "iat": k.now.Unix(), "exp": k.now.Add(time.Minute).Unix(), "resource": crm, "scope": "mcp crm:admin"}
	for i := 0; i+1 < len(more); i += 2 {
		if c[more[i].(string)] = more[i+1]; more[i+1] == nil {
			delete(c, more[i].(string))
		}
	}
	return s.sign(k.t, typ, false, c)
}

const jagType = "oauth-id-jag+jwt"

// EMA-JAG-TYP, EMA-JAG-CLAIMS, EMA-JAG-SHORT, EMA-AS-AUD, EMA-AS-CLIENT, EMA-AS-RESOURCE, EMA-AS-RESTRICT, EMA-AS-SCOPES,
// EMA-AS-SIGNATURE, EMA-AS-REPLAY: identity assertions of a configured provider.
func TestIdentityAssertions(t *testing.T) {
	k, person, workload := trusting(t)
	k.add("public", oauth.Listed, func(c *oauth.Client) { c.GrantTypes = []string{bearerGrant} }, reaches(crm))
	k.add("other", oauth.Listed, withSecret(bearerGrant), reaches(crm))
	ask := func(assertion string, more ...string) reply {
		return k.token(form(append([]string{"grant_type", bearerGrant, "assertion", assertion}, more...)...), basic("desk")...)
	}
	good := k.jag(person, jagType)
	got := ask(good).wants(t, 200, "")
	c := claims(t, got.text("access_token"))
	if c["aud"] != crm || c["sub"] != idp+"#u1" || c["client_id"] != "desk" || c["scope"] != "mcp" || got.body["refresh_token"] != nil {
		t.Errorf("%v %v", c, got.body)
	}
	ask(good).wants(t, 400, "invalid_grant")
	if c := claims(t, ask(k.jag(person, jagType, "resource", nil), "resource", crm).wants(t, 200, "").text("access_token")); c["aud"] != crm {
		t.Errorf("%v", c)
	}
	for name, wrong := range map[string]string{
		"typ JWT": k.jag(person, "JWT"), "typ at+jwt": k.jag(person, "at+jwt"),
		"no iss": k.jag(person, jagType, "iss", nil), "no sub": k.jag(person, jagType, "sub", nil), "no aud": k.jag(person, jagType, "aud", nil), "no exp": k.jag(person, jagType, "exp", nil),
		"no iat": k.jag(person, jagType, "iat", nil), "no jti": k.jag(person, jagType, "jti", nil), "no client_id": k.jag(person, jagType, "client_id", nil),
		"expired": k.jag(person, jagType, "exp", k.now.Add(-time.Minute).Unix()), "not yet": k.jag(person, jagType, "nbf", k.now.Add(time.Hour).Unix()),
		"another aud": k.jag(person, jagType, "aud", idp), "two auds": k.jag(person, jagType, "aud", []string{issuer, idp}),
		"another client": k.jag(person, jagType, "client_id", "other"), "another resource": k.jag(person, jagType, "resource", "https://elsewhere.example/mcp"),
		"a resource that the client does not reach": k.jag(person, jagType, "resource", files),
		"another key": k.jag(workload, jagType), "another issuer": k.jag(person, jagType, "iss", "https://evil.example"),
		"bound to a key": k.jag(person, jagType, "cnf", map[string]any{"jkt": "x"}), "narrowed": k.jag(person, jagType, "authorization_details", []any{}), "delegated": k.jag(person, jagType, "act", map[string]any{"sub": "x"}),
		"no JWT": "x",
	} {
		if got := ask(wrong); got.Code != 400 || got.text("error") != "invalid_grant" && got.text("error") != "invalid_target" {
			t.Errorf("%s: %d %v", name, got.Code, got.body)
		}
	}
	ask(k.jag(person, jagType, "scope", "files:write")).wants(t, 400, "invalid_scope")
	ask(k.jag(person, jagType, "scope", "")).wants(t, 400, "invalid_scope")
	ask(k.jag(person, jagType), "resource", files).wants(t, 400, "invalid_grant")
	ask("").wants(t, 400, "invalid_request")
	k.token(form("grant_type", bearerGrant, "assertion", k.jag(person, jagType), "client_id", "public")).wants(t, 400, "unauthorized_client")
	k.token(form("grant_type", bearerGrant, "assertion", k.jag(person, jagType))).wants(t, 401, "invalid_client")
	k.token(form("grant_type", bearerGrant, "assertion", k.jag(person, jagType)), basic("other")...).wants(t, 400, "invalid_grant")
}

// WIF-JWT-CLAIMS, WIF-AS-GRANT, WIF-AS-TRUST, WIF-AS-NO-TRANSCRIBE: a workload is the client that the operator listed it as.
func TestWorkloads(t *testing.T) {
	k, person, workload := trusting(t)
	jwt := func(s signer, more ...any) string {
		return k.assertion(s, platform, append([]any{"sub", "repo:acme/crm", "repository_id", "42", "scope", "files:write crm:admin", "groups", []string{"ops"}}, more...)...)
	}
	ask := func(assertion string, more ...string) reply {
		return k.token(form(append([]string{"grant_type", bearerGrant, "assertion", assertion}, more...)...))
	}
	good := jwt(workload)
	got := ask(good).wants(t, 200, "")
	c := claims(t, got.text("access_token"))
	if c["aud"] != files || c["sub"] != "deploy" || c["client_id"] != "deploy" || c["scope"] != "mcp" || c["groups"] != nil {
		t.Errorf("%v", c)
	}
	ask(good).wants(t, 200, "") // while it lives: its platform gives no other
	ask(jwt(workload), "resource", crm).wants(t, 400, "invalid_target")
	k.add("build", oauth.Listed, reaches(files), func(c *oauth.Client) {
		c.GrantTypes, c.WorkloadIssuer, c.WorkloadSubject = []string{bearerGrant}, platform, "repo:acme/build"
	})
	ask(jwt(workload), "client_id", "deploy").wants(t, 200, "")
	ask(jwt(workload), "client_id", "build").wants(t, 400, "invalid_grant")
	for name, wrong := range map[string]string{
		"another workload": jwt(workload, "sub", "repo:acme/other"), "another repository of that name": jwt(workload, "repository_id", "43"), "no such claim": jwt(workload, "repository_id", nil),
		"another issuer": jwt(workload, "iss", "https://evil.example"), "another key": jwt(person), "another audience": jwt(workload, "aud", "https://other.example"),
		"no sub": jwt(workload, "sub", nil), "no jti": jwt(workload, "jti", nil), "no exp": jwt(workload, "exp", nil), "no iat": jwt(workload, "iat", nil), "expired": jwt(workload, "exp", k.now.Add(-time.Minute).Unix()),
	} {
		if got := ask(wrong); got.Code != 400 || got.text("error") != "invalid_grant" {
			t.Errorf("%s: %d %v", name, got.Code, got.body)
		}
	}
	k.token(form("grant_type", bearerGrant, "assertion", jwt(workload), "client_id", "deploy", "client_secret", "x")).wants(t, 401, "invalid_client")
	newKit(t).token(form("grant_type", bearerGrant, "assertion", jwt(workload))).wants(t, 400, "unsupported_grant_type")
}
