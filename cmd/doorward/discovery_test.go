package main

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/oauth"
)

// payload is what a JWT says, its signature unread.
func payload(t testing.TB, raw string) map[string]any {
	t.Helper()
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		t.Fatalf("not a signed JWT: %q", raw)
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// get asks for an address under another Host; empty: the address's own.
func (s *server) get(path, host string, header ...string) answer {
	s.t.Helper()
	r := request(s.t, "GET", s.at(path), "", header...)
	r.Host = host
	return do(s.t, http.DefaultClient, r)
}

func (s *server) port() string {
	return s.ready.Issuer[strings.LastIndexByte(s.ready.Issuer, ':')+1:]
}

// sees fails unless a document's member is want.
func (a answer) sees(t testing.TB, member string, want any) {
	t.Helper()
	if got := a.json(t)[member]; !reflect.DeepEqual(got, want) {
		t.Errorf("%s %s: %s is %v, want %v", a.Request.Method, a.Request.URL.Path, member, got, want)
	}
}

func list(items ...string) (all []any) {
	for _, i := range items {
		all = append(all, i)
	}
	return all
}

// RS-PRM-SERVE, RS-401-CHALLENGE, AS-METADATA: what a client reads before it can begin.
func TestDiscovery(t *testing.T) {
	s := protect(t, "--name", "The name")
	resource, issuer := s.ready.Resource, s.ready.Issuer
	inserted := issuer + "/.well-known/oauth-protected-resource/mcp"

	as(t, s, "protected resource metadata", func(t *testing.T) {
		for _, path := range []string{"/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"} {
			a := s.get(path, "")
			if a.StatusCode != 200 || a.Header.Get("Content-Type") != "application/json" || a.Header.Get("Cache-Control") == "" {
				t.Fatalf("%s: %s %v", path, a.Status, a.Header)
			}
			a.sees(t, "resource", resource)
			a.sees(t, "authorization_servers", list(issuer))
			a.sees(t, "scopes_supported", list("mcp"))
			a.sees(t, "bearer_methods_supported", list("header"))
			a.sees(t, "resource_name", "The name")
			a.sees(t, "resource_documentation", issuer+"/")
		}
		if a := s.get("/", ""); a.StatusCode != 200 || !strings.Contains(a.body, "The name") {
			t.Errorf("the documentation: %s\n%s", a.Status, a.body)
		}
	})
	as(t, s, "challenge without a token", func(t *testing.T) {
		for _, method := range []string{"POST", "GET", "DELETE"} {
			a := do(t, http.DefaultClient, request(t, method, resource, ""))
			if got, want := a.Header.Get("WWW-Authenticate"), `Bearer scope="mcp", resource_metadata="`+inserted+`"`; a.StatusCode != 401 || got != want {
				t.Errorf("%s: %s, %s; want %s", method, a.Status, got, want)
			}
		}
	})
	as(t, s, "challenge with a bad token", func(t *testing.T) {
		a := s.send("nonsense", "{}")
		got := oauth.ParseChallenges(a.Header.Values("WWW-Authenticate"))
		if a.StatusCode != 401 || len(got) != 2 || got[0].Scheme != "Bearer" || got[1].Scheme != "DPoP" || got[0].Error != "invalid_token" || got[0].ResourceMetadata != inserted || got[0].Scope.String() != "mcp" || got[0].Description == "" {
			t.Errorf("%s, %+v", a.Status, got)
		}
	})
	as(t, s, "authorization server metadata", func(t *testing.T) {
		first, second := s.get("/.well-known/oauth-authorization-server", ""), s.get("/.well-known/openid-configuration", "")
		for member, want := range first.json(t) {
			if member != "scopes_supported" { // clients of MCP that look there are not led to ask who the person is
				second.sees(t, member, want)
			}
		}
		for member, want := range map[string]any{
			"scopes_supported": list("mcp", "offline_access", "openid", "profile"), "userinfo_endpoint": issuer + "/userinfo", "end_session_endpoint": issuer + "/logout",
			"subject_types_supported": list("public"), "id_token_signing_alg_values_supported": list("ES256"),
		} {
			second.sees(t, member, want)
		}
		for member, want := range map[string]any{
			"issuer": issuer, "authorization_endpoint": issuer + "/authorize", "token_endpoint": issuer + "/token", "registration_endpoint": issuer + "/register",
			"revocation_endpoint": issuer + "/revoke", "jwks_uri": issuer + "/jwks",
			"scopes_supported": list("mcp", "offline_access"), "response_types_supported": list("code"), "response_modes_supported": list("query"),
			"grant_types_supported":                         list("authorization_code", "client_credentials", "refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange"),
			"token_endpoint_auth_methods_supported":         list("none", "client_secret_basic", "client_secret_post", "private_key_jwt"),
			"revocation_endpoint_auth_methods_supported":    list("none", "client_secret_basic", "client_secret_post", "private_key_jwt"),
			"introspection_endpoint_auth_methods_supported": list("client_secret_basic", "client_secret_post", "private_key_jwt"),
			"pushed_authorization_request_endpoint":         issuer + "/par", "introspection_endpoint": issuer + "/introspect",
			"device_authorization_endpoint": nil, "authorization_grant_profiles_supported": nil, // nothing turned them on
			"code_challenge_methods_supported": list("S256"), "authorization_response_iss_parameter_supported": true, "client_id_metadata_document_supported": true,
			"subject_types_supported": nil, "id_token_signing_alg_values_supported": nil, // OpenID members, in the other document only
		} {
			first.sees(t, member, want)
		}
	})
	as(t, s, "everything else is a JSON 404", func(t *testing.T) {
		for _, path := range []string{
			"/.well-known/", "/.well-known/nothing", "/.well-known/oauth-protected-resource/", "/.well-known/oauth-protected-resource/other",
			"/.well-known/oauth-authorization-server/mcp", "/.well-known/openid-configuration/mcp", "/mcp/.well-known/openid-configuration", "/mcp/.well-known/oauth-protected-resource",
			"/mcp/x", "/nothing", "/authorize/", "/token/", "/device", "/device_authorization",
		} {
			a := s.get(path, "", "Accept", "text/html")
			a.wants(t, 404, "not_found")
			if a.Header.Get("Content-Type") != "application/json" || a.json(t)["request_id"] != a.Header.Get("X-Request-Id") {
				t.Errorf("%s: %v %s", path, a.Header, a.body)
			}
		}
	})
	as(t, s, "addresses without metadata", func(t *testing.T) {
		// MCP 2025-03-26: a client without metadata goes to /authorize, /token and /register under the origin.
		for path, want := range map[string]int{"/authorize": 400, "/token": 405, "/register": 405, "/revoke": 405, "/jwks": 200} {
			if a := s.get(path, ""); a.StatusCode != want || want == 405 && a.Header.Get("Allow") != "POST" {
				t.Errorf("GET %s: %s, Allow %q", path, a.Status, a.Header.Get("Allow"))
			}
		}
	})
}

// A loopback listener is known under a closed list of names: each gets documents with its spelling, and all of them mean
// the one that is stored.
func TestLoopbackSpellings(t *testing.T) {
	s := protect(t)
	b := s.browser()
	b.signIn()
	app := s.app()
	for _, name := range []string{"127.0.0.1", "localhost", "[::1]"} {
		as(t, s, name, func(t *testing.T) {
			app.t, b.t = t, t
			host := name + ":" + s.port()
			r := request(t, "POST", s.ready.Resource, "{}")
			r.Host = host
			challenge := do(t, http.DefaultClient, r).Header.Get("WWW-Authenticate")
			if !strings.Contains(challenge, `resource_metadata="http://`+host+`/.well-known/oauth-protected-resource/mcp"`) {
				t.Errorf("the challenge: %s", challenge)
			}
			for _, path := range []string{"/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"} {
				document := s.get(path, host)
				document.sees(t, "resource", "http://"+host+"/mcp")
				document.sees(t, "authorization_servers", list(s.ready.Issuer))
			}
			s.get("/.well-known/oauth-authorization-server", host).sees(t, "issuer", s.ready.Issuer)
			got := app.redeem(app.again().code(b, "resource", "http://"+host+"/mcp"), "resource", "http://"+host+"/mcp").tokens(t)
			if aud := payload(t, got.Access)["aud"]; aud != s.ready.Resource {
				t.Errorf("aud is %v, want %s", aud, s.ready.Resource)
			}
			got = app.refresh(got.Refresh, "resource", "http://"+host+"/mcp").tokens(t)
			call := request(t, "POST", s.ready.Resource, callBody("whoami", "{}"), append(callHeaders("whoami"), "Content-Type", "application/json", "Accept", "application/json, text/event-stream", "Authorization", "Bearer "+got.Access)...)
			call.Host = host
			if a := do(t, http.DefaultClient, call); a.StatusCode != 200 {
				t.Errorf("a call under %s: %s %s", host, a.Status, a.body)
			}
		})
	}
	as(t, s, "both loopback addresses are taken", func(t *testing.T) {
		for _, name := range []string{"127.0.0.1", "[::1]"} {
			a, err := http.Get("http://" + name + ":" + s.port() + "/.well-known/oauth-protected-resource")
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			_ = a.Body.Close()
		}
	})
	as(t, s, "any other Host is refused", func(t *testing.T) {
		for _, host := range []string{"example.com", "127.0.0.2:" + s.port(), "localhost", "localhost:1"} {
			s.get("/.well-known/oauth-protected-resource", host).wants(t, 421, "invalid_request")
		}
	})
}

// RFC 9068, RFC 7517: what a resource server elsewhere would verify with.
func TestTheAccessToken(t *testing.T) {
	s := protect(t)
	app, got := s.connect()
	claims := payload(t, got.Access)
	for name, want := range map[string]any{"iss": s.ready.Issuer, "aud": s.ready.Resource, "client_id": app.ID, "scope": "mcp", "acr": "urn:doorward:single-factor"} {
		if claims[name] != want {
			t.Errorf("%s is %v, want %v", name, claims[name], want)
		}
	}
	for _, name := range []string{"sub", "jti", "gid", "iat", "exp", "auth_time"} {
		if claims[name] == nil || claims[name] == "" {
			t.Errorf("the token lacks %s", name)
		}
	}
	if claims["exp"].(float64)-claims["iat"].(float64) != 600 {
		t.Errorf("it lives from %v to %v", claims["iat"], claims["exp"])
	}
	signed := s.verified(t, got.Access, "at+jwt")
	if d := time.Since(time.Unix(int64(signed["iat"].(float64)), 0)); d > time.Minute || d < -time.Minute {
		t.Errorf("issued %s ago", d)
	}
}
