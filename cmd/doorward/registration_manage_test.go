package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const confidentialApp = `{"client_name":"Web","redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"client_secret_post"}`

// manager is a client that manages its registration.
type manager struct {
	*app
	address, token string
}

func (s *server) manager() manager {
	s.t.Helper()
	a := s.registering(s.t, confidentialApp)
	m := a.json(s.t)
	app := &app{t: s.t, server: s, ID: fmt.Sprint(m["client_id"]), Secret: fmt.Sprint(m["client_secret"]), Redirect: "https://app.example/cb", State: "state"}
	app = app.again()
	return manager{app, fmt.Sprint(m["registration_client_uri"]), fmt.Sprint(m["registration_access_token"])}
}

func (m manager) manage(method, token, body string) answer {
	m.t.Helper()
	header := []string{"Content-Type", "application/json"}
	if token != "" {
		header = append(header, "Authorization", "Bearer "+token)
	}
	return do(m.t, http.DefaultClient, request(m.t, method, m.address, body, header...))
}

// RFC 7592 over TCP: read, replace, remove; what was removed has no power left.
func TestRegistrationManagement(t *testing.T) {
	s := protect(t)
	b := s.browser()
	b.signIn()
	m := s.manager()
	if !strings.HasPrefix(m.address, s.ready.Issuer+"/register/") || !strings.HasPrefix(m.token, "dwm_") {
		t.Fatalf("%s %s", m.address, m.token)
	}
	read := m.manage("GET", m.token, "")
	if read.StatusCode != http.StatusOK || read.Header.Get("Cache-Control") != "no-store" || strings.Contains(read.body, m.Secret) {
		t.Errorf("GET: %s %s", read.Status, read.body)
	}
	read.sees(t, "client_id", m.ID)
	got := m.redeem(m.code(b)).tokens(t)
	replaced := m.manage("PUT", m.token, fmt.Sprintf(`{"client_id":%q,"client_name":"New","redirect_uris":["https://app.example/new"],"token_endpoint_auth_method":"client_secret_post","grant_types":["authorization_code","client_credentials"]}`, m.ID))
	replaced.sees(t, "client_name", "New")
	replaced.sees(t, "grant_types", list("authorization_code", "refresh_token"))
	b.get(m.again().authorizeURL()).stays(t, "the redirect address of before", http.StatusBadRequest)
	if a := m.manage("DELETE", m.token, ""); a.StatusCode != http.StatusNoContent {
		t.Fatalf("DELETE: %s %s", a.Status, a.body)
	}
	if a := s.call(got.Access, "whoami", "{}"); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("its access token after DELETE: %s", a.Status)
	}
	m.refresh(got.Refresh).wants(t, http.StatusUnauthorized, "invalid_client")
	m.manage("GET", m.token, "").wants(t, http.StatusUnauthorized, "invalid_token")
	s.restart()
	if a := s.call(got.Access, "whoami", "{}"); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("its access token after a restart: %s", a.Status)
	}
}

// A client's registration is its own: no other client's token, no secret, no access token opens it, and none learns
// whether it exists.
func TestAttackOnAnotherClientsRegistration(t *testing.T) {
	s := protect(t)
	victim, attacker := s.manager(), s.manager()
	public := s.app()
	nobody := manager{victim.app, s.at("/register/dw-NOBODY"), attacker.token}
	shared := manager{public, s.at("/register/" + public.ID), attacker.token}
	put := fmt.Sprintf(`{"client_id":%q,"redirect_uris":["https://evil.example/cb"],"token_endpoint_auth_method":"client_secret_post"}`, victim.ID)
	for name, c := range map[string]struct {
		of    manager
		token string
	}{
		"another client's token": {victim, attacker.token}, "its secret": {victim, victim.Secret}, "no token": {victim, ""}, "a client that does not exist": {nobody, attacker.token},
		"a client that many share": {shared, attacker.token}, "a client that many share, with its id": {shared, public.ID},
	} {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			as(t, s, name+" "+method, func(t *testing.T) {
				a := c.of.manage(method, c.token, put)
				a.wants(t, http.StatusUnauthorized, "invalid_token")
				if !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer") || strings.Contains(a.body, "app.example") {
					t.Errorf("%v %s", a.Header, a.body)
				}
			})
		}
	}
	a := victim.manage("GET", victim.token, "")
	a.sees(t, "redirect_uris", list("https://app.example/cb"))
}

// Rule 14: whoever registers what somebody else registered gets the same id and nothing else: no secret, no management
// token, neither at first nor again; and what has credentials is nobody else's.
func TestAttackByAnEqualRegistration(t *testing.T) {
	s := protect(t)
	const public = `{"client_name":"App","redirect_uris":["http://127.0.0.1:1/cb"],"token_endpoint_auth_method":"none"}`
	var ids []string
	for range 3 {
		a := s.registering(t, public)
		for _, member := range []string{"client_secret", "registration_access_token", "registration_client_uri"} {
			a.sees(t, member, nil)
		}
		ids = append(ids, fmt.Sprint(a.json(t)["client_id"]))
	}
	if ids[0] != ids[1] || ids[1] != ids[2] {
		t.Errorf("%v", ids)
	}
	seen := map[string]bool{}
	for range 3 {
		m := s.manager()
		for _, v := range []string{m.ID, m.Secret, m.token} {
			if seen[v] {
				t.Errorf("%s was given twice", v)
			}
			seen[v] = true
		}
	}
}

// Rule 14: registration gives no power. What a stranger asks for beyond the code flow is left out, and asking for it at
// the token endpoint is refused, whatever the client has to show.
func TestAttackByRegisteringForPower(t *testing.T) {
	s := protect(t)
	a := s.registering(t, `{"client_name":"Admin","redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"client_secret_post","scope":"mcp admin","serves":["`+s.ready.Resource+`"],"reaches":["`+s.ready.Resource+`"],
		"grant_types":["authorization_code","client_credentials","urn:ietf:params:oauth:grant-type:token-exchange","urn:ietf:params:oauth:grant-type:jwt-bearer","urn:ietf:params:oauth:grant-type:device_code"]}`)
	a.sees(t, "grant_types", list("authorization_code", "refresh_token"))
	a.sees(t, "serves", nil)
	a.sees(t, "reaches", nil)
	m := a.json(t)
	app := &app{t: t, server: s, ID: fmt.Sprint(m["client_id"]), Secret: fmt.Sprint(m["client_secret"])}
	for _, grant := range []string{"client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange", "urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:device_code"} {
		got := app.token(map[string][]string{"grant_type": {grant}, "resource": {s.ready.Resource}})
		if got.StatusCode != http.StatusBadRequest || strings.Contains(got.body, "access_token") {
			t.Errorf("%s: %s %s", grant, got.Status, got.body)
		}
	}
	put := manager{app, fmt.Sprint(m["registration_client_uri"]), fmt.Sprint(m["registration_access_token"])}.manage("PUT", fmt.Sprint(m["registration_access_token"]),
		fmt.Sprintf(`{"client_id":%q,"redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"client_secret_post","grant_types":["authorization_code","client_credentials"],"waits":false,"source":"listed"}`, app.ID))
	put.sees(t, "grant_types", list("authorization_code", "refresh_token"))
	if got := app.token(map[string][]string{"grant_type": {"client_credentials"}, "resource": {s.ready.Resource}}); got.StatusCode != http.StatusBadRequest {
		t.Errorf("after PUT: %s %s", got.Status, got.body)
	}
}
