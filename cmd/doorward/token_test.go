package main

import (
	"database/sql"
	"encoding/base64"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

// posted sends a form to a back-channel endpoint, as text, so that it may hold what url.Values cannot.
func (s *server) posted(t testing.TB, path, form string, header ...string) answer {
	t.Helper()
	return do(t, http.DefaultClient, request(t, "POST", s.at(path), form, append([]string{"Content-Type", "application/x-www-form-urlencoded"}, header...)...))
}

func basic(id, secret string) []string {
	return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))}
}

// RFC 6749 §2.3 and §5.2: who the client is. A client with a secret may send it either way.
func TestClientsAuthenticate(t *testing.T) {
	s := protect(t)
	b := s.browser()
	b.signIn()
	public := s.app()
	web := s.register(`{"client_name":"Web","redirect_uris":["https://app.example/cb"]}`)
	post := s.register(`{"client_name":"Post","redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"client_secret_post"}`)
	form := func(a *app, code string, more ...string) string {
		v := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {a.Redirect}, "code_verifier": {a.Verifier}}
		for i := 0; i < len(more); i += 2 {
			v.Set(more[i], more[i+1])
		}
		return v.Encode()
	}
	for _, a := range []*app{web, post} {
		as(t, s, "either way, registered "+map[*app]string{web: "basic", post: "post"}[a], func(t *testing.T) {
			a.t, b.t = t, t
			s.posted(t, "/token", form(a, a.again().code(b), "client_id", a.ID, "client_secret", a.Secret)).tokens(t)
			s.posted(t, "/token", form(a, a.again().code(b)), basic(a.ID, a.Secret)...).tokens(t)
			lower := basic(a.ID, a.Secret)
			lower[1] = "bAsIc" + strings.TrimPrefix(lower[1], "Basic")
			s.posted(t, "/token", form(a, a.again().code(b)), lower...).tokens(t)
			s.posted(t, "/token", form(a, a.again().code(b), "client_id", a.ID), basic(a.ID, a.Secret)...).tokens(t)
		})
	}
	code := web.again().code(b)
	refused := func(name string, status int, code string, challenged bool, a answer) {
		as(t, s, name, func(t *testing.T) {
			a.wants(t, status, code)
			if got := a.Header.Get("WWW-Authenticate"); challenged != strings.HasPrefix(got, "Basic realm=") {
				t.Errorf("challenge %q", got)
			}
			if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Content-Type") != "application/json" || a.json(t)["request_id"] != a.Header.Get("X-Request-Id") {
				t.Errorf("%v %s", a.Header, a.body)
			}
		})
	}
	refused("an unknown client", 401, "invalid_client", false, s.posted(t, "/token", form(web, code, "client_id", "dw-NOBODY")))
	refused("an unknown client with Basic", 401, "invalid_client", true, s.posted(t, "/token", form(web, code), basic("dw-NOBODY", "x")...))
	refused("no client", 401, "invalid_client", false, s.posted(t, "/token", form(web, code)))
	refused("a wrong secret", 401, "invalid_client", false, s.posted(t, "/token", form(web, code, "client_id", web.ID, "client_secret", "wrong")))
	refused("a wrong secret with Basic", 401, "invalid_client", true, s.posted(t, "/token", form(web, code), basic(web.ID, "wrong")...))
	refused("no secret", 401, "invalid_client", false, s.posted(t, "/token", form(web, code, "client_id", web.ID)))
	refused("a secret of a client that has none", 401, "invalid_client", false, s.posted(t, "/token", form(public, code, "client_id", public.ID, "client_secret", "x")))
	refused("two methods at once", 400, "invalid_request", false, s.posted(t, "/token", form(web, code, "client_secret", web.Secret), basic(web.ID, web.Secret)...))
	refused("two clients at once", 400, "invalid_request", false, s.posted(t, "/token", form(web, code, "client_id", public.ID), basic(web.ID, web.Secret)...))
	refused("malformed Basic", 401, "invalid_client", false, s.posted(t, "/token", form(web, code), "Authorization", "Bearer x"))
	as(t, s, "the code is still good", func(t *testing.T) {
		web.t = t
		web.redeem(code).tokens(t)
	})
}

// Rule 13: what a token request may look like.
func TestTokenRequests(t *testing.T) {
	s := protect(t)
	b := s.browser()
	b.signIn()
	app := s.app()
	code := app.code(b)
	good := url.Values{"grant_type": {"authorization_code"}, "client_id": {app.ID}, "code": {code}, "redirect_uri": {app.Redirect}, "code_verifier": {app.Verifier}, "resource": {s.ready.Resource}}.Encode()
	refused := func(name, code string, a answer) {
		as(t, s, name, func(t *testing.T) { a.wants(t, 400, code) })
	}
	for _, name := range []string{"code", "client_id", "code_verifier", "grant_type", "redirect_uri", "scope"} {
		refused("twice: "+name, "invalid_request", s.posted(t, "/token", good+"&"+name+"=x&"+name+"=y"))
	}
	refused("parameters in the query", "invalid_request", s.posted(t, "/token?client_id="+app.ID, good))
	refused("another type of body", "invalid_request", s.posted(t, "/token", `{"grant_type":"authorization_code"}`, "Content-Type", "application/json"))
	refused("malformed", "invalid_request", s.posted(t, "/token", good+"&x=%zz"))
	refused("too long", "invalid_request", s.posted(t, "/token", good+"&x="+strings.Repeat("x", 70<<10)))
	refused("two resources", "invalid_target", s.posted(t, "/token", good+"&resource="+url.QueryEscape(s.ready.Resource)))
	refused("an unknown resource", "invalid_target", app.redeem(code, "resource", "https://example.com/mcp"))
	refused("an unknown grant type", "unsupported_grant_type", app.token(url.Values{"grant_type": {"password"}, "username": {"admin"}, "password": {"x"}}))
	refused("client_credentials", "unauthorized_client", app.token(url.Values{"grant_type": {"client_credentials"}}))
	refused("no grant type", "unsupported_grant_type", app.token(url.Values{}))
	refused("a malformed scope", "invalid_scope", app.redeem(code, "scope", `"`))
	as(t, s, "none of it consumed the code", func(t *testing.T) {
		app.t = t
		a := s.posted(t, "/token", good+"&unknown=x")
		a.tokens(t)
		if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Pragma") != "no-cache" || a.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%v", a.Header)
		}
	})
	as(t, s, "refusals stand in the log", func(t *testing.T) {
		s.restart() // so that nothing has been counted in this second
		s.posted(t, "/token?client_id="+app.ID, good).wants(t, 400, "invalid_request")
		all := s.audited()
		if last := all[len(all)-1]; last["msg"] != "token.refused" || last["reason"] != "query" {
			t.Errorf("%v", last)
		}
	})
}

// What is given for which scopes, and what the answer says of it.
func TestScopes(t *testing.T) {
	s := protect(t)
	b := s.browser()
	b.signIn()
	app := s.app()
	for name, asked := range map[string]string{
		"none": "", "the one that there is": "mcp", "with offline_access": "mcp offline_access", "offline_access alone": "offline_access", "unknown ones are left out": "openid profile mcp files:read", "only unknown ones": "openid email",
	} {
		as(t, s, name, func(t *testing.T) {
			app.t, b.t = t, t
			got := app.redeem(app.again().code(b, "scope", asked)).tokens(t)
			if claims := payload(t, got.Access); got.Scope != "mcp" || claims["scope"] != "mcp" {
				t.Errorf("answer %q, token %v", got.Scope, claims["scope"])
			}
			// Every code grant gets a refresh token, which keeps audience and scope.
			next := app.refresh(got.Refresh).tokens(t)
			if claims := payload(t, next.Access); next.Scope != "mcp" || claims["scope"] != "mcp" || claims["aud"] != s.ready.Resource || claims["sub"] != payload(t, got.Access)["sub"] {
				t.Errorf("refreshed: answer %q, token %v", next.Scope, claims)
			}
		})
	}
	as(t, s, "a refresh for less", func(t *testing.T) {
		app.t, b.t = t, t
		got := app.redeem(app.again().code(b, "scope", "mcp offline_access")).tokens(t)
		less := app.refresh(got.Refresh, "scope", "mcp").tokens(t)
		s.works("narrowed", less.Access)
		// RFC 6749 §6: the refresh token keeps what was granted.
		s.works("whole again", app.refresh(less.Refresh, "scope", "mcp offline_access").tokens(t).Access)
		app.refresh(less.Refresh, "scope", "mcp admin").wants(t, 400, "invalid_scope")
	})
	as(t, s, "a client that registered only for codes", func(t *testing.T) {
		b.t = t
		only := s.register(`{"client_name":"Only","redirect_uris":["` + callback + `"],"grant_types":["authorization_code"]}`)
		only.refresh(only.redeem(only.code(b)).tokens(t).Refresh).tokens(t)
	})
	as(t, s, "a malformed scope", func(t *testing.T) {
		b.t = t
		p := b.get(s.stranger().authorizeURL("scope", "a\"b"))
		if p.stays(t, "a quote", 400); !strings.Contains(p.body, `value="invalid_scope"`) {
			t.Error(p.body)
		}
	})
}

// Rule 7: access tokens write no row, so that nothing grows with their number.
func TestAccessTokensWriteNoRow(t *testing.T) {
	s := protect(t)
	app, got := s.connect()
	rows := func() (n int) {
		t.Helper()
		db, err := sql.Open("sqlite", "file:"+filepath.Join(s.ready.Data, "doorward.db")+"?mode=ro&_pragma=busy_timeout(5000)")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		tables := "people sessions links clients pendings devices once consents grants revocations signing_keys settings counters bundles definitions shown audit_head audit_entries audit_hashes audit_checkpoints audit_marks audit_keys audit_subjects audit_days audit_values audit_erased audit_cursors audit_cursor audit_steps audit_terms audit_witnessed audit_holds"
		for table := range strings.FieldsSeq(tables) {
			var here int
			if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&here); err != nil {
				t.Fatal(err)
			}
			n += here
		}
		var all int
		if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").Scan(&all); err != nil || all != len(strings.Fields(tables)) {
			t.Fatalf("%d tables, %v", all, err)
		}
		return n
	}
	before := rows()
	for range 5 {
		got = app.refresh(got.Refresh).tokens(t)
		s.works("a token", got.Access)
	}
	if after := rows(); after != before {
		t.Errorf("%d rows, then %d", before, after)
	}
}

// When what was granted is not here any more, the answer is one that clients know: they throw on invalid_target, and the
// person is stuck.
func TestAGrantForAServerThatIsGone(t *testing.T) {
	s := protect(t)
	app, got := s.connect()
	s.rewrite("UPDATE grants SET resources = replace(resources, '/mcp', '/gone')")
	app.refresh(got.Refresh, "resource", "").wants(t, 400, "invalid_grant")
	app, got = s.connect()
	s.rewrite("UPDATE grants SET resources = replace(resources, '/mcp', '/gone')")
	app.refresh(got.Refresh, "resource", s.ready.Issuer+"/other").wants(t, 400, "invalid_target")
	app.refresh(got.Refresh, "resource", s.ready.Issuer+"/gone").wants(t, 400, "invalid_grant")
}
