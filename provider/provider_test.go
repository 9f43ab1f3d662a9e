package provider_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward-mcp/doorward/provider"
	"github.com/doorward-mcp/doorward/token"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// asked is what a token endpoint was asked.
type asked struct {
	Header http.Header
	Form   url.Values
}

// server answers every request with status and body, and tells what it was asked.
func server(t *testing.T, status int, body string) (provider.Endpoint, func() asked) {
	t.Helper()
	var last asked
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		last = asked{r.Header, r.PostForm}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	return provider.Endpoint{URL: s.URL + "/token", ClientID: "us", Secret: token.NewSecret("s3cret")}, func() asked { return last }
}

// RFC 6749 §2.3.1: how a client says who it is. One method, and never both.
func TestAuthenticatingAtAnEndpoint(t *testing.T) {
	for _, tt := range []struct {
		method, id, secret string
		basic              [2]string // as the server's library reads it: form-encoded
		form               url.Values
	}{
		{"", "us", "s3cret", [2]string{"us", "s3cret"}, url.Values{"token": {"x"}}},
		{provider.MethodBasic, "a:b c", "p%:&é", [2]string{"a%3Ab+c", "p%25%3A%26%C3%A9"}, url.Values{"token": {"x"}}},
		{provider.MethodPost, "us", "s3 cret", [2]string{}, url.Values{"token": {"x"}, "client_id": {"us"}, "client_secret": {"s3 cret"}}},
		{provider.MethodNone, "us", "s3cret", [2]string{}, url.Values{"token": {"x"}, "client_id": {"us"}}},
	} {
		e, last := server(t, 200, `{}`)
		e.Method, e.ClientID, e.Secret = tt.method, tt.id, token.NewSecret(tt.secret)
		form := url.Values{"token": {"x"}, "client_id": {"somebody else"}, "client_secret": {"theirs"}}
		before := fmt.Sprint(form)
		status, body, err := e.Post(t.Context(), form)
		if err != nil || status != 200 || string(body) != "{}" || fmt.Sprint(form) != before {
			t.Fatalf("%s: %d %s %v", tt.method, status, body, err)
		}
		got := asked{Form: last().Form}
		r := http.Request{Header: last().Header}
		user, password, _ := r.BasicAuth()
		if diff := cmp.Diff(tt.form, got.Form); diff != "" || user != tt.basic[0] || password != tt.basic[1] {
			t.Errorf("%q: basic %q %q\n%s", tt.method, user, password, diff)
		}
	}
}

// What an endpoint must not do to us, and what no error may say.
func TestAnEndpointThatMisbehaves(t *testing.T) {
	reached := false
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer inside.Close()
	for name, h := range map[string]http.HandlerFunc{
		"redirects": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, inside.URL, http.StatusTemporaryRedirect)
		},
		"never ends": func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) },
		"breaks off": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "50")
			_, _ = w.Write([]byte("{"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(h)
			defer s.Close()
			e := provider.Endpoint{URL: s.URL + "/token?key=hidden", ClientID: "us", Secret: token.NewSecret("s3cret"), HTTP: &http.Client{}, Method: provider.MethodPost}
			_, _, err := e.Post(t.Context(), url.Values{"subject_token": {"inner"}})
			if !errors.Is(err, provider.ErrAnswer) && !errors.Is(err, provider.ErrUnreachable) {
				t.Errorf("%v", err)
			}
			for _, secret := range []string{"hidden", "s3cret", "inner"} {
				if strings.Contains(fmt.Sprint(err), secret) {
					t.Errorf("the error says a secret: %v", err)
				}
			}
		})
	}
	if reached {
		t.Error("a redirect was followed")
	}
	for _, e := range []provider.Endpoint{{}, {URL: "file:///etc/passwd", ClientID: "us"}, {URL: "http://u:p@h/", ClientID: "us"}, {URL: "http://127.0.0.1:1/", ClientID: ""}, {URL: "http://127.0.0.1:1/", ClientID: "us", Method: "tls_client_auth"}} {
		if _, _, err := e.Post(t.Context(), nil); err == nil || errors.Is(err, provider.ErrUnreachable) {
			t.Errorf("%v: %v", e.URL, err)
		}
	}
}

// RFC 6749 §4.4, RFC 8693 §2.1, RFC 7523 §2.1: what is sent for each grant.
func TestAskingForTokens(t *testing.T) {
	const good = `{"access_token":"out","token_type":"bearer","expires_in":300,"issued_token_type":"urn:ietf:params:oauth:token-type:access_token"}`
	w := provider.Wanted{Audiences: []string{"a", "b"}, Resources: []string{"https://r.example"}, Scopes: []string{"x", "y"}, Parameters: map[string]string{"connector_id": "c", "grant_type": "password", "subject_token": "forged"}}
	common := url.Values{"audience": {"a", "b"}, "resource": {"https://r.example"}, "scope": {"x y"}, "connector_id": {"c"}}
	for _, tt := range []struct {
		name string
		ask  func(e provider.Endpoint) (provider.Token, error)
		want url.Values
	}{
		{"client credentials", func(e provider.Endpoint) (provider.Token, error) { return e.ClientCredentials(t.Context(), noon, w) },
			url.Values{"grant_type": {"client_credentials"}, "subject_token": {"forged"}}},
		{"exchange", func(e provider.Endpoint) (provider.Token, error) {
			return e.Exchange(t.Context(), noon, token.NewSecret("sub"), "", w)
		},
			url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {"sub"}, "subject_token_type": {provider.TypeJWT}, "requested_token_type": {provider.TypeAccess}}},
		{"bearer", func(e provider.Endpoint) (provider.Token, error) {
			return e.Bearer(t.Context(), noon, token.NewSecret("sub"), w)
		},
			url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {"sub"}, "subject_token": {"forged"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, last := server(t, 200, good)
			got, err := tt.ask(e)
			if err != nil || got.Text.Reveal() != "out" || !got.Expires.Equal(noon.Add(5*time.Minute)) {
				t.Fatalf("%v %v", got, err)
			}
			for name, v := range common {
				tt.want[name] = v
			}
			if diff := cmp.Diff(tt.want, last().Form); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// RFC 6749 §5.1, §5.2 and §7.1, RFC 8693 §2.2.1: what can be used, and as what the rest counts.
func TestAnswersOfATokenEndpoint(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   string
		want   error
		life   time.Duration
	}{
		{"no life", 200, `{"access_token":"t","token_type":"Bearer"}`, nil, time.Minute},
		{"a life in quotes", 200, `{"access_token":"t","token_type":"Bearer","expires_in":"60"}`, nil, time.Minute},
		{"a life that is over", 200, `{"access_token":"t","token_type":"Bearer","expires_in":-5}`, nil, time.Minute},
		{"a life of ages", 200, `{"access_token":"t","token_type":"Bearer","expires_in":1e12}`, nil, 24 * time.Hour},
		{"another type", 200, `{"access_token":"t","token_type":"DPoP"}`, provider.ErrAnswer, 0},
		{"no type", 200, `{"access_token":"t"}`, provider.ErrAnswer, 0},
		{"a refresh token", 200, `{"access_token":"t","token_type":"Bearer","issued_token_type":"urn:ietf:params:oauth:token-type:refresh_token"}`, provider.ErrAnswer, 0},
		{"a line break", 200, `{"access_token":"t\r\nX: y","token_type":"Bearer"}`, provider.ErrAnswer, 0},
		{"too long", 200, `{"access_token":"` + strings.Repeat("x", 17<<10) + `","token_type":"Bearer"}`, provider.ErrAnswer, 0},
		{"nothing", 200, `{}`, provider.ErrAnswer, 0},
		{"no JSON", 200, `access_token=t`, provider.ErrAnswer, 0},
		{"an error with a 200", 200, `{"error":"bad_verification_code"}`, provider.ErrRefused, 0},
		{"an error", 400, `{"error":"invalid_grant"}`, provider.ErrRefused, 0},
		{"no client", 401, `<html>`, provider.ErrRefused, 0},
		{"down", 503, `{"error":"temporarily_unavailable"}`, provider.ErrUnreachable, 0},
		{"too often", 429, ``, provider.ErrUnreachable, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, _ := server(t, tt.status, tt.body)
			got, err := e.ClientCredentials(t.Context(), noon, provider.Wanted{})
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Fatalf("%v, want %v", err, tt.want)
			}
			if err == nil && got.Expires.Sub(noon) != tt.life {
				t.Errorf("a life of %s", got.Expires.Sub(noon))
			}
		})
	}
}
