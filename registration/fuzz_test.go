package registration_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/registration"
)

// judging is a registry without a store: what is fuzzed is the judgement.
func judging() registration.Config {
	return registration.Config{Policy: registration.Policy{Mode: registration.ModeOpen, Schemes: []string{"cursor"}}, Limits: registration.Limits{Documents: 1 << 30}}
}

// sound fails unless a client that was let in is one that the policy lets in.
func sound(t *testing.T, m oauth.ClientMetadata, text []byte) {
	t.Helper()
	if len(m.RedirectURIs) == 0 {
		t.Errorf("no redirect: %s", text)
	}
	for _, u := range slices.Concat(m.RedirectURIs, m.LogoutURIs) {
		if reason := oauth.CheckRedirect(u, "cursor"); reason != "" {
			t.Errorf("%s: %s: %s", u, reason, text)
		}
	}
	for _, u := range []string{m.URI, m.LogoURI, m.PolicyURI, m.TermsURI} {
		if u != "" && !strings.HasPrefix(strings.ToLower(u), "http") {
			t.Errorf("%s: %s", u, text)
		}
	}
	for _, g := range m.GrantTypes {
		if g != "authorization_code" && g != "refresh_token" && !(strings.HasSuffix(g, "jwt-bearer") && m.TokenAuthMethod == "private_key_jwt") {
			t.Errorf("grant %s: %s", g, text)
		}
	}
	if signs := len(m.JWKS) > 0 || m.JWKSURI != ""; signs != (m.TokenAuthMethod == "private_key_jwt") {
		t.Errorf("keys %v, method %s: %s", signs, m.TokenAuthMethod, text)
	}
}

// FuzzDocument reads what a stranger publishes.
func FuzzDocument(f *testing.F) {
	for _, more := range []string{"", `,"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://x.example/k"`, `,"grant_types":["authorization_code","client_credentials"]`, `,"jwks":null`, `,"redirect_uris":["cursor://x","javascript:x"]`, `,"client_secret":"x"`, `,"Client_ID":"https://evil.example/x"`} {
		f.Add(text(document, more))
	}
	for _, t := range []string{"", "{", "[]", "null", `{"client_id":1}`, `{"redirect_uris":{}}`} {
		f.Add([]byte(t))
	}
	c := judging()
	var body []byte
	c.Fetch = func(context.Context, string) ([]byte, time.Time, error) { return body, time.Time{}, nil }
	f.Fuzz(func(t *testing.T, b []byte) {
		body = b
		fixture := fixture{t: t, now: noon}
		got, err := registration.New(c).Client(fixture.from("192.0.2.1:1"), document)
		if err != nil {
			return
		}
		if got.ID != document || got.Source != oauth.Document || got.Name == "" || strings.HasPrefix(got.TokenAuthMethod, "client_secret") || len(got.Serves)+len(got.Reaches) > 0 {
			t.Errorf("%+v of %s", got, b)
		}
		sound(t, got.ClientMetadata, b)
	})
}

// forgetful is a store that says of every client that it kept it.
type forgetful struct{ registration.Clients }

// Register is registration.Clients'.
func (forgetful) Register(_ context.Context, _ audit.Intent, k registration.Kept, _ registration.Limits) (registration.Kept, error) {
	return k, nil
}

// FuzzRegistration reads what a stranger posts.
func FuzzRegistration(f *testing.F) {
	for _, t := range []string{`{"redirect_uris":["http://127.0.0.1/cb"]}`, `{"redirect_uris":["https://a.example/cb"],"token_endpoint_auth_method":"private_key_jwt","jwks":{"keys":[]}}`, `{"redirect_uris":["https://a.example/cb"],"client_secret":"mine","client_id":"mine","grant_types":["client_credentials"]}`,
		`{"redirect_uris":["https://a.example/cb"],"software_statement":"eyJhbGciOiJub25lIn0.e30."}`, `{"redirect_uris":null}`, "", "[]", `{"jwks":null}`, `{"redirect_uris":["cursor://x"],"token_endpoint_auth_methods_supported":["none"]}`} {
		f.Add([]byte(t))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4<<10 {
			return
		}
		fixture := &fixture{t: t, now: noon}
		c := judging()
		c.Clients, c.Log = forgetful{}, audit.New(func(context.Context, audit.Entry) error { return nil })
		fixture.Registry = registration.New(c)
		w := fixture.ask("POST", "/register", string(b))
		var got struct {
			ID     string `json:"client_id"`
			Secret string `json:"client_secret"`
			Token  string `json:"registration_access_token"`
			oauth.ClientMetadata
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 201 && w.Code != 400 {
			t.Fatalf("%d %s, %v: %s", w.Code, w.Body, err, b)
		}
		if w.Code != 201 {
			return
		}
		if !strings.HasPrefix(got.ID, "dw-") || (got.Secret != "") != strings.HasPrefix(got.TokenAuthMethod, "client_secret_") || got.Secret != "" && !strings.HasPrefix(got.Secret, "dws_") || got.Token != "" {
			t.Errorf("%s of %s", w.Body, b)
		}
		sound(t, got.ClientMetadata, b)
	})
}
