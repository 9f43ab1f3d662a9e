package registration_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/registration"
	"github.com/doorward-mcp/doorward/token"
)

const confidential = `{"client_name":"App","redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"client_secret_basic"}`

// managed is a registered client with what it needs to manage itself.
type managed struct {
	f                  *fixture
	id, secret, token_ string
	path               string
	answer             map[string]any
}

func (f *fixture) managed(body string) managed {
	f.t.Helper()
	status, got := f.post(body)
	m := managed{f: f, id: fmt.Sprint(got["client_id"]), token_: fmt.Sprint(got["registration_access_token"]), answer: got}
	m.secret, _ = got["client_secret"].(string)
	uri := fmt.Sprint(got["registration_client_uri"])
	m.path = strings.TrimPrefix(uri, "https://as.example")
	if status != 201 || !strings.HasPrefix(m.token_, "dwm_") || uri != "https://as.example/register/"+m.id {
		f.t.Fatalf("%d %v", status, got)
	}
	return m
}

func (m managed) do(method, body string, header ...string) *httptest.ResponseRecorder {
	m.f.t.Helper()
	return m.f.ask(method, m.path, body, append([]string{"Authorization", "Bearer " + m.token_}, header...)...)
}

// put replaces what the client says of itself by what it said, with changes.
func (m managed) put(changes map[string]any) (int, map[string]any) {
	m.f.t.Helper()
	body := map[string]any{"client_id": m.id, "client_name": "App", "redirect_uris": []string{"https://app.example/cb"}, "token_endpoint_auth_method": "client_secret_basic"}
	maps.Copy(body, changes)
	b, err := json.Marshal(body)
	if err != nil {
		m.f.t.Fatal(err)
	}
	w := m.do("PUT", string(b))
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		m.f.t.Fatalf("%v: %s", err, w.Body)
	}
	return w.Code, got
}

func open(f *registration.Config) { f.Limits.PerMinute, f.Limits.Documents = 1000, 1000 }

// RFC 7592 §2.1, §2.2, §2.3: a client with credentials reads, replaces and removes its registration.
func TestManagement(t *testing.T) {
	f := registry(t, open)
	m := f.managed(confidential)
	w := m.do("GET", "")
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 || got["client_id"] != m.id || got["client_name"] != "App" || got["registration_access_token"] != m.token_ || got["client_secret"] != nil {
		t.Fatalf("GET: %d %s", w.Code, w.Body)
	}
	status, got := m.put(map[string]any{"client_name": "New", "redirect_uris": []string{"https://app.example/new", "app://x"}, "client_secret": m.secret, "grant_types": []string{"authorization_code", "client_credentials"}})
	if status != 200 || got["client_name"] != "New" || fmt.Sprint(got["redirect_uris"]) != "[https://app.example/new]" || fmt.Sprint(got["grant_types"]) != "[authorization_code refresh_token]" || got["client_secret"] != nil {
		t.Errorf("PUT: %d %v", status, got)
	}
	c, err := f.Client(f.from("192.0.2.1:1"), m.id)
	if err != nil || c.Name != "New" || c.SecretHash == [32]byte{} || c.May("client_credentials") {
		t.Errorf("kept: %+v, %v", c, err)
	}
	if w := m.do("DELETE", ""); w.Code != 204 || w.Body.Len() != 0 {
		t.Errorf("DELETE: %d %s", w.Code, w.Body)
	}
	if _, err := f.Client(f.from("192.0.2.1:1"), m.id); err == nil {
		t.Error("it is known after it was removed")
	}
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		if w := m.do(method, confidential); w.Code != 401 {
			t.Errorf("%s after DELETE: %d", method, w.Code)
		}
	}
	if w := m.do("POST", confidential); w.Code != 405 || w.Header().Get("Allow") != "GET, PUT, DELETE" {
		t.Errorf("POST: %d %v", w.Code, w.Header())
	}
}

// RFC 7592 §2: whoever does not have the client's own token learns nothing, not even whether there is such a client.
func TestManagementWithoutTheToken(t *testing.T) {
	f := registry(t, open)
	m, other := f.managed(confidential), f.managed(confidential)
	_, public := f.post(`{"redirect_uris":["http://127.0.0.1/cb"]}`)
	answers := map[string]string{}
	for name, c := range map[string]struct{ path, header string }{
		"another client's token": {m.path, "Bearer " + other.token_}, "its secret": {m.path, "Bearer " + m.secret}, "a made-up one": {m.path, "Bearer dwm_x"},
		"as a password": {m.path, "Basic " + m.token_}, "a client that does not exist": {"/register/dw-NOBODY", "Bearer " + m.token_}, "a public client": {"/register/" + fmt.Sprint(public["client_id"]), "Bearer " + m.token_},
		"nothing, to a public client": {"/register/" + fmt.Sprint(public["client_id"]), "Bearer "},
	} {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			w := f.ask(method, c.path, confidential, "Authorization", c.header)
			if w.Code != 401 || !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), `Bearer error="invalid_token"`) {
				t.Errorf("%s: %s: %d %v", name, method, w.Code, w.Header())
			}
			answers[w.Body.String()[:strings.Index(w.Body.String(), "request_id")]] = name
		}
	}
	if len(answers) != 1 {
		t.Errorf("the answers differ: %v", answers)
	}
	if w := f.ask("GET", m.path, ""); w.Code != 401 || w.Header().Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("no token: %d %v", w.Code, w.Header())
	}
	if w := m.do("GET", ""); w.Code != 200 {
		t.Errorf("its own token after all that: %d", w.Code)
	}
}

// RFC 7592 §2.2: what a client cannot replace.
func TestReplacementsThatAreRefused(t *testing.T) {
	f := registry(t, open)
	m := f.managed(confidential)
	for name, c := range map[string]struct {
		changes map[string]any
		code    string
	}{
		"another id": {map[string]any{"client_id": "dw-OTHER"}, "invalid_client_metadata"}, "no id": {map[string]any{"client_id": nil}, "invalid_client_metadata"},
		"a secret of its own choice": {map[string]any{"client_secret": "mine"}, "invalid_client_metadata"}, "no credentials": {map[string]any{"token_endpoint_auth_method": "none"}, "invalid_client_metadata"},
		"another token": {map[string]any{"registration_access_token": "x"}, "invalid_client_metadata"}, "another address": {map[string]any{"registration_client_uri": "x"}, "invalid_client_metadata"},
		"another time": {map[string]any{"client_id_issued_at": 1}, "invalid_client_metadata"}, "another expiry": {map[string]any{"client_secret_expires_at": 1}, "invalid_client_metadata"},
		"no redirects": {map[string]any{"redirect_uris": nil}, "invalid_redirect_uri"}, "script": {map[string]any{"redirect_uris": []string{"javascript:x"}}, "invalid_redirect_uri"},
		"a grant that the operator gives": {map[string]any{"grant_types": []string{"client_credentials"}}, "invalid_client_metadata"},
	} {
		if status, got := m.put(c.changes); status != 400 || got["error"] != c.code {
			t.Errorf("%s: %d %v", name, status, got)
		}
	}
	if c, err := f.Client(f.from("192.0.2.1:1"), m.id); err != nil || c.Name != "App" || len(c.RedirectURIs) != 1 {
		t.Errorf("after all that it is %+v, %v", c, err)
	}
}

// A client that goes from a secret to keys loses the secret, and back it gets another.
func TestAClientThatChangesItsCredentials(t *testing.T) {
	f := registry(t, open)
	m := f.managed(confidential)
	status, got := m.put(map[string]any{"token_endpoint_auth_method": "private_key_jwt", "jwks": json.RawMessage(newSigner(t, "k").jwks)})
	if c, err := f.Client(f.from("192.0.2.1:1"), m.id); status != 200 || err != nil || c.SecretHash != [32]byte{} || got["client_secret"] != nil || len(c.JWKS) == 0 {
		t.Errorf("to keys: %d %v, %+v, %v", status, got, c, err)
	}
	status, got = m.put(nil)
	secret, _ := got["client_secret"].(string)
	if c, err := f.Client(f.from("192.0.2.1:1"), m.id); status != 200 || err != nil || !strings.HasPrefix(secret, "dws_") || secret == m.secret || len(c.JWKS) != 0 {
		t.Errorf("and back: %d %v, %+v, %v", status, got, c, err)
	}
}

// Rule 14: what many share has no management, and neither has a client of an installation that cannot end its grants.
func TestWhoHasNoManagement(t *testing.T) {
	f := registry(t, open)
	if _, got := f.post(`{"redirect_uris":["http://127.0.0.1/cb"]}`); got["registration_access_token"] != nil || got["registration_client_uri"] != nil {
		t.Errorf("a public client: %v", got)
	}
	f = registry(t, func(c *registration.Config) { c.Ended = nil })
	status, got := f.post(confidential)
	if status != 201 || got["registration_access_token"] != nil || got["client_secret"] == nil {
		t.Errorf("without an end of grants: %d %v", status, got)
	}
	if w := f.ask("GET", "/register/"+fmt.Sprint(got["client_id"]), "", "Authorization", "Bearer dwm_x"); w.Code != 401 {
		t.Errorf("%d", w.Code)
	}
}

// The rate of management is bounded like that of registration: nobody guesses tokens at leisure.
func TestManagementRate(t *testing.T) {
	f := registry(t, func(c *registration.Config) { c.Limits.PerMinute = 5 })
	m := f.managed(confidential)
	for n := range 6 {
		if w := m.do("GET", ""); (w.Code == 429) != (n == 5) || n == 5 && w.Header().Get("Retry-After") != "60" {
			t.Errorf("request %d: %d", n, w.Code)
		}
	}
}

// Review: a new client waits until an administrator lets it in, a document too; equal ones are let in together. One that
// afterwards gives itself another name or address waits again.
func TestReview(t *testing.T) {
	f := registry(t, policy(registration.Policy{Mode: registration.ModeReview}))
	f.fetch = func(id string) ([]byte, time.Time, error) { return text(id, ""), time.Time{}, nil }
	ctx := f.from("192.0.2.1:1")
	_, got := f.post(`{"redirect_uris":["http://127.0.0.1/cb"]}`)
	m := f.managed(confidential)
	waits := func(what, id string, want bool) {
		t.Helper()
		if c, err := f.Client(ctx, id); err != nil || c.Waits != want {
			t.Errorf("%s: waits %v, %v", what, c.Waits, err)
		}
		if c, ok := f.Known(ctx, id); !ok || c.Waits != want {
			t.Errorf("%s: known %v, waits %v", what, ok, c.Waits)
		}
	}
	if _, ok := f.Known(ctx, document); ok {
		t.Error("a document that nobody has read is known")
	}
	for what, id := range map[string]string{"a public client": fmt.Sprint(got["client_id"]), "a confidential one": m.id, "a document": document} {
		waits("new: "+what, id, true)
		if err := f.Approve(t.Context(), f.now, id); err != nil {
			t.Fatal(err)
		}
		waits("approved: "+what, id, false)
	}
	if _, again := f.post(`{"redirect_uris":["http://127.0.0.1:99/cb"]}`); again["client_id"] != got["client_id"] {
		t.Error("an equal registration is another client")
	}
	if status, _ := m.put(map[string]any{"contacts": []string{"a@app.example"}}); status != 200 {
		t.Fatal(status)
	}
	waits("a change that nobody sees", m.id, false)
	if status, _ := m.put(map[string]any{"redirect_uris": []string{"https://evil.example/cb"}}); status != 200 {
		t.Fatal(status)
	}
	waits("another address", m.id, true)
	if status, _ := m.put(map[string]any{"redirect_uris": []string{"https://other.example/cb"}}); status != 403 {
		t.Errorf("what an administrator looks at is changed: %d", status)
	}
	if err := f.Approve(t.Context(), f.now, "dw-NOBODY"); !errors.Is(err, registration.ErrNotFound) {
		t.Errorf("approving nobody: %v", err)
	}
	if err := f.Remove(ctx, f.now, document); err != nil {
		t.Fatal(err)
	}
	waits("a document after it was removed", document, true)
	// What was let in while everybody was, and what an administrator adds, does not wait.
	added, _, err := f.Add(t.Context(), f.now, oauth.Client{ClientMetadata: oauth.ClientMetadata{Name: "Added", RedirectURIs: []string{"https://app.example/cb"}}})
	if err != nil {
		t.Fatal(err)
	}
	waits("an added one", added.ID, false)
	open := registration.New(registration.Config{Clients: f.db.Clients(), Policy: registration.Policy{Mode: registration.ModeOpen}})
	if c, err := open.Client(ctx, m.id); err != nil || c.Waits {
		t.Errorf("one that waited, once the door is open: %+v, %v", c, err)
	}
}

// Under review a document counts against the quotas of unused clients: a stranger cannot fill the administrator's list.
func TestReviewHasQuotas(t *testing.T) {
	f := registry(t, func(c *registration.Config) {
		c.Policy.Mode, c.Limits.UnusedAddress, c.Limits.Documents = registration.ModeReview, 3, 1000
	})
	f.fetch = func(id string) ([]byte, time.Time, error) { return text(id, ""), time.Time{}, nil }
	for n := range 5 {
		_, err := f.Client(f.from("192.0.2.1:1"), fmt.Sprintf("https://app%d.example/x", n))
		var e *oauth.Error
		if n < 3 && err != nil || n >= 3 && (!errors.As(err, &e) || e.Status != 429) {
			t.Errorf("document %d: %v", n, err)
		}
	}
	if _, err := f.Client(f.from("198.51.100.1:1"), "https://other.example/x"); err != nil {
		t.Errorf("from another address: %v", err)
	}
}

// What an administrator can add, and what not; what is added is listed, also in an installation that takes nobody else.
func TestAddingClients(t *testing.T) {
	f := registry(t, func(c *registration.Config) {
		c.Policy = registration.Policy{}
		c.Listed = []oauth.Client{{ID: "configured"}}
	})
	f.fetch = func(id string) ([]byte, time.Time, error) { return text(id, ""), time.Time{}, nil }
	ctx := f.from("192.0.2.1:1")
	type m = oauth.ClientMetadata
	jwks := newSigner(t, "k").jwks
	for _, c := range []struct {
		name   string
		client oauth.Client
		method string // empty: it is refused
		secret bool
	}{
		{"an app on a machine", oauth.Client{ID: "app", ClientMetadata: m{RedirectURIs: []string{"http://127.0.0.1/cb", "cursor://cb"}}}, "none", false},
		{"an app on a server", oauth.Client{ID: "web", ClientMetadata: m{RedirectURIs: []string{"https://app.example/cb"}}}, "client_secret_basic", true},
		{"a program", oauth.Client{ID: "job", Reaches: []string{"r"}, ClientMetadata: m{GrantTypes: []string{"client_credentials"}}}, "client_secret_basic", true},
		{"a program with a key", oauth.Client{ID: "key", Reaches: []string{"r"}, ClientMetadata: m{GrantTypes: []string{"client_credentials"}, JWKS: jwks}}, "private_key_jwt", false},
		{"a server that introspects", oauth.Client{ID: "rs", Serves: []string{"r"}}, "client_secret_basic", true},
		{"a document", oauth.Client{ID: document}, "none", false},
		{"an id that is taken", oauth.Client{ID: "app", ClientMetadata: m{RedirectURIs: []string{"http://127.0.0.1/cb"}}}, "", false},
		{"an id of the configuration", oauth.Client{ID: "configured", ClientMetadata: m{RedirectURIs: []string{"http://127.0.0.1/cb"}}}, "", false},
		{"nothing to do", oauth.Client{ID: "x"}, "", false},
		{"a grant without a redirect", oauth.Client{ID: "x", ClientMetadata: m{GrantTypes: []string{"authorization_code"}}}, "", false},
		{"a program that is public", oauth.Client{ID: "x", Reaches: []string{"r"}, ClientMetadata: m{GrantTypes: []string{"client_credentials"}, TokenAuthMethod: "none"}}, "", false},
		{"a program that reaches nothing", oauth.Client{ID: "x", ClientMetadata: m{GrantTypes: []string{"client_credentials"}}}, "", false},
		{"a server that is public", oauth.Client{ID: "x", Serves: []string{"r"}, ClientMetadata: m{TokenAuthMethod: "none"}}, "", false},
		{"an unknown grant", oauth.Client{ID: "x", ClientMetadata: m{GrantTypes: []string{"password"}}}, "", false},
		{"script", oauth.Client{ID: "x", ClientMetadata: m{RedirectURIs: []string{"javascript:x"}}}, "", false},
		{"a key without the method", oauth.Client{ID: "x", ClientMetadata: m{RedirectURIs: []string{"https://a.example/cb"}, TokenAuthMethod: "none", JWKS: jwks}}, "", false},
		{"an id with a space", oauth.Client{ID: "a b", ClientMetadata: m{RedirectURIs: []string{"http://127.0.0.1/cb"}}}, "", false},
		{"a document that cannot be one", oauth.Client{ID: "http://app.example/x"}, "", false},
	} {
		added, secret, err := f.Add(t.Context(), f.now, c.client)
		if (err == nil) != (c.method != "") || secret.Empty() == c.secret {
			t.Errorf("%s: %v, secret %v", c.name, err, !secret.Empty())
			continue
		}
		if err != nil {
			continue
		}
		got, err := f.Client(ctx, added.ID)
		if err != nil || got.TokenAuthMethod != c.method || got.Waits || oauth.IsDocumentID(got.ID) != (got.Source == oauth.Document) || !oauth.IsDocumentID(got.ID) && got.Source != oauth.Listed || fmt.Sprint(got.Serves, got.Reaches) != fmt.Sprint(c.client.Serves, c.client.Reaches) {
			t.Errorf("%s: kept as %+v, %v", c.name, got, err)
		}
	}
	f.now = f.now.Add(400 * 24 * time.Hour)
	if err := f.db.Sweep(t.Context(), f.now); err != nil {
		t.Fatal(err)
	}
	all, err := f.List(t.Context(), f.now)
	var ids []string
	for _, k := range all {
		ids = append(ids, k.ID)
	}
	if want := "[configured app " + document + " job key rs web]"; err != nil || fmt.Sprint(ids) != want {
		t.Errorf("after a year: %v, %v", ids, err)
	}
	if err := f.Remove(t.Context(), f.now, "configured"); !errors.Is(err, registration.ErrConfigured) {
		t.Errorf("removing a configured one: %v", err)
	}
	if err := f.Remove(t.Context(), f.now, "app"); err != nil {
		t.Error(err)
	}
	if err := f.Remove(t.Context(), f.now, "app"); !errors.Is(err, registration.ErrNotFound) {
		t.Errorf("removing twice: %v", err)
	}
}

// Whatever a client that registers itself asks for: the operator's grants are not among what it gets (rule 14), and
// private_key_jwt is taken with keys and only with them.
func TestDynamicClientsWithKeys(t *testing.T) {
	f := registry(t, open)
	jwks := string(newSigner(t, "k").jwks)
	key, err := json.Marshal(map[string]any{"keys": []any{map[string]any{"kty": "oct", "k": "c2VjcmV0", "kid": "k"}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		members string
		method  string
	}{
		"keys": {`"jwks":` + jwks, "private_key_jwt"}, "their address": {`"jwks_uri":"https://app.example/jwks"`, "private_key_jwt"},
		"neither": {`"x":1`, ""}, "both": {`"jwks_uri":"https://app.example/jwks","jwks":` + jwks, ""}, "null": {`"jwks":null`, ""}, "an empty set": {`"jwks":{"keys":[]}`, ""}, "a shared key": {`"jwks":` + string(key), ""},
		"an address that is not https": {`"jwks_uri":"http://app.example/jwks"`, ""}, "a file": {`"jwks_uri":"file:///etc/passwd"`, ""}, "an algorithm that is none": {`"token_endpoint_auth_signing_alg":"none","jwks":` + jwks, ""}, "an algorithm with a shared secret": {`"token_endpoint_auth_signing_alg":"HS256","jwks":` + jwks, ""},
		"neither, but it can do without": {`"token_endpoint_auth_methods_supported":["private_key_jwt","none"]`, "none"},
	} {
		status, got := f.post(`{"redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"private_key_jwt","grant_types":["authorization_code","client_credentials","urn:ietf:params:oauth:grant-type:token-exchange","urn:ietf:params:oauth:grant-type:jwt-bearer","urn:ietf:params:oauth:grant-type:device_code"],` + c.members + `}`)
		if c.method == "" {
			if status != 400 || got["error"] != "invalid_client_metadata" {
				t.Errorf("%s: %d %v", name, status, got)
			}
			continue
		}
		if status != 201 || got["token_endpoint_auth_method"] != c.method || got["client_secret"] != nil || fmt.Sprint(got["grant_types"]) != "[authorization_code refresh_token]" {
			t.Errorf("%s: %d %v", name, status, got)
		}
		if client, err := f.Client(f.from("192.0.2.1:1"), fmt.Sprint(got["client_id"])); err != nil || client.Public() != (c.method == "none") {
			t.Errorf("%s: kept as %+v, %v", name, client, err)
		}
	}
}

// The keys of a client come from its set or from the address of one, which is read through Fetch.
func TestKeysOfClients(t *testing.T) {
	s := newSigner(t, "k")
	f := registry(t, nil)
	f.fetch = func(string) ([]byte, time.Time, error) { return s.jwks, time.Time{}, nil }
	for name, m := range map[string]oauth.ClientMetadata{"a set": {JWKS: s.jwks}, "an address": {JWKSURI: "https://app.example/jwks"}} {
		keys, err := f.Keys(oauth.Client{ClientMetadata: m})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := keys(t.Context(), noon, "k"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := keys(t.Context(), noon, "other"); !errors.Is(err, token.ErrNoKey) {
			t.Errorf("%s: another key: %v", name, err)
		}
	}
	again, err := f.Keys(oauth.Client{ID: "b", ClientMetadata: oauth.ClientMetadata{JWKSURI: "https://app.example/jwks"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again(t.Context(), noon, "k"); err != nil || f.fetched.Load() != 1 {
		t.Errorf("%v, read %d times", err, f.fetched.Load())
	}
	if _, err := f.Keys(oauth.Client{}); !errors.Is(err, registration.ErrNoKeys) {
		t.Errorf("without keys: %v", err)
	}
	if _, err := f.Keys(oauth.Client{ClientMetadata: oauth.ClientMetadata{JWKS: []byte("{}")}}); err == nil {
		t.Error("an empty set has keys")
	}
}
