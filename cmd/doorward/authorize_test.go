package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// stranger is a client that nobody has approved.
func (s *server) stranger() *app {
	s.t.Helper()
	return s.register(`{"client_name":"Stranger","redirect_uris":["` + callback + `"]}`)
}

// AS-RESOURCE, rule 1: which resource a parameter means. It ends in the configured string.
func TestTheResourceParameter(t *testing.T) {
	s := protect(t)
	b := s.browser()
	b.signIn()
	app, stranger := s.app(), s.stranger()
	port := s.port()
	means := func(name string, resources ...string) {
		as(t, s, name, func(t *testing.T) {
			app.t, b.t = t, t
			for _, r := range resources {
				got := app.redeem(app.again().code(b, "resource", r), "resource", r).tokens(t)
				if aud := payload(t, got.Access)["aud"]; aud != s.ready.Resource {
					t.Errorf("%q: aud is %v", r, aud)
				}
				s.works(r, app.refresh(got.Refresh, "resource", r).tokens(t).Access)
			}
		})
	}
	means("as configured", s.ready.Resource)
	means("none is the one server's", "")
	means("a slash at the end", s.ready.Resource+"/")
	means("case of scheme and host", "HTTP://127.0.0.1:"+port+"/mcp", "http://LOCALHOST:"+port+"/mcp")
	means("another loopback name", "http://localhost:"+port+"/mcp/", "http://[::1]:"+port+"/mcp")
	as(t, s, "none at the token endpoint alone", func(t *testing.T) {
		app.t, b.t = t, t
		got := app.redeem(app.again().code(b), "resource", "").tokens(t)
		s.works("without resource", app.refresh(got.Refresh, "resource", "").tokens(t).Access)
	})
	as(t, s, "the same one twice", func(t *testing.T) {
		app.t, b.t = t, t
		q := app.again().authorizeURL() + "&resource=" + url.QueryEscape(s.ready.Resource)
		if p := b.follow(q); p.Request.URL.Path != "/consent" {
			t.Errorf("%s at %s", p.Status, p.Request.URL)
		}
	})
	for name, r := range map[string]string{
		"another path": s.ready.Issuer + "/other", "the origin": s.ready.Issuer, "case of the path": s.ready.Issuer + "/MCP", "two slashes": s.ready.Resource + "//", "another port": "http://127.0.0.1:1/mcp",
		"another host": "http://example.com/mcp", "https": "https://127.0.0.1:" + port + "/mcp", "a fragment": s.ready.Resource + "#x", "a query": s.ready.Resource + "?x", "no address": "mcp", "a user": "http://x@127.0.0.1:" + port + "/mcp",
	} {
		as(t, s, "not "+name, func(t *testing.T) {
			b.t = t
			p := b.get(stranger.authorizeURL("resource", r))
			p.stays(t, r, 400)
			if !strings.Contains(p.body, `name="error" value="invalid_target"`) {
				t.Errorf("%s: %s", r, p.body)
			}
		})
	}
}

// RFC 6749 §4.1.2, RFC 9207: what stands in an answer, of either kind, and where it goes.
func TestAuthorizationAnswers(t *testing.T) {
	s := protect(t)
	b := s.browser()
	b.signIn()
	app := s.app()

	as(t, s, "state and iss", func(t *testing.T) {
		app.t, b.t = t, t
		q := app.allowed(b, "state", "a b&c=d/ü")
		if q.Get("state") != "a b&c=d/ü" || q.Get("iss") != s.ready.Issuer || q.Get("code") == "" || q.Get("error") != "" {
			t.Errorf("%v", q)
		}
	})
	as(t, s, "no state", func(t *testing.T) {
		app.t, b.t = t, t
		if q := app.again().allowed(b, "state", ""); q.Has("state") || q.Get("iss") == "" {
			t.Errorf("%v", q)
		}
	})
	as(t, s, "the query of the redirect is kept", func(t *testing.T) {
		b.t = t
		web := s.register(`{"client_name":"Web","redirect_uris":["https://app.example/cb?a=1"]}`)
		if q := web.allowed(b); q.Get("a") != "1" || q.Get("code") == "" {
			t.Errorf("%v", q)
		}
	})
	as(t, s, "deny", func(t *testing.T) {
		app.t, b.t = t, t
		pending := app.again().consenting(b)
		to, err := b.post("/consent", url.Values{"pending": {pending}, "decision": {"deny"}}).Location()
		if err != nil {
			t.Fatal(err)
		}
		back, err := b.follow(to.String()).Location()
		if err != nil || !strings.HasPrefix(back.String(), callback) {
			t.Fatalf("to %v, %v", back, err)
		}
		if q := back.Query(); q.Get("error") != "access_denied" || q.Get("state") != app.State || q.Get("iss") != s.ready.Issuer || q.Has("code") {
			t.Errorf("%v", q)
		}
	})
	as(t, s, "forms are answered with 303", func(t *testing.T) {
		app.t, b.t = t, t
		if a := b.post("/consent", url.Values{"pending": {app.again().consenting(b)}, "decision": {"allow"}}); a.StatusCode != 303 {
			t.Errorf("%s", a.Status)
		}
	})
	as(t, s, "an error of a client that nobody approved has a page with a button", func(t *testing.T) {
		b.t = t
		stranger := s.stranger()
		p := b.get(stranger.authorizeURL("code_challenge", ""))
		p.stays(t, "no PKCE", 400)
		for _, want := range []string{`<form method="get" action="` + callback + `">`, `name="error" value="invalid_request"`, `name="state" value="` + stranger.State + `"`, `name="iss" value="` + s.ready.Issuer + `"`, p.Header.Get("X-Request-Id")} {
			if !strings.Contains(p.body, want) {
				t.Errorf("the page lacks %s", want)
			}
		}
	})
	as(t, s, "an error of a client that this person approved goes there", func(t *testing.T) {
		app.t, b.t = t, t
		to, err := b.get(app.again().authorizeURL("code_challenge", "")).Location()
		if err != nil || !strings.HasPrefix(to.String(), callback) {
			t.Fatalf("to %v, %v", to, err)
		}
		if q := to.Query(); q.Get("error") != "invalid_request" || q.Get("state") != app.State || q.Get("iss") != s.ready.Issuer || q.Get("error_description") == "" {
			t.Errorf("%v", q)
		}
	})
	as(t, s, "an unknown client is a page", func(t *testing.T) {
		b.t = t
		p := b.get(app.authorizeURL("client_id", "dw-NOBODY"))
		p.stays(t, "nobody", 401)
		if strings.Contains(p.body, callback) || !strings.Contains(p.body, "not known here") {
			t.Errorf("the page: %s", p.body)
		}
		b.get(app.authorizeURL("client_id", "")).stays(t, "no client", 400)
	})
	as(t, s, "a parameter twice is refused", func(t *testing.T) {
		b.t = t
		for _, name := range []string{"client_id", "state", "scope", "redirect_uri", "code_challenge", "response_type"} {
			b.get(app.authorizeURL()+"&"+name+"=a&"+name+"=b").stays(t, name, 400)
		}
	})
	as(t, s, "an unknown parameter is ignored", func(t *testing.T) {
		app.t, b.t = t, t
		if q := app.again().allowed(b, "display", "page", "nonce", "x", "x", "y"); q.Get("code") == "" {
			t.Errorf("%v", q)
		}
	})
	as(t, s, "POST is refused", func(t *testing.T) {
		b.t = t
		b.post("/authorize", url.Values{}).stays(t, "POST", 405)
	})
}

// AS-PKCE-S256: a request without PKCE, or with another method than S256, gives no code.
func TestPKCEIsRequired(t *testing.T) {
	s := protect(t)
	b := s.browser()
	b.signIn()
	app := s.app()
	for name, changes := range map[string][]string{
		"none": {"code_challenge", "", "code_challenge_method", ""}, "no challenge": {"code_challenge", ""}, "plain": {"code_challenge_method", "plain"}, "no method": {"code_challenge_method", ""},
		"too short": {"code_challenge", "x"}, "case of the method": {"code_challenge_method", "s256"},
	} {
		b.get(app.authorizeURL(changes...)).stays(t, name, 400)
	}
}

// The pages work without JavaScript, and their fields have the names that password managers and tests know.
func TestThePagesOfASignIn(t *testing.T) {
	s := protect(t)
	b := s.browser()
	app := s.app()
	page := b.follow(app.authorizeURL())
	if page.Request.URL.Path != "/sign-in" || !strings.Contains(page.body, `name="username"`) || !strings.Contains(page.body, `name="password"`) || !strings.Contains(page.body, "Test app") {
		t.Fatalf("%s\n%s", page.Request.URL, page.body)
	}
	form := url.Values{"pending": {page.Request.URL.Query().Get("pending")}, "username": {s.ready.Username}, "password": {"wrong"}}
	if again := b.post("/sign-in", form); again.StatusCode != 403 || !strings.Contains(again.body, `name="password"`) || !strings.Contains(again.body, "is wrong") {
		t.Errorf("a wrong password: %s\n%s", again.Status, again.body)
	}
	form.Set("password", *s.ready.Password)
	to := b.post("/sign-in", form)
	if to.StatusCode != http.StatusSeeOther {
		t.Fatalf("%s\n%s", to.Status, to.body)
	}
	consent := b.follow(to.Header.Get("Location"))
	allow, deny := strings.Index(consent.body, `value="allow"`), strings.Index(consent.body, `value="deny"`)
	if consent.Request.URL.Path != "/consent" || allow < 0 || deny < allow || strings.Contains(consent.body, "autofocus") || strings.Contains(consent.body, "<script") {
		t.Errorf("allow at %d, deny at %d\n%s", allow, deny, consent.body)
	}
	// Who asks, where the code goes, and the scopes in words.
	for _, want := range []string{"Test app", "127.0.0.1:7777", "Use the tools, resources and prompts", "Nobody has verified"} {
		if !strings.Contains(consent.body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if csp := consent.Header.Get("Content-Security-Policy"); strings.Contains(csp, "form-action") || csp == "" {
		t.Errorf("policy %q", csp)
	}
}
