package main

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// The entries of the catalogue for authorization servers that no other test names: each a sub-test with its id.
func TestAuthorizationServerRequirements(t *testing.T) {
	m := manyOf(t, "sqlite")
	b := m.browser()
	b.signIn()
	app := m.app()
	document := func(path string) map[string]any { return m.get(path, "").json(t) }
	plain, openID := document("/.well-known/oauth-authorization-server"), document("/.well-known/openid-configuration")
	has := func(t *testing.T, d map[string]any, member string, want ...string) {
		t.Helper()
		all, _ := d[member].([]any)
		for _, w := range want {
			if !slices.Contains(all, any(w)) {
				t.Errorf("%s is %v, without %s", member, d[member], w)
			}
		}
	}
	check := func(id string, test func(t *testing.T)) {
		t.Helper()
		as(t, m.server, id, func(t *testing.T) {
			app.t, b.t = t, t
			test(t)
		})
	}
	check("AS-OAUTH21", func(t *testing.T) {
		for _, grantType := range []string{"password", "implicit", "none"} {
			m.form(t, "/token", url.Values{"grant_type": {grantType}, "client_id": {app.ID}, "username": {"admin"}, "password": {"x"}}).wants(t, 400, "unsupported_grant_type")
		}
		if a := b.get(app.authorizeURL("response_type", "token")); a.StatusCode != 400 || !strings.Contains(a.body, "unsupported_response_type") {
			t.Errorf("%s %s", a.Status, a.body)
		}
	})
	check("AS-GRANT-TYPES", func(t *testing.T) {
		has(t, plain, "grant_types_supported", "authorization_code", "client_credentials", "refresh_token")
	})
	check("AS-0326-FALLBACK", func(t *testing.T) {
		if a := b.get("/authorize"); a.StatusCode != 400 {
			t.Errorf("/authorize: %s", a.Status)
		}
		m.form(t, "/token", url.Values{}).wants(t, 400, "unsupported_grant_type")
		if a := do(t, http.DefaultClient, request(t, "POST", m.at("/register"), `{"redirect_uris":["http://127.0.0.1/cb"]}`, "Content-Type", "application/json")); a.StatusCode != http.StatusCreated {
			t.Errorf("/register: %s", a.Status)
		}
	})
	for _, id := range []string{"AS-0326-METADATA-ROOT", "AS-METADATA-ISSUER"} {
		check(id, func(t *testing.T) {
			if plain["issuer"] != m.ready.Issuer || openID["issuer"] != m.ready.Issuer {
				t.Errorf("%v and %v at %s", plain["issuer"], openID["issuer"], m.ready.Issuer)
			}
		})
	}
	check("AS-METADATA-PATH", func(t *testing.T) {
		for _, path := range []string{"/.well-known/oauth-authorization-server/mcp", "/.well-known/openid-configuration/files"} {
			if a := m.get(path, ""); a.StatusCode != http.StatusOK || a.json(t)["issuer"] != m.ready.Issuer {
				t.Errorf("%s: %s", path, a.Status)
			}
		}
	})
	for id, d := range map[string]map[string]any{"AS-PKCE-ADVERTISE": plain, "AS-PKCE-ADVERTISE-OIDC": openID} {
		check(id, func(t *testing.T) { has(t, d, "code_challenge_methods_supported", "S256") })
	}
	check("AS-PKCE-ENFORCE", func(t *testing.T) {
		for _, changes := range [][]string{{"code_challenge", ""}, {"code_challenge_method", ""}, {"code_challenge_method", "plain"}} {
			if a := b.get(app.authorizeURL(changes...)); a.StatusCode != 400 || a.Header.Get("Location") != "" {
				t.Errorf("%v: %s", changes, a.Status)
			}
		}
		code := app.again().code(b)
		app.redeem(code, "code_verifier", "").wants(t, 400, "invalid_request")
		app.redeem(code, "code_verifier", strings.Repeat("x", 43)).wants(t, 400, "invalid_grant")
		app.redeem(code).tokens(t)
	})
	check("AS-HTTPS", func(t *testing.T) { // loopback is the one exception, and the configuration refuses every other
		for name, value := range plain {
			if u, ok := value.(string); ok && strings.Contains(u, "://") && !strings.HasPrefix(u, m.ready.Issuer) {
				t.Errorf("%s is %s", name, u)
			}
		}
		if status, _, said := ran(t, "protect", "--public-url", "http://mcp.example.com"); status != 2 {
			t.Errorf("a public address without TLS: %d %s", status, said)
		}
	})
	check("AS-REDIRECT-LOCALHOST-HTTPS", func(t *testing.T) {
		for _, redirect := range []string{"http://app.example.com/cb", "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd"} {
			do(t, http.DefaultClient, request(t, "POST", m.at("/register"), `{"redirect_uris":["`+redirect+`"]}`, "Content-Type", "application/json")).wants(t, 400, "invalid_redirect_uri")
		}
	})
	check("AS-REDIRECT-AUTO", func(t *testing.T) {
		if a := b.follow(m.app().authorizeURL()); a.Request.URL.Path != "/consent" || a.StatusCode != http.StatusOK {
			t.Errorf("a new client: %s at %s", a.Status, a.Request.URL)
		}
	})
	for _, id := range []string{"AS-ISS-INCLUDE", "AS-STATE-ECHO"} {
		check(id, func(t *testing.T) {
			for _, answer := range []func() url.Values{func() url.Values { return app.again().allowed(b) }, func() url.Values { return denied(t, app.again(), b) }} {
				if q := answer(); q.Get("iss") != m.ready.Issuer || q.Get("state") != app.State {
					t.Errorf("%v", q)
				}
			}
		})
	}
	check("AS-ISS-ADVERTISE", func(t *testing.T) {
		if plain["authorization_response_iss_parameter_supported"] != true {
			t.Error("not advertised")
		}
	})
	for _, id := range []string{"AS-SHORT-LIVED", "AS-RESPONSE-NOSTORE", "AS-SCOPE-SUBSET"} {
		check(id, func(t *testing.T) {
			a := app.redeem(app.again().code(b, "scope", "mcp unheard-of"))
			got := a.tokens(t)
			if got.Life <= 0 || got.Life > 3600 || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Pragma") != "no-cache" || got.Scope != "mcp" {
				t.Errorf("%+v %v", got, a.Header)
			}
		})
	}
	check("CC-META-AUTH-METHODS", func(t *testing.T) {
		has(t, plain, "token_endpoint_auth_methods_supported", "private_key_jwt", "client_secret_basic", "client_secret_post")
	})
	check("CC-META-ALGS", func(t *testing.T) {
		has(t, plain, "token_endpoint_auth_signing_alg_values_supported", "ES256", "RS256")
		if all, _ := plain["token_endpoint_auth_signing_alg_values_supported"].([]any); slices.Contains(all, any("none")) {
			t.Error("none is advertised")
		}
	})
	check("DPOP-AS-META", func(t *testing.T) {
		has(t, plain, "dpop_signing_alg_values_supported", "ES256")
		for _, alg := range plain["dpop_signing_alg_values_supported"].([]any) {
			if alg == "none" || strings.HasPrefix(alg.(string), "HS") {
				t.Errorf("%s is advertised", alg)
			}
		}
	})
	check("EMA-DISCOVERY", func(t *testing.T) {
		has(t, plain, "authorization_grant_profiles_supported", "urn:ietf:params:oauth:grant-profile:id-jag")
		has(t, plain, "grant_types_supported", bearing)
	})
	for _, id := range []string{"EMA-TLS", "WIF-AS-KEYS"} {
		check(id, func(t *testing.T) {
			text := strings.NewReplacer("$KEYS", "http://keys.example.com", "http://127.0.0.1:$PORT", "https://mcp.example.com").Replace(manyFile)
			if status, said := readsFile(t, text); status != 2 || !strings.Contains(said, "assertion_issuers[0]") {
				t.Errorf("keys over plain HTTP: %d %s", status, said)
			}
		})
	}
	check("EMA-RATE-LIMIT", func(t *testing.T) {
		few := protectFile(t, plainFile+"limits:\n  address_minute: 20\n")
		for n := 0; ; n++ {
			a := few.posted(t, "/token", "grant_type="+url.QueryEscape(bearing)+"&assertion=x")
			if a.StatusCode == http.StatusTooManyRequests {
				if a.Header.Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
				return
			}
			if n > 40 {
				t.Fatal("never throttled")
			}
		}
	})
	check("EMA-PII", func(t *testing.T) { // what an ID-JAG says of the person besides who it is goes nowhere
		jwt := m.idp.jwt(map[string]any{"iss": m.keys + "/idp", "sub": "u1", "aud": m.ready.Issuer, "client_id": "desk", "jti": "pii", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
			"email": "somebody@example.com", "name": "Some Body"}, map[string]any{"typ": "oauth-id-jag+jwt"})
		a := m.form(t, "/token", url.Values{"grant_type": {bearing}, "assertion": {jwt}, "resource": {m.at("/mcp")}}, withSecret("desk")...)
		if a.StatusCode != http.StatusOK {
			t.Fatalf("%s %s", a.Status, a.body)
		}
		for _, words := range []string{"somebody@example.com", "Some Body"} {
			if strings.Contains(decoded(t, a.json(t)["access_token"].(string)), words) || m.holds(words) {
				t.Errorf("%s is kept", words)
			}
		}
	})
}

// The entries on client ID metadata documents.
func TestDocumentRequirements(t *testing.T) {
	p := publish(t, func(p *publisher, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/local" {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"client_id":"` + p.URL + `/local","client_name":"Local","redirect_uris":["http://127.0.0.1/cb"],"logo_uri":"https://logo.example/l.png"}`))
			return
		}
		p.document(w, r, `,"logo_uri":"https://logo.example/l.png"`)
	})
	s := protect(t, "--insecure-loopback-documents", p.ca)
	b := s.browser()
	b.signIn()
	consent := func(path, redirect string) string {
		a := s.described(p.URL + path)
		a.Redirect = redirect
		return b.follow(a.authorizeURL()).body
	}
	for _, id := range []string{"AS-CIMD-SUPPORT", "AS-CIMD-ADVERTISE", "AS-CIMD-DRAFT"} {
		as(t, s, id, func(t *testing.T) {
			b.t = t
			if s.get("/.well-known/oauth-authorization-server", "").json(t)["client_id_metadata_document_supported"] != true {
				t.Error("not advertised")
			}
			app := s.described(p.URL + "/client")
			app.redeem(app.code(b)).tokens(t)
		})
	}
	as(t, s, "AS-CIMD-LOCALHOST-WARN", func(t *testing.T) {
		b.t = t
		local, remote := consent("/local", "http://127.0.0.1:7777/cb"), consent("/client2", "https://app.example/cb")
		if !strings.Contains(local, "Any program on the computer") || strings.Contains(remote, "Any program on the computer") {
			t.Errorf("the warning is missing, or everywhere:\n%s\n%s", local, remote)
		}
	})
	as(t, s, "AS-CIMD-LOGO", func(t *testing.T) {
		b.t = t
		if strings.Contains(consent("/client3", "https://app.example/cb"), "logo.example") {
			t.Error("the page leads the browser to the logo")
		}
	})
}

// denied has the person press Deny, and gives what arrives at the callback.
func denied(t *testing.T, a *app, b *browser) url.Values {
	t.Helper()
	page := b.follow(a.authorizeURL())
	page = b.post("/consent", url.Values{"pending": {page.Request.URL.Query().Get("pending")}, "decision": {"deny"}})
	to, err := page.Location()
	if err != nil {
		t.Fatal(page.Status, page.body)
	}
	if to, err = b.follow(to.String()).Location(); err != nil {
		t.Fatal(err)
	}
	return to.Query()
}

// readsFile has the program read a configuration file, and do nothing with it.
func readsFile(t *testing.T, text string) (status int, said string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "doorward.yaml")
	if err := os.WriteFile(file, []byte(strings.NewReplacer("$PORT", "18080", "$DIR", dir).Replace(text)), 0o600); err != nil {
		t.Fatal(err)
	}
	status, _, said = ran(t, "config", "print", file)
	return status, said
}

// decoded is what a JWT says, unverified.
func decoded(t *testing.T, raw string) string {
	t.Helper()
	return decodedPart(t, raw, 1)
}

func decodedPart(t *testing.T, raw string, n int) string {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[n])
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
