package main

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/oauth"
)

// walk is the metadata documents of a server, and what shows that a member of them is true. A member that no function
// shows fails the test: nothing is published that nobody has tried.
type walk struct {
	*many
	t    *testing.T
	b    *browser
	apps int
}

// fresh is a client of its own each time, so that nothing is remembered.
func (w *walk) fresh() *app {
	w.t.Helper()
	w.apps++
	return w.register(fmt.Sprintf(`{"client_name":"App %d","redirect_uris":["%s"]}`, w.apps, callback))
}

// strs are the strings of a member.
func strs(v any) (all []string) {
	list, _ := v.([]any)
	for _, one := range list {
		if text, ok := one.(string); ok {
			all = append(all, text)
		}
	}
	return all
}

// Every member of the metadata that is published is true, and what works is in it.
func TestTheMetadataIsTrue(t *testing.T) {
	m := manyOf(t, "sqlite")
	w := &walk{many: m, t: t, b: m.browser()}
	w.b.signIn()
	shown := map[string]func(any){
		"issuer":                                func(v any) { w.same(v, m.ready.Issuer) },
		"authorization_endpoint":                func(v any) { w.answers(v, "GET", 400) },
		"token_endpoint":                        func(v any) { w.answers(v, "POST", 400) },
		"pushed_authorization_request_endpoint": func(v any) { w.pushes(v) },
		"registration_endpoint":                 func(v any) { w.registers(v) },
		"revocation_endpoint":                   func(v any) { w.answers(v, "POST", 400) },
		"introspection_endpoint":                func(v any) { w.answers(v, "POST", 401) },
		"device_authorization_endpoint":         func(v any) { w.answers(v, "POST", 401) },
		"userinfo_endpoint":                     func(v any) { w.answers(v, "GET", 401) },
		"end_session_endpoint":                  func(v any) { w.answers(v, "GET", 200) },
		"jwks_uri":                              func(v any) { w.signs(v) },
		"request_uri_parameter_supported":       func(v any) { w.same(v, false); w.asked(400, "request_uri", "https://app.example/request") },
		"scopes_supported":                      w.scopes,
		"response_types_supported": func(v any) {
			w.each(v, func(s string) { w.asked(200, "response_type", s) })
			w.asked(400, "response_type", "token")
		},
		"response_modes_supported": func(v any) {
			w.each(v, func(s string) { w.asked(200, "response_mode", s) })
			w.asked(400, "response_mode", "fragment")
		},
		"grant_types_supported":                      w.grantTypes,
		"authorization_grant_profiles_supported":     func(v any) { w.each(v, w.profile) },
		"token_endpoint_auth_methods_supported":      func(v any) { w.each(v, func(s string) { w.authenticates(s, "/token") }) },
		"revocation_endpoint_auth_methods_supported": func(v any) { w.each(v, func(s string) { w.authenticates(s, "/revoke") }) },
		"introspection_endpoint_auth_methods_supported": func(v any) {
			w.each(v, func(s string) { w.authenticates(s, "/introspect") })
		},
		"token_endpoint_auth_signing_alg_values_supported":         w.algorithms,
		"revocation_endpoint_auth_signing_alg_values_supported":    w.algorithms,
		"introspection_endpoint_auth_signing_alg_values_supported": w.algorithms,
		"dpop_signing_alg_values_supported":                        func(v any) { w.algorithms(v); w.bound() },
		"code_challenge_methods_supported": func(v any) {
			w.each(v, func(s string) { w.asked(200, "code_challenge_method", s) })
			w.asked(400, "code_challenge_method", "plain")
		},
		"authorization_details_types_supported": func(v any) { w.each(v, w.details) },
		"prompt_values_supported":               func(v any) { w.each(v, w.prompt); w.asked(400, "prompt", "create") },
		"acr_values_supported": func(v any) {
			w.each(v, func(s string) { w.asked(200, "acr_values", s) })
			w.asked(400, "acr_values", "phr")
		},
		"authorization_response_iss_parameter_supported": func(v any) { w.same(v, true); w.issued() },
		"client_id_metadata_document_supported":          func(v any) { w.same(v, true); w.described() },
		"subject_types_supported":                        func(v any) { w.each(v, func(s string) { w.same(s, "public") }) },
		"id_token_signing_alg_values_supported":          func(v any) { w.each(v, w.identity) },
		"claims_supported":                               w.claims,
	}
	tried := map[string]bool{}
	for _, path := range []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"} {
		for member, value := range m.get(path, "").json(t) {
			if tried[member] && member != "scopes_supported" {
				continue
			}
			show, ok := shown[member]
			if !ok {
				t.Errorf("%s: nothing shows that it is true", member)
				continue
			}
			tried[member] = true
			as(t, m.server, member, func(t *testing.T) {
				w.t, w.b.t = t, t
				show(value)
			})
		}
	}
	for member := range shown {
		if !tried[member] {
			t.Errorf("%s works, and stands in no document", member)
		}
	}
}

func (w *walk) same(got, want any) {
	w.t.Helper()
	if got != want {
		w.t.Errorf("%v, want %v", got, want)
	}
}

func (w *walk) each(v any, show func(string)) {
	w.t.Helper()
	if len(strs(v)) == 0 {
		w.t.Errorf("%v is no list", v)
	}
	for _, s := range strs(v) {
		show(s)
	}
}

// answers asks an endpoint with nothing.
func (w *walk) answers(address any, method string, status int) {
	w.t.Helper()
	r := request(w.t, method, address.(string), "")
	if method == "POST" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if a := do(w.t, http.DefaultClient, r); a.StatusCode != status {
		w.t.Errorf("%s: %s, want %d", address, a.Status, status)
	}
}

func (w *walk) registers(address any) {
	a := do(w.t, http.DefaultClient, request(w.t, "POST", address.(string), `{"redirect_uris":["http://127.0.0.1/cb"]}`, "Content-Type", "application/json"))
	w.same(a.StatusCode, http.StatusCreated)
}

// asked is an authorization request with one parameter changed: 200 is that a page or the client follows.
func (w *walk) asked(status int, changes ...string) {
	w.t.Helper()
	a := w.b.follow(w.fresh().authorizeURL(changes...))
	if status == 200 && a.StatusCode >= 400 || status != 200 && a.StatusCode != status {
		w.t.Errorf("%v: %s, want %d", changes, a.Status, status)
	}
}

func (w *walk) prompt(value string) {
	w.t.Helper()
	if value == "none" { // nothing is remembered for a new client on loopback
		w.asked(403, "prompt", value)
		return
	}
	w.asked(200, "prompt", value)
}

func (w *walk) scopes(v any) {
	for _, scope := range strs(v) {
		app := w.fresh()
		app.redeem(app.code(w.b, "scope", scope)).tokens(w.t)
	}
}

func (w *walk) pushes(address any) {
	app := w.fresh()
	u, err := url.Parse(app.authorizeURL())
	if err != nil {
		w.t.Fatal(err)
	}
	a := w.posted(w.t, strings.TrimPrefix(address.(string), w.ready.Issuer), u.RawQuery)
	if a.StatusCode != http.StatusCreated {
		w.t.Fatalf("%s %s", a.Status, a.body)
	}
	page := w.b.follow("/authorize?" + url.Values{"client_id": {app.ID}, "request_uri": {a.json(w.t)["request_uri"].(string)}}.Encode())
	w.same(page.Request.URL.Path, "/consent")
}

// signs compares the key of a fresh token with the published ones.
func (w *walk) signs(address any) {
	app := w.fresh()
	header := decodedPart(w.t, app.redeem(app.code(w.b)).tokens(w.t).Access, 0)
	for _, k := range do(w.t, http.DefaultClient, request(w.t, "GET", address.(string), "")).json(w.t)["keys"].([]any) {
		if strings.Contains(header, k.(map[string]any)["kid"].(string)) {
			return
		}
	}
	w.t.Errorf("no published key has made %s", header)
}

// grantTypes has each type refused for what it lacks, and not as unknown; others are unknown.
func (w *walk) grantTypes(v any) {
	all := strs(v)
	for _, known := range []string{"authorization_code", "refresh_token", "client_credentials", devicing, bearing, exchanging} {
		if !slices.Contains(all, known) {
			w.t.Errorf("%s works and is not in it", known)
		}
	}
	for _, s := range append(all, "password", "implicit") {
		a := w.form(w.t, "/token", url.Values{"grant_type": {s}, "client_id": {w.fresh().ID}})
		if unknown := a.json(w.t)["error"] == "unsupported_grant_type"; unknown == slices.Contains(all, s) {
			w.t.Errorf("%s: %s", s, a.body)
		}
	}
}

func (w *walk) profile(name string) {
	w.same(name, "urn:ietf:params:oauth:grant-profile:id-jag")
	jwt := w.idp.jwt(map[string]any{"iss": w.keys + "/idp", "sub": "u1", "aud": w.ready.Issuer, "client_id": "desk", "jti": rand.Text(), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()}, map[string]any{"typ": "oauth-id-jag+jwt"})
	w.same(w.form(w.t, "/token", url.Values{"grant_type": {bearing}, "assertion": {jwt}, "resource": {w.at("/mcp")}}, withSecret("desk")...).StatusCode, http.StatusOK)
}

// authenticates has a client authenticate by a method at an endpoint, as far as that the endpoint speaks of something else.
func (w *walk) authenticates(method, path string) {
	w.t.Helper()
	form, header := url.Values{"token": {"x"}, "grant_type": {"authorization_code"}, "code": {"x"}, "code_verifier": {"x"}}, []string(nil)
	switch method {
	case "none":
		form.Set("client_id", w.fresh().ID)
	case "client_secret_basic":
		header = withSecret("agent")
	case "client_secret_post":
		form.Set("client_id", "agent")
		form.Set("client_secret", listedSecret)
	case "private_key_jwt":
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", w.nightly.jwt(map[string]any{"iss": "nightly", "sub": "nightly", "aud": w.ready.Issuer, "jti": rand.Text(), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()}, nil))
	default:
		w.t.Errorf("the method %s: nothing shows that it works", method)
	}
	if a := w.form(w.t, path, form, header...); a.StatusCode == http.StatusUnauthorized {
		w.t.Errorf("%s at %s: %s %s", method, path, a.Status, a.body)
	}
}

// algorithms are tried with keys of each kind in package token; here is that they are the ones that it tries.
func (w *walk) algorithms(v any) {
	w.t.Helper()
	w.same(strings.Join(strs(v), " "), "ES256 ES384 RS256 PS256 EdDSA")
}

func (w *walk) bound() {
	key, app := newSigning(w.t), w.fresh()
	code := app.code(w.b)
	form := url.Values{"grant_type": {"authorization_code"}, "client_id": {app.ID}, "code": {code}, "code_verifier": {app.Verifier}, "resource": {w.ready.Resource}}
	nonce := w.form(w.t, "/token", form, "DPoP", key.proof("POST", w.at("/token"), "", "")).Header.Get("DPoP-Nonce")
	w.same(w.form(w.t, "/token", form, "DPoP", key.proof("POST", w.at("/token"), nonce, "")).json(w.t)["token_type"], "DPoP")
}

func (w *walk) details(kind string) {
	app := w.fresh()
	code := app.code(w.b, "authorization_details", `[{"type":"`+kind+`","id":"t","words":"A task","tools":["whoami"]}]`)
	got := app.redeem(code).tokens(w.t)
	if !strings.Contains(decoded(w.t, got.Access), `"type":"`+kind+`"`) {
		w.t.Errorf("the token says nothing of the task: %s", decoded(w.t, got.Access))
	}
	w.works("the task's tool", got.Access)
	if a := w.call(got.Access, "add", `{"a":1,"b":2}`); a.StatusCode != http.StatusForbidden {
		w.t.Errorf("another tool: %s %s", a.Status, a.body)
	}
}

func (w *walk) issued() {
	app := w.fresh()
	w.same(app.allowed(w.b).Get("iss"), w.ready.Issuer)
}

// described is that a document's address is taken for a client: it is looked for where it says, which is nowhere here.
func (w *walk) described() {
	a := w.b.get((&app{w.t, w.server, "https://client.invalid/document", "", "https://client.invalid/cb", oauth.NewVerifier(), "s"}).authorizeURL())
	if a.StatusCode != http.StatusServiceUnavailable && a.StatusCode != http.StatusUnauthorized || !strings.Contains(a.body, "metadata document") {
		w.t.Errorf("%s %s", a.Status, a.body)
	}
}

func (w *walk) identity(alg string) {
	app := w.fresh()
	a := app.redeem(app.code(w.b, "scope", "openid"), "resource", "").json(w.t)
	if raw, _ := a["id_token"].(string); raw == "" || !strings.Contains(decodedPart(w.t, raw, 0), `"alg":"`+alg+`"`) {
		w.t.Errorf("the ID token: %v", a)
	}
}

func (w *walk) claims(v any) {
	app := w.fresh()
	a := app.redeem(app.code(w.b, "scope", "openid profile", "resource", w.at("/userinfo"), "nonce", "n"), "resource", "").json(w.t)
	info := do(w.t, http.DefaultClient, request(w.t, "GET", w.at("/userinfo"), "", "Authorization", "Bearer "+a["access_token"].(string)))
	both := decoded(w.t, a["id_token"].(string)) + info.body
	for _, claim := range strs(v) {
		if !strings.Contains(both, `"`+claim+`":`) && claim != "groups" { // this person is in none
			w.t.Errorf("%s stands in no answer: %s", claim, both)
		}
	}
}
