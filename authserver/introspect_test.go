package authserver_test

import (
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/oauth"
)

// RFC 7662 §2: a resource server learns of the tokens that are for it, and of no other.
func TestIntrospection(t *testing.T) {
	k := newKit(t)
	k.add("app", oauth.Dynamic)
	k.add("rs", oauth.Listed, withSecret("none"), serves(crm))
	k.add("files", oauth.Listed, withSecret("none"), serves(files))
	k.add("client", oauth.Listed, withSecret("authorization_code"))
	k.add("stranger", oauth.Dynamic, withSecret("authorization_code"), serves(crm))
	got := k.token(redeem("app", k.code(asks("app")))).wants(t, 200, "")
	ask := func(client, raw string) reply {
		return k.send("POST", "/introspect", form("token", raw).Encode(), basic(client)...)
	}
	said := ask("rs", got.text("access_token")).wants(t, 200, "")
	for name, want := range map[string]any{"active": true, "iss": issuer, "sub": "alice", "aud": crm, "client_id": "app", "scope": "mcp", "token_type": "Bearer", "acr": alice.ACR} {
		if said.body[name] != want {
			t.Errorf("%s is %v", name, said.body[name])
		}
	}
	silent := func(name string, r reply) {
		t.Helper()
		if r.Code != 200 || len(r.body) != 1 || r.body["active"] != false {
			t.Errorf("%s: %d %v", name, r.Code, r.body)
		}
	}
	silent("a token for another", ask("files", got.text("access_token")))
	silent("a refresh token", ask("rs", got.text("refresh_token")))
	silent("an altered token", ask("rs", got.text("access_token")+"x"))
	silent("nonsense", ask("rs", "x"))
	ask("client", got.text("access_token")).wants(t, 403, "unauthorized_client")
	ask("stranger", got.text("access_token")).wants(t, 403, "unauthorized_client")
	k.send("POST", "/introspect", form("token", got.text("access_token")).Encode()).wants(t, 401, "invalid_client")
	k.send("POST", "/introspect", form("token", got.text("access_token"), "client_id", "app").Encode()).wants(t, 403, "unauthorized_client")
	ask("rs", "").wants(t, 400, "invalid_request")
	k.send("GET", "/introspect", "").wants(t, 405, "invalid_request")

	k.send("POST", "/revoke", form("client_id", "stranger", "client_secret", secret, "token", got.text("access_token")).Encode()).wants(t, 200, "")
	if r := ask("rs", got.text("access_token")); r.body["active"] != true {
		t.Error("another client took the token back")
	}
	k.send("POST", "/revoke", form("client_id", "app", "token", got.text("access_token")).Encode()).wants(t, 200, "")
	silent("a token that was taken back", ask("rs", got.text("access_token")))
	next := k.token(form("grant_type", "refresh_token", "client_id", "app", "refresh_token", got.text("refresh_token"))).wants(t, 200, "")
	if r := ask("rs", next.text("access_token")); r.body["active"] != true {
		t.Error("taking one token back ended the grant")
	}
	k.now = k.now.Add(11 * time.Minute)
	silent("a token that has expired", ask("rs", next.text("access_token")))
}

// OpenID Connect Core §5.3, rule 1: UserInfo takes the tokens that are for it, and says what their scopes say.
func TestUserInfo(t *testing.T) {
	k := newKit(t)
	key := newSigner(t, "k")
	k.add("app", oauth.Dynamic)
	ask := func(header ...string) reply { return k.send("GET", "/userinfo", "", header...) }
	signIn := func(scope string, more ...string) reply {
		return k.token(redeem("app", k.code(asks("app", append([]string{"scope", scope, "resource", "", "nonce", "n1"}, more...)...)))).wants(t, 200, "")
	}
	whole := signIn("openid profile")
	if c := claims(t, whole.text("access_token")); c["aud"] != issuer+"/userinfo" {
		t.Errorf("%v", c)
	}
	id := claims(t, whole.text("id_token"))
	for name, want := range map[string]any{"iss": issuer, "sub": "alice", "aud": "app", "nonce": "n1", "acr": alice.ACR, "auth_time": float64(alice.At.Unix()), "preferred_username": "alice"} {
		if id[name] != want {
			t.Errorf("%s is %v", name, id[name])
		}
	}
	got := ask("Authorization", "Bearer "+whole.text("access_token")).wants(t, 200, "")
	if got.body["sub"] != "alice" || got.body["preferred_username"] != "alice" || got.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%v", got.body)
	}
	got = ask("Authorization", "Bearer "+signIn("openid").text("access_token")).wants(t, 200, "")
	if len(got.body) != 1 || got.body["sub"] != "alice" {
		t.Errorf("openid alone tells %v", got.body)
	}
	mcp := signIn("openid mcp", "resource", crm)
	if mcp.text("id_token") == "" {
		t.Error("no ID token beside a token for a server")
	}
	for name, header := range map[string][]string{
		"no token": nil, "a token for a server": {"Authorization", "Bearer " + mcp.text("access_token")}, "an ID token": {"Authorization", "Bearer " + whole.text("id_token")},
		"a refresh token": {"Authorization", "Bearer " + whole.text("refresh_token")}, "unbound, as bound": {"Authorization", "DPoP " + whole.text("access_token"), "DPoP", k.proof(key, "/userinfo", "htm", "GET")},
		"two tokens": {"Authorization", "Bearer x", "Authorization", "Bearer y"},
	} {
		if got := ask(header...); got.Code != 401 || got.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %d %v", name, got.Code, got.body)
		}
	}
	k.send("POST", "/revoke", form("client_id", "app", "token", whole.text("refresh_token")).Encode()).wants(t, 200, "")
	ask("Authorization", "Bearer "+whole.text("access_token")).wants(t, 401, "invalid_token")
}

// OpenID Connect Core §3.1.2.1, RFC 9470 §4: prompt, max_age, acr_values.
func TestHowThePersonSignsIn(t *testing.T) {
	k := newKit(t)
	k.add("app", oauth.Dynamic)
	k.add("fixed", oauth.Listed)
	first := func(more ...string) (string, error) {
		to, err := k.visit(newBrowser(), issuer+"/authorize?"+asks("fixed", more...).Encode(), k.s.Authorize)
		if err != nil {
			return "", err
		}
		return to.Path, nil
	}
	k.code(asks("fixed"))
	for _, c := range []struct {
		name, path, code string
		more             []string
	}{
		{"remembered", "/cb", "", nil},
		{"no page wanted, none needed", "/cb", "", []string{"prompt", "none"}},
		{"sign in again", "/sign-in", "", []string{"prompt", "login"}},
		{"another account", "/sign-in", "", []string{"prompt", "select_account"}},
		{"ask again", "/consent", "", []string{"prompt", "consent"}},
		{"signed in a minute ago, two are allowed", "/cb", "", []string{"max_age", "120"}},
		{"signed in a minute ago, half of one is allowed", "/sign-in", "", []string{"max_age", "30"}},
		{"only just now", "/sign-in", "", []string{"max_age", "0"}},
		{"the way that there is", "/cb", "", []string{"acr_values", "phr " + alice.ACR}},
		{"no page wanted, but too old", "", "login_required", []string{"prompt", "none", "max_age", "30"}},
		{"no page wanted, but more scope", "", "consent_required", []string{"prompt", "none", "scope", "mcp offline_access"}},
		{"a stronger way", "", "unmet_authentication_requirements", []string{"acr_values", "phr"}},
		{"an unknown prompt", "", "invalid_request", []string{"prompt", "create"}},
		{"none and more", "", "invalid_request", []string{"prompt", "none login"}},
		{"no number", "", "invalid_request", []string{"max_age", "soon"}},
	} {
		path, err := first(c.more...)
		if c.code == "" && (err != nil || path != c.path) || c.code != "" && !refused(err, c.code) {
			t.Errorf("%s: %q, %v", c.name, path, err)
		}
	}
	if to, err := k.allow(newBrowser(), asks("app", "prompt", "login", "max_age", "0"), ""); err != nil || to.Query().Get("code") == "" {
		t.Errorf("signed in again, and no code: %v, %v", to, err)
	}
	k.person = nil
	if _, err := first("prompt", "none"); !refused(err, "login_required") {
		t.Errorf("nobody is signed in: %v", err)
	}
}

// Every endpoint bounds how often one address and one client ask. RFC 6585 §4.
func TestRates(t *testing.T) {
	k := newKit(t, func(c *authserver.Config) { c.Limits = authserver.Limits{Address: 6, Client: 3} })
	k.add("ci", oauth.Listed, withSecret("client_credentials"), reaches(crm))
	v := form("grant_type", "client_credentials", "resource", crm)
	for n, want := range []int{200, 200, 200, 429, 429, 429, 429} {
		got := k.token(v, basic("ci")...)
		if got.Code != want || (want == 429) != (got.Header().Get("Retry-After") != "") {
			t.Errorf("request %d: %d %v", n+1, got.Code, got.body)
		}
	}
	for _, path := range []string{"/jwks", "/userinfo", "/.well-known/oauth-authorization-server"} {
		k.send("GET", path, "").wants(t, 429, "temporarily_unavailable")
	}
	k.now = k.now.Add(time.Minute)
	k.token(v, basic("ci")...).wants(t, 200, "")
	// Whoever says to be a public client empties nobody's bucket but his own.
	k = newKit(t, func(c *authserver.Config) { c.Limits = authserver.Limits{Address: 100, Client: 3} })
	k.add("app", oauth.Dynamic)
	for range 10 {
		k.token(redeem("app", "x")).wants(t, 400, "invalid_grant")
	}
}
