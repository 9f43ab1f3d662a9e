package registration_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/registration"
	"github.com/doorward-mcp/doorward/token"
)

const document = "https://app.example/client"

// text is a good document for id, with more members.
func text(id, more string) []byte {
	return []byte(`{"client_id":"` + id + `","client_name":"App","redirect_uris":["https://app.example/cb"]` + more + `}`)
}

func policy(p registration.Policy) func(*registration.Config) {
	return func(c *registration.Config) { c.Policy = p; c.Limits.PerMinute, c.Limits.Documents = 1000, 1000 }
}

// Deny is the zero value: nobody registers and no document is read, and a word that is no mode is no other.
func TestTheZeroPolicyLetsNobodyIn(t *testing.T) {
	for _, mode := range []registration.Mode{"", registration.ModeListed, "OPEN", "everybody"} {
		f := registry(t, policy(registration.Policy{Mode: mode}))
		f.fetch = func(id string) ([]byte, time.Time, error) { return text(id, ""), time.Time{}, nil }
		if status, got := f.post(`{"redirect_uris":["http://127.0.0.1/cb"]}`); status != 403 || got["error"] != "access_denied" {
			t.Errorf("%q: registering: %d %v", mode, status, got)
		}
		_, err := f.Client(f.from("192.0.2.1:1"), document)
		var e *oauth.Error
		if !errors.As(err, &e) || e.Code != "invalid_client" || e.Reason != "not_listed" || f.fetched.Load() != 0 {
			t.Errorf("%q: a document: %v, read %d times", mode, err, f.fetched.Load())
		}
		if f.Registers() || f.Documents() {
			t.Errorf("%q: it says that clients are let in", mode)
		}
	}
}

// A client that registered while everybody could is refused when the operator has closed the door.
func TestTheModeOfTodayHolds(t *testing.T) {
	f := registry(t, nil)
	_, got := f.post(`{"redirect_uris":["http://127.0.0.1/cb"]}`)
	id := fmt.Sprint(got["client_id"])
	closed := registration.New(registration.Config{Clients: f.db.Clients(), Policy: registration.Policy{Mode: registration.ModeListed}})
	if _, err := closed.Client(f.from("192.0.2.1:1"), id); err == nil {
		t.Error("it is let in")
	}
	if _, ok := closed.Known(f.from("192.0.2.1:1"), id); ok {
		t.Error("it is known")
	}
	if _, ok := f.Known(f.from("192.0.2.1:1"), id); !ok {
		t.Error("while the door is open it is not known")
	}
}

// AS-REDIRECT-UNTRUSTED, AS-CIMD-TRUST-POLICY: hosts and schemes of redirects, for dynamic clients and documents alike.
func TestRedirectPolicy(t *testing.T) {
	hosts := func(allow, deny string) registration.Policy {
		return registration.Policy{Mode: registration.ModeOpen, RedirectHosts: registration.Hosts{Allow: strings.Fields(allow), Deny: strings.Fields(deny)}}
	}
	schemes := registration.Policy{Mode: registration.ModeOpen, Schemes: []string{"cursor", "com.example.app", "javascript", "data"}}
	for _, c := range []struct {
		name, redirect string
		policy         registration.Policy
		ok             bool
	}{
		{"allowed", "https://claude.ai/cb", hosts("claude.ai", ""), true},
		{"allowed, in capitals", "https://CLAUDE.ai/cb", hosts("claude.ai", ""), true},
		{"allowed, with a port", "https://claude.ai:8443/cb", hosts("claude.ai", ""), true},
		{"not among the allowed", "https://evil.example/cb", hosts("claude.ai", ""), false},
		{"that ends like an allowed one", "https://notclaude.ai/cb", hosts("claude.ai", ""), false},
		{"that begins like an allowed one", "https://claude.ai.evil.example/cb", hosts("claude.ai", ""), false},
		{"below an exact one", "https://x.claude.ai/cb", hosts("claude.ai", ""), false},
		{"below a wildcard", "https://a.b.claude.ai/cb", hosts("*.claude.ai", ""), true},
		{"a wildcard's own name", "https://claude.ai/cb", hosts("*.claude.ai", ""), false},
		{"that ends like a wildcard", "https://xclaude.ai/cb", hosts("*.claude.ai", ""), false},
		{"loopback beside an allow list", "http://127.0.0.1:1/cb", hosts("claude.ai", ""), true},
		{"denied", "https://evil.example/cb", hosts("", "evil.example"), false},
		{"denied, with a dot at its end", "https://evil.example./cb", hosts("", "evil.example"), false},
		{"denied, in capitals", "https://EVIL.example/cb", hosts("", "evil.example"), false},
		{"denied, with dots that browsers make of other characters", "https://evil%E3%80%82example/cb", hosts("", "evil.example"), false},
		{"denied below a wildcard", "https://a.evil.example/cb", hosts("", "*.evil.example"), false},
		{"denied and allowed", "https://evil.example/cb", hosts("evil.example", "evil.example"), false},
		{"loopback denied", "http://localhost/cb", hosts("", "localhost"), false},
		{"IPv6 loopback denied", "http://[::1]/cb", hosts("", "[::1]"), false},
		{"another than the denied", "https://app.example/cb", hosts("", "evil.example"), true},
		{"a private-use scheme from the list", "cursor://anysphere.cursor-mcp/oauth/callback", schemes, true},
		{"a scheme with dots from the list", "com.example.app:/cb", schemes, true},
		{"a scheme that is not in the list", "claude://cb", schemes, false},
		{"a scheme from the list in capitals", "CURSOR://cb", schemes, false},
		{"script, whatever the list says", "javascript:alert(1)", schemes, false},
		{"data, whatever the list says", "data:text/html,x", schemes, false},
		{"a scheme without a list", "cursor://cb", hosts("", ""), false},
	} {
		f := registry(t, policy(c.policy))
		f.fetch = func(id string) ([]byte, time.Time, error) {
			return fmt.Appendf(nil, `{"client_id":%q,"client_name":"App","redirect_uris":[%q]}`, id, c.redirect), time.Time{}, nil
		}
		status, got := f.post(fmt.Sprintf(`{"redirect_uris":[%q]}`, c.redirect))
		if (status == 201) != c.ok || !c.ok && got["error"] != "invalid_redirect_uri" {
			t.Errorf("%s: registered: %d %v", c.name, status, got)
		}
		if _, err := f.Client(f.from("192.0.2.1:1"), document); (err == nil) != c.ok {
			t.Errorf("%s: in a document: %v", c.name, err)
		}
	}
}

// AS-CIMD-TRUST-POLICY: the host of a document is judged before anything is read from it.
func TestDocumentHosts(t *testing.T) {
	for id, ok := range map[string]bool{"https://claude.ai/x": true, "https://CLAUDE.AI/x": true, "https://claude.ai:8443/x": true, "https://a.vscode.dev/x": true, "https://vscode.dev/x": false, "https://app.example/x": false, "https://claude.ai.evil.example/x": false} {
		f := registry(t, policy(registration.Policy{Mode: registration.ModeOpen, DocumentHosts: []string{"claude.ai", "*.vscode.dev"}}))
		f.fetch = func(id string) ([]byte, time.Time, error) { return text(id, ""), time.Time{}, nil }
		_, err := f.Client(f.from("192.0.2.1:1"), id)
		if read := f.fetched.Load() == 1; (err == nil) != ok || read != ok {
			t.Errorf("%s: %v, read %v", id, err, read)
		}
	}
}

// RFC 7591 §3: with an initial access token nobody registers without it.
func TestInitialAccessToken(t *testing.T) {
	f := registry(t, func(c *registration.Config) { c.InitialAccessToken = token.NewSecret("let me in") })
	for _, c := range []struct {
		name, header string
		status       int
		challenge    string
	}{
		{"none", "", 401, "Bearer"}, {"another", "Bearer x", 401, `Bearer error="invalid_token"`}, {"empty", "Bearer ", 401, `Bearer error="invalid_token"`},
		{"as a password", "Basic bGV0IG1lIGluOg==", 401, `Bearer error="invalid_token"`}, {"a longer one", "Bearer let me in!", 401, `Bearer error="invalid_token"`},
		{"good", "Bearer let me in", 201, ""}, {"good, the scheme in another case", "bEARER let me in", 201, ""},
	} {
		var header []string
		if c.header != "" {
			header = []string{"Authorization", c.header}
		}
		w := f.ask("POST", "/register", `{"redirect_uris":["http://127.0.0.1/cb"]}`, header...)
		if got := w.Header().Get("WWW-Authenticate"); w.Code != c.status || !strings.HasPrefix(got, c.challenge) || (c.challenge == "Bearer") != (got == "Bearer") {
			t.Errorf("%s: %d, %q", c.name, w.Code, got)
		}
	}
}

// signer is an issuer of software statements.
type signer struct {
	key  *ecdsa.PrivateKey
	jwks []byte
}

func newSigner(t *testing.T, kid string) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	jwks, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: kid, Algorithm: "ES256"}}})
	if err != nil {
		t.Fatal(err)
	}
	return signer{key, jwks}
}

func (s signer) sign(t *testing.T, kid string, claims map[string]any) string {
	t.Helper()
	signing, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: s.key, KeyID: kid}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jwt.Signed(signing).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// RFC 7591 §2.3, §3.1.1, §3.2.1: what a statement claims replaces what the body says; a bad one is refused, and one that
// is required and lacking too.
func TestSoftwareStatements(t *testing.T) {
	good, stranger := newSigner(t, "k"), newSigner(t, "k")
	claims := func(change ...any) map[string]any {
		c := map[string]any{"iss": "https://vendor.example", "software_id": "app", "client_name": "The App", "redirect_uris": []string{"https://app.example/cb"}}
		for i := 0; i+1 < len(change); i += 2 {
			c[change[i].(string)] = change[i+1]
		}
		return c
	}
	p := registration.Policy{Mode: registration.ModeOpen, StatementRequired: true, StatementIssuers: []registration.StatementIssuer{{Issuer: "https://vendor.example", JWKS: string(good.jwks)}}}
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	post := func(f *fixture, statement string) (int, map[string]any) {
		return f.post(fmt.Sprintf(`{"client_name":"Liar","redirect_uris":["https://evil.example/cb"],"token_endpoint_auth_method":"none","software_statement":%q}`, statement))
	}
	f := registry(t, policy(p))
	raw := good.sign(t, "k", claims())
	if status, got := post(f, raw); status != 201 || got["client_name"] != "The App" || fmt.Sprint(got["redirect_uris"]) != "[https://app.example/cb]" || got["software_statement"] != raw {
		t.Errorf("a good one: %d %v", status, got)
	}
	for name, c := range map[string]struct{ raw, code string }{
		"none": {"", "invalid_software_statement"}, "no JWT": {"x", "invalid_software_statement"}, "unsigned": {"eyJhbGciOiJub25lIn0." + strings.Split(raw, ".")[1] + ".", "invalid_software_statement"},
		"another's signature":  {stranger.sign(t, "k", claims()), "invalid_software_statement"},
		"another key":          {good.sign(t, "other", claims()), "invalid_software_statement"},
		"another issuer":       {good.sign(t, "k", claims("iss", "https://evil.example")), "unapproved_software_statement"},
		"no issuer":            {good.sign(t, "k", claims("iss", "")), "unapproved_software_statement"},
		"expired":              {good.sign(t, "k", claims("exp", noon.Add(-time.Hour).Unix())), "invalid_software_statement"},
		"not yet":              {good.sign(t, "k", claims("nbf", noon.Add(time.Hour).Unix())), "invalid_software_statement"},
		"without software_id":  {good.sign(t, "k", claims("software_id", "")), "invalid_software_statement"},
		"a claim of one's own": {good.sign(t, "k", claims("redirect_uris", "https://app.example/cb")), "invalid_software_statement"},
		"redirects of script":  {good.sign(t, "k", claims("redirect_uris", []string{"javascript:x"})), "invalid_redirect_uri"},
	} {
		status, got := post(f, c.raw)
		if status != 400 || got["error"] != c.code {
			t.Errorf("%s: %d %v", name, status, got)
		}
	}
	p.StatementRequired = false
	f = registry(t, policy(p))
	if status, _ := f.post(`{"redirect_uris":["http://127.0.0.1/cb"]}`); status != 201 {
		t.Errorf("none where none is required: %d", status)
	}
	if status, got := post(f, stranger.sign(t, "k", claims())); status != 400 {
		t.Errorf("a bad one where none is required: %d %v", status, got)
	}
	if status, got := post(registry(t, nil), stranger.sign(t, "k", claims())); status != 201 || got["client_name"] != "Liar" || got["software_statement"] != nil {
		t.Errorf("where no issuer counts: %d %v", status, got)
	}
}

// clients.default: everybody gets the one public client of the operator's, and nothing is kept.
func TestTheDefaultClient(t *testing.T) {
	f := registry(t, func(c *registration.Config) {
		c.Policy, c.Default = registration.Policy{}, "everybody"
		c.Listed = []oauth.Client{{ID: "everybody", ClientMetadata: oauth.ClientMetadata{Name: "Everybody", TokenAuthMethod: "none", RedirectURIs: []string{"http://127.0.0.1/callback", "https://claude.ai/cb"}}}}
	})
	if !f.Registers() || f.Documents() {
		t.Error("what metadata may name")
	}
	for name, c := range map[string]struct{ sent, want string }{
		"one of them":          {`"redirect_uris":["https://claude.ai/cb"]`, "[https://claude.ai/cb]"},
		"any port of loopback": {`"redirect_uris":["http://127.0.0.1:5/callback"]`, "[http://127.0.0.1:5/callback]"},
		"a mixed list":         {`"redirect_uris":["https://evil.example/cb","https://claude.ai/cb"]`, "[https://claude.ai/cb]"},
		"none":                 {`"client_name":"x"`, "[http://127.0.0.1/callback https://claude.ai/cb]"},
		"one that wants more":  {`"redirect_uris":["https://claude.ai/cb"],"token_endpoint_auth_method":"client_secret_basic","grant_types":["client_credentials"],"client_name":"Admin"`, "[https://claude.ai/cb]"},
	} {
		status, got := f.post(`{` + c.sent + `}`)
		if status != 201 || got["client_id"] != "everybody" || fmt.Sprint(got["redirect_uris"]) != c.want || got["client_secret"] != nil || got["registration_access_token"] != nil || got["client_name"] != "Everybody" || got["token_endpoint_auth_method"] != "none" {
			t.Errorf("%s: %d %v", name, status, got)
		}
	}
	if status, got := f.post(`{"redirect_uris":["https://evil.example/cb"]}`); status != 400 || got["error"] != "invalid_redirect_uri" {
		t.Errorf("an address that it does not have: %d %v", status, got)
	}
	if kept, err := f.db.Clients().List(t.Context(), noon); err != nil || len(kept) != 0 {
		t.Errorf("kept: %v, %v", kept, err)
	}
	for name, c := range map[string]oauth.Client{"confidential": {ID: "everybody", ClientMetadata: oauth.ClientMetadata{TokenAuthMethod: "client_secret_basic"}}, "missing": {ID: "other"}} {
		f := registry(t, func(conf *registration.Config) { conf.Default, conf.Listed = "everybody", []oauth.Client{c} })
		if status, got := f.post(`{"redirect_uris":["https://claude.ai/cb"]}`); status < 400 || got["client_id"] != nil {
			t.Errorf("a default client that is %s: %d %v", name, status, got)
		}
	}
}

// Policy.Check names every mistake by its key.
func TestMistakesOfAPolicy(t *testing.T) {
	keys := string(newSigner(t, "k").jwks)
	err := registration.Policy{Mode: "opne", RedirectHosts: registration.Hosts{Allow: []string{"https://x", "a*b"}, Deny: []string{"x:1"}}, DocumentHosts: []string{"*", "X.example"},
		Schemes: []string{"javascript", "Cursor", "http"}, StatementIssuers: []registration.StatementIssuer{{Issuer: "i"}, {JWKS: keys}, {Issuer: "i", JWKS: keys, JWKSURI: "https://x/y"}}}.Check()
	if err == nil {
		t.Fatal("nothing")
	}
	for _, want := range []string{`mode: "opne"`, `"https://x"`, `"a*b"`, `"x:1"`, `"*"`, `"X.example"`, "javascript is never", `"Cursor"`, "http is never"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not said:\n%v", want, err)
		}
	}
	if n := strings.Count(err.Error(), "software_statement_issuers"); n != 3 {
		t.Errorf("%d issuers are wrong", n)
	}
	if err := (registration.Policy{Mode: "open", StatementRequired: true}).Check(); err == nil {
		t.Error("a statement that nobody can sign")
	}
	if err := (registration.Policy{Mode: "review", RedirectHosts: registration.Hosts{Allow: []string{"claude.ai", "*.example.com"}, Deny: []string{"127.0.0.1", "[::1]"}}, Schemes: []string{"cursor"},
		StatementIssuers: []registration.StatementIssuer{{Issuer: "i", JWKS: keys}}}).Check(); err != nil {
		t.Error(err)
	}
}
