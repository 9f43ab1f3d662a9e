package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/doorward-mcp/doorward/oauth"
)

// manyFile is two servers and a client of each kind. IDP and CLUSTER are issuers of assertions.
const manyFile = `public_url: http://127.0.0.1:$PORT
listen: 127.0.0.1:$PORT
data: $DIR/data
policy: scopes-only
registration:
  mode: open
  limits:
    registrations_minute: 1000
servers:
  crm:
    path: /mcp
    name: CRM
    demo: true
    device_authorization: true
  files:
    path: /files
    name: Files
    demo: true
    dpop:
      nonce: true
clients:
  listed:
    - client_id: desktop
      client_name: Desktop
      redirect_uris: [https://desktop.example/callback]
      post_logout_redirect_uris: [https://desktop.example/bye]
    - client_id: agent
      client_name: CRM agent
      redirect_uris: [https://agent.example/callback]
      grant_types: [authorization_code, "urn:ietf:params:oauth:grant-type:token-exchange"]
      secret: ${env:LISTED_SECRET}
      serves: [crm]
      reaches: [files]
    - client_id: archivist
      client_name: File agent
      redirect_uris: [https://archivist.example/callback]
      grant_types: [authorization_code, "urn:ietf:params:oauth:grant-type:token-exchange"]
      secret: ${env:LISTED_SECRET}
      serves: [files]
      reaches: [crm]
    - client_id: nightly
      grant_types: [client_credentials]
      jwks_uri: $KEYS/nightly
      reaches: [crm]
    - client_id: desk
      grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
      secret: ${env:LISTED_SECRET}
      reaches: [crm]
    - client_id: reports
      grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
      reaches: [crm]
      workload:
        issuer: $KEYS
        subject: reports
    - client_id: tv
      client_name: Living room
      grant_types: ["urn:ietf:params:oauth:grant-type:device_code", refresh_token]
assertion_issuers:
  - issuer: $KEYS
    kind: workload
    jwks_uri: $KEYS/cluster
  - issuer: $KEYS/idp
    kind: identity
    jwks_uri: $KEYS/idp-keys
`

const listedSecret = "0123456789abcdef0123456789abcdef"

// signing is a key that an attacker, or a client, signs with.
type signing struct {
	t       testing.TB
	private *ecdsa.PrivateKey
	id      string
}

func newSigning(t testing.TB) *signing {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &signing{t, private, rand.Text()}
}

// jwt signs claims; more are members of the header besides.
func (k *signing) jwt(claims map[string]any, more map[string]any) string {
	header := map[string]any{"alg": "ES256", "kid": k.id}
	maps.Copy(header, more)
	return jws(k.t, header, claims, es256(k.t, k.private))
}

func (k *signing) public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.private.Public(), KeyID: k.id, Algorithm: "ES256", Use: "sig"}
}

// proof is a DPoP proof for a request; access is the token that comes with it.
func (k *signing) proof(method, address, nonce, access string) string {
	claims := map[string]any{"jti": rand.Text(), "htm": method, "htu": address, "iat": time.Now().Unix()}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	if access != "" {
		claims["ath"] = oauth.S256(access)
	}
	jwk := k.public()
	return k.jwt(claims, map[string]any{"typ": "dpop+jwt", "jwk": jose.JSONWebKey{Key: jwk.Key}})
}

// many is a running server with manyFile, and the keys of those whose assertions it takes.
type many struct {
	*server
	nightly, cluster, idp *signing
	keys                  string // the issuer of workloads, where all keys lie
}

// manyOf starts it on a database: "sqlite", or a PostgreSQL of the test's own.
func manyOf(t *testing.T, database string) *many {
	t.Helper()
	m := &many{nightly: newSigning(t), cluster: newSigning(t), idp: newSigning(t)}
	published := map[string]*signing{"/nightly": m.nightly, "/cluster": m.cluster, "/idp-keys": m.idp}
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k, ok := published[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{k.public()}})
	}))
	t.Cleanup(keys.Close)
	m.keys = keys.URL
	text := strings.ReplaceAll(manyFile, "$KEYS", keys.URL)
	if database != "sqlite" {
		text += "database: '" + database + "'\n"
	}
	m.server = protectFile(t, text, "LISTED_SECRET="+listedSecret)
	m.ready.Resource = m.at("/mcp")
	return m
}

// onBoth runs a test on both databases.
func onBoth(t *testing.T, test func(t *testing.T, m *many)) {
	t.Run("SQLite", func(t *testing.T) { test(t, manyOf(t, "sqlite")) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, manyOf(t, privatePostgres(t))) })
}

// listed is a listed client as an app.
func (m *many) listed(id, redirect string) *app {
	return &app{m.t, m.server, id, "", redirect, oauth.NewVerifier(), rand.Text()}
}

// form sends a token request; header are pairs.
func (m *many) form(t testing.TB, path string, v url.Values, header ...string) answer {
	t.Helper()
	return m.posted(t, path, v.Encode(), header...)
}

func withSecret(id string) []string {
	return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+listedSecret))}
}

const (
	exchanging = "urn:ietf:params:oauth:grant-type:token-exchange"
	bearing    = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	devicing   = "urn:ietf:params:oauth:grant-type:device_code"
)

func (m *many) exchange(t testing.TB, actor, subject, target string, header ...string) answer {
	t.Helper()
	return m.form(t, "/token", url.Values{"grant_type": {exchanging}, "subject_token": {subject}, "resource": {m.at(target)},
		"subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"}}, append(withSecret(actor), header...)...)
}

// A token that was stolen from one server, or that one agent holds, opens no other: exchanges are for whom the operator listed,
// of tokens that were meant for them, with the person's consent, and never in a circle. RFC 8693.
func TestAttackByExchange(t *testing.T) {
	onBoth(t, func(t *testing.T, m *many) {
		b := m.browser()
		b.signIn()
		desktop := m.listed("desktop", "https://desktop.example/callback")
		first := desktop.redeem(desktop.code(b)).tokens(t)
		subject, refresh := first.Access, first.Refresh
		m.exchange(t, "agent", subject, "/files").wants(t, 400, "invalid_grant") // nobody consented
		consent := func(id, target string) {
			a := m.listed(id, "https://"+id+".example/callback")
			a.code(b, "resource", m.at(target))
		}
		consent("agent", "/files")
		got := m.exchange(t, "agent", subject, "/files")
		if got.StatusCode != http.StatusOK {
			t.Fatalf("%s %s", got.Status, got.body)
		}
		acting := got.json(t)["access_token"].(string)
		m.exchange(t, "archivist", subject, "/mcp").wants(t, 400, "invalid_request") // stolen from the CRM
		m.exchange(t, "agent", subject, "/mcp").wants(t, 400, "invalid_target")
		m.exchange(t, "desktop", subject, "/files").wants(t, 401, "invalid_client")
		stranger := m.register(`{"client_name":"Stranger","redirect_uris":["https://stranger.example/cb"],"grant_types":["authorization_code","` + exchanging + `","client_credentials"]}`)
		for _, grantType := range []string{exchanging, "client_credentials"} {
			m.form(t, "/token", url.Values{"grant_type": {grantType}, "client_id": {stranger.ID}, "client_secret": {stranger.Secret}, "subject_token": {subject}, "resource": {m.at("/files")},
				"subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"}}).wants(t, 400, "unauthorized_client")
		}
		consent("archivist", "/mcp")
		back := m.exchange(t, "archivist", acting, "/mcp")
		if back.StatusCode != http.StatusOK {
			t.Fatalf("%s %s", back.Status, back.body)
		}
		m.exchange(t, "agent", back.json(t)["access_token"].(string), "/files").wants(t, 400, "invalid_request") // the circle
		// What came of a token lives by itself; what ends the grant ends both.
		m.works("delegated", back.json(t)["access_token"].(string))
		if a := m.form(t, "/revoke", url.Values{"token": {subject}, "client_id": {"desktop"}}); a.StatusCode != http.StatusOK {
			t.Fatalf("%s %s", a.Status, a.body)
		}
		m.exchange(t, "agent", subject, "/files").wants(t, 400, "invalid_request")
		m.works("what came of a token that was taken back by itself", back.json(t)["access_token"].(string))
		if a := m.form(t, "/revoke", url.Values{"token": {refresh}, "client_id": {"desktop"}}); a.StatusCode != http.StatusOK {
			t.Fatalf("%s %s", a.Status, a.body)
		}
		m.refuses("what came of a grant that was taken back", back.json(t)["access_token"].(string))
	})
}

// RFC 9449: a token that is bound to a key is worth nothing without it, nor is a proof a second time or elsewhere.
func TestAttackOnBoundTokens(t *testing.T) {
	onBoth(t, func(t *testing.T, m *many) {
		b := m.browser()
		b.signIn()
		key, thief := newSigning(t), newSigning(t)
		desktop := m.listed("desktop", "https://desktop.example/callback")
		code := desktop.code(b)
		form := url.Values{"grant_type": {"authorization_code"}, "client_id": {"desktop"}, "code": {code}, "code_verifier": {desktop.Verifier}}
		first := m.form(t, "/token", form, "DPoP", key.proof("POST", m.at("/token"), "", ""))
		first.wants(t, 400, "use_dpop_nonce")
		nonce := first.Header.Get("DPoP-Nonce")
		used := key.proof("POST", m.at("/token"), nonce, "")
		got := m.form(t, "/token", form, "DPoP", used)
		if got.StatusCode != http.StatusOK || got.json(t)["token_type"] != "DPoP" {
			t.Fatalf("%s %s", got.Status, got.body)
		}
		access, refresh := got.json(t)["access_token"].(string), got.json(t)["refresh_token"].(string)
		again := url.Values{"grant_type": {"refresh_token"}, "client_id": {"desktop"}, "refresh_token": {refresh}}
		m.form(t, "/token", again, "DPoP", used).wants(t, 400, "invalid_dpop_proof")
		m.form(t, "/token", again).wants(t, 400, "invalid_grant")
		m.form(t, "/token", again, "DPoP", thief.proof("POST", m.at("/token"), nonce, "")).wants(t, 400, "invalid_grant")

		call := func(token, scheme, proof string) answer {
			r := request(t, "POST", m.ready.Resource, callBody("whoami", "{}"), append([]string{"Content-Type", "application/json", "Accept", "application/json, text/event-stream", "Authorization", scheme + " " + token}, callHeaders("whoami")...)...)
			if proof != "" {
				r.Header.Set("DPoP", proof)
			}
			return do(t, http.DefaultClient, r)
		}
		proof := key.proof("POST", m.ready.Resource, "", access)
		if a := call(access, "DPoP", proof); a.StatusCode != http.StatusOK {
			t.Fatalf("%s %s", a.Status, a.body)
		}
		for name, a := range map[string]answer{
			"the proof again":          call(access, "DPoP", proof),
			"as a bearer token":        call(access, "Bearer", ""),
			"without a proof":          call(access, "DPoP", ""),
			"with a thief's proof":     call(access, "DPoP", thief.proof("POST", m.ready.Resource, "", access)),
			"a proof of another token": call(access, "DPoP", key.proof("POST", m.ready.Resource, "", access+"x")),
			"a proof of no token":      call(access, "DPoP", key.proof("POST", m.ready.Resource, "", "")),
			"a proof elsewhere":        call(access, "DPoP", key.proof("POST", m.at("/files"), "", access)),
			"a proof of another verb":  call(access, "DPoP", key.proof("GET", m.ready.Resource, "", access)),
		} {
			if a.StatusCode != http.StatusUnauthorized || !strings.Contains(strings.Join(a.Header.Values("WWW-Authenticate"), ", "), "DPoP") {
				t.Errorf("%s: %s %v", name, a.Status, a.Header.Values("WWW-Authenticate"))
			}
		}
		app := m.app()
		plain := app.redeem(app.code(b)).tokens(t)
		if a := call(plain.Access, "DPoP", key.proof("POST", m.ready.Resource, "", plain.Access)); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("an unbound token under DPoP: %s", a.Status)
		}
	})
}

// RFC 7523: assertions of clients, platforms and identity providers are taken once, here, from whom they are.
func TestAttackWithAssertions(t *testing.T) {
	onBoth(t, func(t *testing.T, m *many) {
		claims := func(issuer, subject string, more ...any) map[string]any {
			c := map[string]any{"iss": issuer, "sub": subject, "aud": m.ready.Issuer, "jti": rand.Text(), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()}
			for i := 0; i+1 < len(more); i += 2 {
				c[more[i].(string)] = more[i+1]
			}
			return c
		}
		jag := map[string]any{"typ": "oauth-id-jag+jwt"}
		for _, c := range []struct {
			name string
			ask  func(jwt string) answer
			good func(more ...any) string
			code string
		}{
			{"of a client", func(jwt string) answer {
				return m.form(t, "/token", url.Values{"grant_type": {"client_credentials"}, "client_assertion": {jwt}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}})
			}, func(more ...any) string { return m.nightly.jwt(claims("nightly", "nightly", more...), nil) }, "invalid_client"},
			{"of a workload", func(jwt string) answer {
				return m.form(t, "/token", url.Values{"grant_type": {bearing}, "assertion": {jwt}})
			}, func(more ...any) string { return m.cluster.jwt(claims(m.keys, "reports", more...), nil) }, "invalid_grant"},
			{"of an identity provider", func(jwt string) answer {
				return m.form(t, "/token", url.Values{"grant_type": {bearing}, "assertion": {jwt}, "resource": {m.at("/mcp")}}, withSecret("desk")...)
			}, func(more ...any) string {
				return m.idp.jwt(claims(m.keys+"/idp", "u1", append([]any{"client_id", "desk"}, more...)...), jag)
			}, "invalid_grant"},
		} {
			as(t, m.server, c.name, func(t *testing.T) {
				good := c.good()
				a := c.ask(good)
				if a.StatusCode != http.StatusOK {
					t.Fatalf("%s %s", a.Status, a.body)
				}
				m.works(c.name, a.json(t)["access_token"].(string))
				for name, jwt := range map[string]string{
					"replayed": good, "for another audience": c.good("aud", "https://other.example"), "for two audiences": c.good("aud", []string{m.ready.Issuer, "https://other.example"}),
					"expired": c.good("exp", time.Now().Add(-time.Minute).Unix()), "of another subject": c.good("sub", "somebody"), "of another issuer": c.good("iss", "https://evil.example"),
					"for ever": c.good("exp", time.Now().Add(1000*time.Hour).Unix()), "altered": c.good()[:60] + "A" + c.good()[61:], "unsigned": jws(t, map[string]any{"alg": "none"}, claims("nightly", "nightly"), nil),
				} {
					switch c.name + ": " + name {
					case "of an identity provider: of another subject": // whoever the provider says
						continue
					case "of a workload: replayed": // it is good as long as its platform says
						continue
					}
					if a := c.ask(jwt); a.StatusCode != http.StatusBadRequest && a.StatusCode != http.StatusUnauthorized || a.json(t)["error"] != c.code {
						t.Errorf("%s: %s %s", name, a.Status, a.body)
					}
				}
			})
		}
		m.form(t, "/token", url.Values{"grant_type": {bearing}, "resource": {m.at("/mcp")},
			"assertion": {m.idp.jwt(claims(m.keys+"/idp", "u1", "client_id", "agent"), jag)}}, withSecret("desk")...).wants(t, 400, "invalid_grant")
	})
}

// RFC 8628 §5.4: whoever sends somebody a device's link gets nothing that the person did not compare and allow.
func TestAttackByDevice(t *testing.T) {
	m := manyOf(t, "sqlite")
	begun := m.form(t, "/device_authorization", url.Values{"client_id": {"tv"}}).json(t)
	link, code := begun["verification_uri_complete"].(string), begun["device_code"].(string)
	victim := m.browser()
	victim.signIn()
	page := victim.follow(link)
	if page.StatusCode != http.StatusOK || !strings.Contains(page.body, "somebody sent you") {
		t.Errorf("the page does not warn: %s %s", page.Status, page.body)
	}
	poll := func() answer {
		return m.form(t, "/token", url.Values{"grant_type": {devicing}, "client_id": {"tv"}, "device_code": {code}})
	}
	poll().wants(t, 400, "authorization_pending")
	// Another site cannot type the code for the person.
	typed := url.Values{"user_code": {begun["user_code"].(string)}}
	forged := victim.do(request(t, "POST", m.at("/device"), typed.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"))
	if forged.StatusCode != http.StatusForbidden {
		t.Errorf("a form of another site: %s", forged.Status)
	}
	sent := victim.post("/device", typed)
	to, err := sent.Location()
	if err != nil {
		t.Fatal(sent.Status, sent.body)
	}
	consent := victim.follow(to.String())
	for _, must := range []string{begun["user_code"].(string), "Living room", "127.0.0.1", "deny it"} {
		if !strings.Contains(consent.body, must) {
			t.Errorf("the consent page lacks %q", must)
		}
	}
	// The attacker's browser cannot answer in the victim's place.
	pending := consent.Request.URL.Query().Get("pending")
	attacker := m.browser()
	if a := attacker.post("/consent", url.Values{"pending": {pending}, "decision": {"allow"}}); a.StatusCode != http.StatusForbidden {
		t.Errorf("from another browser: %s", a.Status)
	}
	victim.post("/consent", url.Values{"pending": {pending}, "decision": {"deny"}})
	time.Sleep(5 * time.Second) // the interval that the device was told
	poll().wants(t, 400, "access_denied")
	for n := 0; ; n++ { // guesses
		if a := attacker.post("/device", url.Values{"user_code": {"BBBB-BBBB"}}); a.StatusCode == http.StatusTooManyRequests {
			break
		} else if n > 20 {
			t.Fatal("guesses are not bounded")
		}
	}
	m.form(t, "/device_authorization", url.Values{"client_id": {m.app().ID}}).wants(t, 400, "unauthorized_client")
}

// What says who a person is opens no server, and what opens a server does not say who the person is. Nobody learns of a token
// that is not for him, or leads people away by signing them out.
func TestAttackAcrossEndpoints(t *testing.T) {
	m := manyOf(t, "sqlite")
	b := m.browser()
	b.signIn()
	desktop := m.listed("desktop", "https://desktop.example/callback")
	got := desktop.redeem(desktop.code(b, "scope", "openid mcp")).json(t)
	access, identity := got["access_token"].(string), got["id_token"].(string)
	m.works("its own", access)
	m.refuses("an ID token", identity)
	info := func(token string) answer {
		return do(t, http.DefaultClient, request(t, "GET", m.at("/userinfo"), "", "Authorization", "Bearer "+token))
	}
	info(access).wants(t, 401, "invalid_token")
	info(identity).wants(t, 401, "invalid_token")
	if a := m.form(t, "/introspect", url.Values{"token": {access}}, withSecret("archivist")...); a.body != "{\"active\":false}\n" {
		t.Errorf("another server learns %s", a.body)
	}
	if a := m.form(t, "/introspect", url.Values{"token": {access}}, withSecret("agent")...); a.json(t)["active"] != true {
		t.Errorf("its own server learns %s", a.body)
	}
	m.form(t, "/introspect", url.Values{"token": {access}}, withSecret("desk")...).wants(t, 403, "unauthorized_client")

	logout := func(who *browser, more ...string) answer {
		q := url.Values{}
		for i := 0; i+1 < len(more); i += 2 {
			q.Set(more[i], more[i+1])
		}
		return who.get("/logout?" + q.Encode())
	}
	logout(b, "client_id", "desktop", "post_logout_redirect_uri", "https://evil.example/").stays(t, "an address that nobody registered", 400)
	logout(b, "post_logout_redirect_uri", "https://desktop.example/bye").stays(t, "an address of nobody's", 400)
	logout(b, "id_token_hint", access).stays(t, "an access token as a hint", 400)
	if a := logout(b, "client_id", "desktop"); a.StatusCode != http.StatusOK || !strings.Contains(a.body, "Stay signed in") {
		t.Errorf("without a hint: %s %s", a.Status, a.body)
	}
	if a := b.get("/"); !strings.Contains(a.body, "You are signed in") {
		t.Error("a link signed the person out")
	}
	a := logout(b, "id_token_hint", identity, "post_logout_redirect_uri", "https://desktop.example/bye", "state", "s")
	if a.Header.Get("Location") != "https://desktop.example/bye?state=s" {
		t.Errorf("%s to %s", a.Status, a.Header.Get("Location"))
	}
	if a := b.get("/"); strings.Contains(a.body, "You are signed in") {
		t.Error("the person is signed in still")
	}
}

// Every form is refused when another site sends it, whatever cookies come with it.
func TestAttackOnEveryForm(t *testing.T) {
	m := manyOf(t, "sqlite")
	b := m.browser()
	b.signIn()
	for _, path := range []string{"/sign-in", "/consent", "/device", "/logout", "/sign-out", "/link/" + strings.Repeat("A", 26)} {
		for name, header := range map[string][]string{"by fetch metadata": {"Sec-Fetch-Site", "cross-site"}, "by origin": {"Origin", "https://evil.example"}} {
			a := b.do(request(t, "POST", m.at(path), "decision=allow", append([]string{"Content-Type", "application/x-www-form-urlencoded"}, header...)...))
			if a.StatusCode != http.StatusForbidden {
				t.Errorf("%s, %s: %s", path, name, a.Status)
			}
		}
	}
	if a := b.get("/"); !strings.Contains(a.body, "You are signed in") {
		t.Error("another site signed the person out")
	}
}
