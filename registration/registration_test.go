package registration_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/internal/fetch"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/registration"
	"github.com/doorward-mcp/doorward/seal"
	"github.com/doorward-mcp/doorward/store"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// fixture is a registry over a real database, with a clock that the test moves.
type fixture struct {
	*registration.Registry
	t       *testing.T
	now     time.Time
	db      *store.DB
	fetched atomic.Int32
	fetch   func(id string) ([]byte, time.Time, error)
}

func registry(t *testing.T, change func(*registration.Config)) *fixture {
	t.Helper()
	box, err := seal.New(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "doorward.db"), box)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	f := &fixture{t: t, now: noon}
	f.db = db
	c := registration.Config{Issuer: "https://as.example", Clients: db.Clients(), Ended: db.Clients().End, Policy: registration.Policy{Mode: registration.ModeOpen}, Log: audit.New(func(context.Context, audit.Entry) error { return nil }), Slog: slog.New(slog.DiscardHandler),
		Fetch: func(_ context.Context, id string) ([]byte, time.Time, error) { f.fetched.Add(1); return f.fetch(id) }}
	if change != nil {
		change(&c)
	}
	f.Registry = registration.New(c)
	return f
}

func (f *fixture) begun(r *http.Request, from string) *http.Request {
	r.RemoteAddr = from
	return request.Begin(r, func() time.Time { return f.now }, nil)
}

// post registers; "from" among the headers is the address that it comes from.
func (f *fixture) post(body string, header ...string) (status int, answer map[string]any) {
	f.t.Helper()
	w := f.ask("POST", "/register", body, header...)
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Header().Get("Content-Type") != "application/json" {
		f.t.Fatalf("%v: %v %s", err, w.Header(), w.Body)
	}
	return w.Code, answer
}

func (f *fixture) ask(method, path, body string, header ...string) *httptest.ResponseRecorder {
	f.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	from := "192.0.2.1:1"
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "from" {
			from = header[i+1]
			continue
		}
		r.Header.Set(header[i], header[i+1])
	}
	mux := http.NewServeMux()
	for pattern, h := range f.Routes() {
		mux.Handle(pattern, h)
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, f.begun(r, from))
	if w.Header().Get("Cache-Control") != "no-store" {
		f.t.Errorf("%s %s may be kept: %v", method, path, w.Header())
	}
	return w
}

// from is the context of a request from an address.
func (f *fixture) from(address string) context.Context {
	return f.begun(httptest.NewRequest("GET", "/", nil), address).Context()
}

// AS-DCR, RFC 7591 §3.2.1: a mixed list, as Cursor sends it, is filtered, and the answer says what holds.
func TestAMixedListOfRedirectsIsFiltered(t *testing.T) {
	status, got := registry(t, nil).post(`{"client_name":"Cursor","redirect_uris":["cursor://anysphere.cursor-mcp/oauth/callback","https://www.cursor.com/agents/mcp/oauth/callback","http://localhost:8787/callback","http://evil.example/cb","https://www.cursor.com/agents/mcp/oauth/callback"],
		"grant_types":["authorization_code","refresh_token","client_credentials"],"response_types":["code"],"token_endpoint_auth_method":"none","scope":"mcp","unknown_member":{"a":1}}`)
	delete(got, "client_id")
	want := map[string]any{"client_name": "Cursor", "redirect_uris": []any{"https://www.cursor.com/agents/mcp/oauth/callback", "http://localhost:8787/callback"}, "grant_types": []any{"authorization_code", "refresh_token"},
		"response_types": []any{"code"}, "token_endpoint_auth_method": "none", "scope": "mcp", "client_id_issued_at": float64(noon.Unix())}
	if diff := cmp.Diff(want, got); status != 201 || diff != "" {
		t.Errorf("%d (-want +got)\n%s", status, diff)
	}
}

// RFC 7591 §2, OAuth 2.1 §2.1: what is left out is filled in, and a secret comes with a method that needs one.
func TestDefaultsOfTheMethod(t *testing.T) {
	f := registry(t, nil)
	for _, c := range []struct {
		name, redirects, method, want string
		secret                        bool
	}{
		{"only loopback", `"http://127.0.0.1/cb","http://localhost/cb","http://[::1]:1/cb"`, "", "none", false},
		{"https", `"https://app.example/cb"`, "", "client_secret_basic", true},
		{"mixed", `"https://app.example/cb","http://127.0.0.1/cb"`, "", "client_secret_basic", true},
		{"https, public", `"https://app.example/cb"`, "none", "none", false},
		{"loopback, post", `"http://127.0.0.1/cb"`, "client_secret_post", "client_secret_post", true},
	} {
		status, got := f.post(fmt.Sprintf(`{"client_name":%q,"redirect_uris":[%s],"token_endpoint_auth_method":%q}`, c.name, c.redirects, c.method))
		_, secret := got["client_secret"]
		_, expires := got["client_secret_expires_at"]
		if status != 201 || got["token_endpoint_auth_method"] != c.want || secret != c.secret || expires != c.secret || (got["registration_access_token"] != nil) != c.secret || (got["registration_client_uri"] != nil) != c.secret {
			t.Errorf("%s: %d %v", c.name, status, got)
		}
		client, err := f.Client(f.begun(httptest.NewRequest("GET", "/", nil), "192.0.2.1:1").Context(), fmt.Sprint(got["client_id"]))
		if err != nil || client.Public() == c.secret || (client.SecretHash != [32]byte{}) != c.secret || client.Source != oauth.Dynamic {
			t.Errorf("%s: kept %+v, %v", c.name, client, err)
		}
	}
}

// RFC 7591 §3.2.2, rule 14: what cannot be registered.
func TestRegistrationsThatAreRefused(t *testing.T) {
	f := registry(t, func(c *registration.Config) { c.Limits.PerMinute = 1000 })
	const redirects = `"redirect_uris":["http://127.0.0.1/cb"]`
	for name, c := range map[string]struct{ body, code string }{
		"no redirect": {`{}`, "invalid_redirect_uri"}, "an empty list": {`{"redirect_uris":[]}`, "invalid_redirect_uri"}, "none that can be used": {`{"redirect_uris":["cursor://x","http://evil.example"]}`, "invalid_redirect_uri"},
		"a method of another kind": {`{` + redirects + `,"token_endpoint_auth_method":"private_key_jwt"}`, "invalid_client_metadata"}, "client_credentials alone": {`{` + redirects + `,"grant_types":["client_credentials"]}`, "invalid_client_metadata"},
		"implicit alone": {`{` + redirects + `,"response_types":["token"]}`, "invalid_client_metadata"}, "a name that turns around": {`{` + redirects + `,"client_name":"a\u202eb"}`, "invalid_client_metadata"},
		"a name without end": {`{` + redirects + `,"client_name":"` + strings.Repeat("x", 201) + `"}`, "invalid_client_metadata"}, "a logo of script": {`{` + redirects + `,"logo_uri":"javascript:alert(1)"}`, "invalid_client_metadata"},
		"no JSON": {`{`, "invalid_client_metadata"}, "a list": {`[]`, "invalid_client_metadata"}, "redirects of numbers": {`{"redirect_uris":[1]}`, "invalid_client_metadata"}, "too long": {`{` + redirects + `,"x":"` + strings.Repeat("x", 33<<10) + `"}`, "invalid_client_metadata"},
	} {
		if status, got := f.post(c.body); status != 400 || got["error"] != c.code || got["error_description"] == "" {
			t.Errorf("%s: %d %v", name, status, got)
		}
	}
	if status, _ := f.post(`{`+redirects+`}`, "Content-Type", "text/plain"); status != 400 {
		t.Errorf("text/plain: %d", status)
	}
}

// Rule 14: equal public registrations are one client; what differs in more than a loopback port is another.
func TestEqualRegistrationsAreOneClient(t *testing.T) {
	f := registry(t, func(c *registration.Config) { c.Limits.PerMinute = 1000 })
	id := func(body string) string {
		status, got := f.post(body)
		if status != 201 {
			t.Fatal(status, got)
		}
		return fmt.Sprint(got["client_id"])
	}
	first := id(`{"client_name":"A","redirect_uris":["http://127.0.0.1:1111/cb","http://localhost/cb"]}`)
	for name, c := range map[string]struct {
		body string
		same bool
	}{
		"the same":           {`{"client_name":"A","redirect_uris":["http://127.0.0.1:1111/cb","http://localhost/cb"]}`, true},
		"other ports":        {`{"client_name":"A","redirect_uris":["http://127.0.0.1:2222/cb","http://localhost:3/cb"]}`, true},
		"another order":      {`{"client_name":"A","redirect_uris":["http://localhost/cb","http://127.0.0.1:1111/cb"]}`, true},
		"another name":       {`{"client_name":"B","redirect_uris":["http://127.0.0.1:1111/cb","http://localhost/cb"]}`, false},
		"another path":       {`{"client_name":"A","redirect_uris":["http://127.0.0.1:1111/cb2","http://localhost/cb"]}`, false},
		"one redirect fewer": {`{"client_name":"A","redirect_uris":["http://127.0.0.1:1111/cb"]}`, false},
		"one with a secret":  {`{"client_name":"A","redirect_uris":["http://127.0.0.1:1111/cb","http://localhost/cb"],"token_endpoint_auth_method":"client_secret_post"}`, false},
	} {
		if got := id(c.body); (got == first) != c.same {
			t.Errorf("%s: %s, the first is %s", name, got, first)
		}
	}
	secret := `{"client_name":"S","redirect_uris":["https://app.example/cb"]}`
	if one, two := id(secret), id(secret); one == two {
		t.Error("two clients with secrets share an id")
	}
	_, got := f.post(`{"client_name":"A","redirect_uris":["http://127.0.0.1:2222/cb","http://localhost/cb"]}`)
	if diff := cmp.Diff([]any{"http://127.0.0.1:2222/cb", "http://localhost/cb"}, got["redirect_uris"]); diff != "" {
		t.Errorf("the answer names other redirects than were sent\n%s", diff)
	}
}

// Quotas: from one address, of an IPv6 host's whole network, and of clients that nobody uses.
func TestQuotas(t *testing.T) {
	n := 0
	try := func(f *fixture, from string) int {
		n++
		status, _ := f.post(fmt.Sprintf(`{"client_name":"%d","redirect_uris":["http://127.0.0.1/cb"]}`, n), "from", from)
		return status
	}
	f := registry(t, func(c *registration.Config) {
		c.Limits = registration.Limits{PerMinute: 3, Unused: 7, UnusedAddress: 100}
	})
	for _, c := range []struct {
		name, from string
		after      time.Duration
		want       int
	}{
		{"first", "192.0.2.1:1", 0, 201}, {"second", "192.0.2.1:2", 0, 201}, {"third", "192.0.2.1:3", 0, 201}, {"fourth", "192.0.2.1:4", 0, 429}, {"another address", "192.0.2.2:1", 0, 201},
		{"an IPv6 host", "[2001:db8::1]:1", 0, 201}, {"its next address", "[2001:db8::2]:1", 0, 201}, {"and the next", "[2001:db8::3]:1", 0, 201}, {"and one too many", "[2001:db8:0:0:ffff::1]:1", 0, 429},
		{"the first after twenty seconds: unused clients fill the quota", "192.0.2.1:1", 20 * time.Second, 429},
	} {
		f.now = noon.Add(c.after)
		if got := try(f, c.from); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// AS-CIMD-ID-MATCH, AS-CIMD-STRUCTURE, AS-CIMD-NO-SECRET, AS-CIMD-PKJWT-ENFORCE, AS-CIMD-REDIRECT: which documents are clients.
func TestDocuments(t *testing.T) {
	const id = "https://app.example/client"
	whole := func(more string) string {
		return `{"client_id":"` + id + `","client_name":"App","redirect_uris":["https://app.example/cb"]` + more + `}`
	}
	for _, c := range []struct {
		name, text string
		ok         bool
	}{
		{"good", whole(""), true},
		{"good, public", whole(`,"token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"]`), true},
		{"good, could sign but need not", whole(`,"token_endpoint_auth_method":"private_key_jwt","token_endpoint_auth_methods_supported":["private_key_jwt","none"]`), true},
		{"good, a mixed list", `{"client_id":"` + id + `","client_name":"App","redirect_uris":["app://x","http://127.0.0.1/cb"]}`, true},
		{"good, unknown members", whole(`,"x":{"y":[1]}`), true},
		{"another id", `{"client_id":"https://evil.example/client","client_name":"App","redirect_uris":["https://app.example/cb"]}`, false},
		{"its id in another spelling", `{"client_id":"https://APP.example/client","client_name":"App","redirect_uris":["https://app.example/cb"]}`, false},
		{"no id", `{"client_name":"App","redirect_uris":["https://app.example/cb"]}`, false},
		{"no name", `{"client_id":"` + id + `","redirect_uris":["https://app.example/cb"]}`, false},
		{"no redirect", `{"client_id":"` + id + `","client_name":"App"}`, false},
		{"a redirect of script", `{"client_id":"` + id + `","client_name":"App","redirect_uris":["javascript:x"]}`, false},
		{"a secret", whole(`,"client_secret":"x"`), false},
		{"a method with a secret", whole(`,"token_endpoint_auth_method":"client_secret_basic"`), false},
		{"private_key_jwt and nothing else", whole(`,"token_endpoint_auth_method":"private_key_jwt"`), false},
		{"a method that nobody knows", whole(`,"token_endpoint_auth_method":"magic"`), false},
		{"another grant", whole(`,"grant_types":["client_credentials"]`), false},
		{"a name that turns around", strings.Replace(whole(""), "App", `A\u202epp`, 1), false},
		{"too long", whole(`,"x":"` + strings.Repeat("x", registration.MaxDocument) + `"`), false},
		{"no JSON", "<html>", false},
		{"a list", "[]", false},
		{"nothing", "", false},
	} {
		f := registry(t, nil)
		f.fetch = func(string) ([]byte, time.Time, error) { return []byte(c.text), time.Time{}, nil }
		ctx := f.begun(httptest.NewRequest("GET", "/", nil), "192.0.2.1:1").Context()
		client, err := f.Client(ctx, id)
		var e *oauth.Error
		if c.ok && (err != nil || client.ID != id || !client.Public() || client.Source != oauth.Document) || !c.ok && (!errors.As(err, &e) || e.Code != "invalid_client") {
			t.Errorf("%s: %+v, %v", c.name, client, err)
		}
		// AS-CIMD-NO-CACHE-ERRORS, AS-CIMD-CACHE.
		_, _ = f.Client(ctx, id)
		if want := map[bool]int{true: 1, false: 2}[c.ok]; int(f.fetched.Load()) != want {
			t.Errorf("%s: read %d times, want %d", c.name, f.fetched.Load(), want)
		}
	}
}

// A document is kept by its headers within bounds; one that cannot be read for now is not one that is refused.
func TestHowLongADocumentIsKept(t *testing.T) {
	const id = "https://app.example/client"
	text := []byte(`{"client_id":"` + id + `","client_name":"App","redirect_uris":["https://app.example/cb"]}`)
	for name, c := range map[string]struct{ fresh, kept time.Duration }{"nothing said": {0, 5 * time.Minute}, "a minute": {time.Minute, 5 * time.Minute}, "an hour": {time.Hour, time.Hour}, "a year": {8760 * time.Hour, 24 * time.Hour}} {
		f := registry(t, nil)
		f.fetch = func(string) ([]byte, time.Time, error) {
			if c.fresh == 0 {
				return text, time.Time{}, nil
			}
			return text, f.now.Add(c.fresh), nil
		}
		for _, at := range []time.Duration{0, c.kept - 1, c.kept} {
			f.now = noon.Add(at)
			if _, err := f.Client(f.begun(httptest.NewRequest("GET", "/", nil), "192.0.2.1:1").Context(), id); err != nil {
				t.Fatal(err)
			}
			if want := map[bool]int{true: 2, false: 1}[at == c.kept]; int(f.fetched.Load()) != want {
				t.Errorf("%s: after %s read %d times, want %d", name, at, f.fetched.Load(), want)
			}
		}
	}
}

func TestDocumentsThatCannotBeRead(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		code string
	}{
		"a private address": {fetch.ErrAddress, "invalid_client"}, "too large": {fetch.ErrTooLarge, "invalid_client"}, "not JSON": {fetch.ErrType, "invalid_client"}, "gone": {&fetch.StatusError{Code: 404}, "invalid_client"}, "a redirect": {&fetch.StatusError{Code: 302}, "invalid_client"},
		"down": {errors.New("connection refused"), "temporarily_unavailable"}, "slow": {fetch.ErrTimeout, "temporarily_unavailable"}, "its fault": {&fetch.StatusError{Code: 503}, "temporarily_unavailable"}, "busy": {fetch.ErrBusy, "temporarily_unavailable"},
	} {
		f := registry(t, nil)
		f.fetch = func(string) ([]byte, time.Time, error) { return nil, time.Time{}, fmt.Errorf("reading: %w", c.err) }
		_, err := f.Client(f.begun(httptest.NewRequest("GET", "/", nil), "192.0.2.1:1").Context(), "https://app.example/client")
		var e *oauth.Error
		if !errors.As(err, &e) || e.Code != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A thousand different documents: only so many are read for one address.
func TestAThousandDocuments(t *testing.T) {
	f := registry(t, nil)
	f.fetch = func(id string) ([]byte, time.Time, error) {
		return []byte(`{"client_id":"` + id + `","client_name":"App","redirect_uris":["https://app.example/cb"]}`), time.Time{}, nil
	}
	for n := range 1000 {
		_, _ = f.Client(f.begun(httptest.NewRequest("GET", "/", nil), "192.0.2.1:1").Context(), fmt.Sprintf("https://app%d.example/client", n))
	}
	if f.fetched.Load() != 30 {
		t.Errorf("%d documents were read", f.fetched.Load())
	}
}

func TestWhoIsKnown(t *testing.T) {
	f := registry(t, func(c *registration.Config) {
		c.Listed = []oauth.Client{{ID: "listed"}, {ID: "https://listed.example/x"}}
		c.Fetch = nil
	})
	ctx := f.begun(httptest.NewRequest("GET", "/", nil), "192.0.2.1:1").Context()
	for id, want := range map[string]string{"listed": "", "https://listed.example/x": "", "": "invalid_client", "LISTED": "invalid_client", "https://app.example/x": "invalid_client", "http://listed.example/x": "invalid_client"} {
		c, err := f.Client(ctx, id)
		var e *oauth.Error
		if want == "" && (err != nil || c.Source != oauth.Listed) || want != "" && (!errors.As(err, &e) || e.Code != want) {
			t.Errorf("%q: %+v, %v", id, c, err)
		}
	}
}
