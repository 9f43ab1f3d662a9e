package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func (s *server) registering(t testing.TB, body string) answer {
	t.Helper()
	return do(t, http.DefaultClient, request(t, "POST", s.at("/register"), body, "Content-Type", "application/json"))
}

// RFC 7591 with what clients really send: what is kept, what is left out, and what the answer says of it.
func TestRegistration(t *testing.T) {
	s := protect(t)
	registers := func(name, body string, redirects []any, method string, more func(t *testing.T, a answer)) {
		as(t, s, name, func(t *testing.T) {
			a := s.registering(t, body)
			if a.StatusCode != 201 || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Content-Type") != "application/json" {
				t.Fatalf("%s %v\n%s", a.Status, a.Header, a.body)
			}
			a.sees(t, "redirect_uris", redirects)
			a.sees(t, "token_endpoint_auth_method", method)
			a.sees(t, "grant_types", list("authorization_code", "refresh_token"))
			a.sees(t, "response_types", list("code"))
			m := a.json(t)
			if m["client_id"] == nil || m["client_id_issued_at"] == nil || (m["registration_client_uri"] == nil) != (method == "none") || (m["registration_access_token"] == nil) != (method == "none") {
				t.Errorf("the answer: %s", a.body)
			}
			if method == "none" {
				a.sees(t, "client_secret", nil)
				a.sees(t, "client_secret_expires_at", nil)
			} else {
				a.sees(t, "client_secret_expires_at", 0.0)
				if secret, _ := m["client_secret"].(string); !strings.HasPrefix(secret, "dws_") {
					t.Errorf("secret %q", secret)
				}
			}
			if more != nil {
				more(t, a)
			}
		})
	}
	nothing := func(*testing.T, answer) {}
	registers("Cursor", `{"redirect_uris":["http://localhost:8787/callback","https://www.cursor.com/agents/mcp/oauth/callback","cursor://anysphere.cursor-mcp/oauth/callback"],
		"token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"],"response_types":["code"],"client_name":"Cursor","client_uri":"https://cursor.com"}`,
		list("http://localhost:8787/callback", "https://www.cursor.com/agents/mcp/oauth/callback"), "none", nothing)
	registers("Claude Code", `{"client_name":"Claude Code (server)","redirect_uris":["http://localhost:54212/callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"}`,
		list("http://localhost:54212/callback"), "none", func(t *testing.T, a answer) { a.sees(t, "client_name", "Claude Code (server)") })
	registers("VS Code", `{"client_name":"Visual Studio Code","client_uri":"https://code.visualstudio.com","grant_types":["authorization_code","refresh_token","urn:ietf:params:oauth:grant-type:device_code"],"response_types":["code"],
		"redirect_uris":["https://insiders.vscode.dev/redirect","https://vscode.dev/redirect","http://127.0.0.1/","http://127.0.0.1:33418/"],"scope":"mcp","token_endpoint_auth_method":"none","application_type":"native"}`,
		list("https://insiders.vscode.dev/redirect", "https://vscode.dev/redirect", "http://127.0.0.1/", "http://127.0.0.1:33418/"), "none",
		func(t *testing.T, a answer) { a.sees(t, "application_type", "native") })
	registers("no method, only loopback", `{"redirect_uris":["http://127.0.0.1/cb","http://[::1]:1/cb","http://localhost/cb"]}`, list("http://127.0.0.1/cb", "http://[::1]:1/cb", "http://localhost/cb"), "none", nil)
	registers("no method, an https address", `{"redirect_uris":["https://app.example/cb","http://127.0.0.1/cb"]}`, list("https://app.example/cb", "http://127.0.0.1/cb"), "client_secret_basic", nil)
	registers("no method, only loopback after filtering", `{"redirect_uris":["app://cb","http://127.0.0.1/cb2"]}`, list("http://127.0.0.1/cb2"), "none", nil)
	registers("client_secret_post", `{"redirect_uris":["http://127.0.0.1/cb3"],"token_endpoint_auth_method":"client_secret_post"}`, list("http://127.0.0.1/cb3"), "client_secret_post", nil)
	registers("unknown members", `{"redirect_uris":["http://127.0.0.1/cb4"],"resource":"`+s.ready.Resource+`","x":{"y":[1]},"client_id":"mine","client_secret":"mine"}`, list("http://127.0.0.1/cb4"), "none",
		func(t *testing.T, a answer) {
			if strings.Contains(a.body, "mine") {
				t.Errorf("the client chose: %s", a.body)
			}
		})
	registers("an address twice", `{"redirect_uris":["http://127.0.0.1/cb5","http://127.0.0.1/cb5"]}`, list("http://127.0.0.1/cb5"), "none", nil)

	refuses := func(name, body string, status int, code string) {
		as(t, s, name, func(t *testing.T) { s.registering(t, body).wants(t, status, code) })
	}
	refuses("nothing left after filtering", `{"redirect_uris":["app://cb","http://example.com/cb"]}`, 400, "invalid_redirect_uri")
	refuses("no redirect address", `{"client_name":"x"}`, 400, "invalid_redirect_uri")
	refuses("a method that is not known", `{"redirect_uris":["http://127.0.0.1/cb"],"token_endpoint_auth_method":"tls_client_auth"}`, 400, "invalid_client_metadata")
	refuses("private_key_jwt without keys", `{"redirect_uris":["http://127.0.0.1/cb"],"token_endpoint_auth_method":"private_key_jwt"}`, 400, "invalid_client_metadata")
	refuses("no grant type that a stranger may have", `{"redirect_uris":["http://127.0.0.1/cb"],"grant_types":["client_credentials"]}`, 400, "invalid_client_metadata")
	refuses("a logo that is a script", `{"redirect_uris":["http://127.0.0.1/cb"],"logo_uri":"javascript:alert(1)"}`, 400, "invalid_client_metadata")
	refuses("a list in place of an object", `[]`, 400, "invalid_client_metadata")
	refuses("too long", `{"redirect_uris":["http://127.0.0.1/cb"],"client_uri":"https://`+strings.Repeat("x", 33<<10)+`"}`, 400, "invalid_client_metadata")
	as(t, s, "another type of body", func(t *testing.T) {
		do(t, http.DefaultClient, request(t, "POST", s.at("/register"), "redirect_uris=x", "Content-Type", "application/x-www-form-urlencoded")).wants(t, 400, "invalid_client_metadata")
	})
}

// Rule 14: equal public registrations are one client, whichever loopback port they name; confidential ones never are.
func TestEqualRegistrations(t *testing.T) {
	s := protect(t)
	id := func(body string) string { return fmt.Sprint(s.registering(t, body).json(t)["client_id"]) }
	app := func(name, redirect string) string {
		return id(fmt.Sprintf(`{"client_name":%q,"redirect_uris":[%q]}`, name, redirect))
	}
	first := app("App", "http://127.0.0.1:1000/cb")
	if again := app("App", "http://127.0.0.1:2000/cb"); again != first {
		t.Error("another port is another client")
	}
	for name, other := range map[string]string{"another name": app("Other", "http://127.0.0.1:1000/cb"), "another path": app("App", "http://127.0.0.1:1000/cb2"), "another host": app("App", "http://localhost:1000/cb")} {
		if other == first {
			t.Errorf("%s is the same client", name)
		}
	}
	secret := `{"client_name":"Web","redirect_uris":["https://app.example/cb"]}`
	if one, two := id(secret), id(secret); one == two {
		t.Error("two clients with a secret are one")
	}
}

// The quota is of an address and a minute. The refusal says when to come back.
func TestRegistrationQuota(t *testing.T) {
	s := protect(t)
	for n := range 40 {
		a := s.registering(t, fmt.Sprintf(`{"client_name":"App %d","redirect_uris":["http://127.0.0.1/cb"]}`, n))
		if a.StatusCode == 201 {
			continue
		}
		if a.wants(t, 429, "temporarily_unavailable"); a.Header.Get("Retry-After") != "60" || n < 30 {
			t.Errorf("registration %d: Retry-After %q", n, a.Header.Get("Retry-After"))
		}
		return
	}
	t.Error("forty registrations in a minute")
}
