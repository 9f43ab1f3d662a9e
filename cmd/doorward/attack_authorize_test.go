package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/oauth"
)

// stays fails unless an answer is a page that sends nobody anywhere.
func (a answer) stays(t testing.TB, what string, status int) {
	t.Helper()
	if a.StatusCode != status || a.Header.Get("Location") != "" || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
		t.Errorf("%s: %s to %q, %s; want a page with %d", what, a.Status, a.Header.Get("Location"), a.Header.Get("Content-Type"), status)
	}
}

// AS-REDIRECT-EXACT, AS-NO-REDIRECT-BAD-URI, AS-REDIRECT-LOOPBACK-PORT: an address that was not registered is shown, never followed.
func TestAttackOnRedirects(t *testing.T) {
	s := protect(t)
	b := s.browser()
	b.signIn()
	loopback := s.app()
	web := s.register(`{"client_name":"Web","redirect_uris":["https://app.example/cb","http://127.0.0.1:7777/callback"]}`)
	web.Redirect = "https://app.example/cb"
	attack := func(name string, a *app, redirects ...string) {
		as(t, s, name, func(t *testing.T) {
			b.t = t
			for _, redirect := range redirects {
				// First a request that is good otherwise, then one whose error would be sent there.
				b.get(a.authorizeURL("redirect_uri", redirect)).stays(t, redirect, 400)
				p := b.get(a.authorizeURL("redirect_uri", redirect, "code_challenge", ""))
				p.stays(t, redirect, 400)
				if strings.Contains(p.body, "<form method=\"get\"") {
					t.Errorf("%s: the page has a button that goes there", redirect)
				}
			}
		})
	}
	attack("another path", loopback, "http://127.0.0.1:7777/callback/", "http://127.0.0.1:7777/callback2", "http://127.0.0.1:7777/", "http://127.0.0.1:7777/callback/../callback",
		"http://127.0.0.1:7777//callback", "http://127.0.0.1:7777/callback?x=1", "http://127.0.0.1:7777/callback?", "http://127.0.0.1:7777/%63allback")
	attack("another host", loopback, "http://localhost:7777/callback", "http://[::1]:7777/callback", "http://127.0.0.2:7777/callback", "http://evil.example:7777/callback",
		"http://127.0.0.1.evil.example/callback", "https://127.0.0.1:7777/callback", "http://2130706433:7777/callback", "http://127.1:7777/callback")
	attack("another spelling", web, "https://app.example/CB", "HTTPS://app.example/cb", "https://APP.example/cb", "https://app.example:443/cb", "https://app.example./cb",
		"https://app.example/cb ", " https://app.example/cb", "https://app.example\\@evil.example/cb", "https://app.example/cb%00", "//app.example/cb", "/cb")
	attack("userinfo", web, "https://app.example@evil.example/cb", "https://app.example:x@evil.example/cb", "http://127.0.0.1:7777@evil.example/callback", "http://127.0.0.1:@evil.example/callback")
	attack("another port of an https address", web, "https://app.example:8443/cb")
	attack("script", web, "javascript:alert(1)", "javascript://app.example/cb%0aalert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd")
	attack("a fragment", web, "https://app.example/cb#x", "https://app.example/cb#", "http://127.0.0.1:7777/callback#x")
	as(t, s, "none, with several registered", func(t *testing.T) {
		b.t = t
		b.get(web.authorizeURL("redirect_uri", "")).stays(t, "none", 400)
	})
	as(t, s, "several, of which one is registered", func(t *testing.T) {
		b.t = t
		b.get(web.authorizeURL()+"&redirect_uri="+url.QueryEscape("https://evil.example/")).stays(t, "two", 400)
	})
	as(t, s, "another port of a loopback address is let", func(t *testing.T) {
		b.t = t
		if a := b.get(loopback.authorizeURL("redirect_uri", "http://127.0.0.1:51234/callback")); a.StatusCode != http.StatusSeeOther {
			t.Errorf("%s", a.Status)
		}
	})
}

// AS-REDIRECT-UNTRUSTED: what cannot be a redirect address cannot be registered as one.
func TestAttackByRegisteringARedirect(t *testing.T) {
	s := protect(t)
	for _, uri := range []string{
		"javascript:alert(1)", "data:text/html,x", "http://evil.example/cb", "https://good.example@evil.example/cb", "https://evil.example/cb#x", "http://127.0.0.1.evil.example/",
		"https://*.example/cb", "https:///cb", "//evil.example/cb", "/cb", "", "http://0.0.0.0/cb", "https://good.example\\\\@evil.example/", "https://evil.example/a b", "cursor://cb", "http://LOCALHOST/cb",
	} {
		a := do(t, http.DefaultClient, request(t, "POST", s.at("/register"), `{"redirect_uris":["`+uri+`"]}`, "Content-Type", "application/json"))
		a.wants(t, http.StatusBadRequest, "invalid_redirect_uri")
	}
}

// RFC 9700 §4.11.2: an error is no way to send people to a stranger's address. A page asks them first.
func TestAttackByErrorRedirect(t *testing.T) {
	s := protect(t)
	b := s.browser()
	b.signIn()
	web := s.register(`{"client_name":"Web","redirect_uris":["https://evil.example/phish"]}`)
	for name, changes := range map[string][]string{
		"no challenge": {"code_challenge", ""}, "plain": {"code_challenge_method", "plain"}, "response type": {"response_type", "token"},
		"scope": {"scope", "\"x"}, "resource": {"resource", "https://other.example/"}, "request object": {"request", "x"}, "response mode": {"response_mode", "fragment"},
	} {
		a := b.get(web.authorizeURL(changes...))
		a.stays(t, name, 400)
		if !strings.Contains(a.body, `<form method="get" action="https://evil.example/phish">`) || !strings.Contains(a.body, `name="iss" value="`+s.ready.Issuer+`"`) {
			t.Errorf("%s: no button that returns to the client, with iss:\n%s", name, a.body)
		}
	}
	web.redeem(web.code(b)).tokens(t)
	a := b.get(web.authorizeURL("code_challenge", ""))
	to, err := a.Location()
	if err != nil || to.Host != "evil.example" || to.Query().Get("error") != "invalid_request" || to.Query().Get("iss") != s.ready.Issuer || to.Query().Get("state") != web.State {
		t.Errorf("to a client that this person approved: %s, %v", a.Status, to)
	}
	s.browser().get(web.authorizeURL("code_challenge", "")).stays(t, "to a browser whose person did not", 400)
}

// consenting is a browser at the consent page, and the pending request.
func (a *app) consenting(b *browser, changes ...string) (pending string) {
	a.t.Helper()
	p := b.follow(a.authorizeURL(changes...))
	if p.StatusCode != http.StatusOK || p.Request.URL.Path != "/consent" {
		a.t.Fatalf("not at the consent page: %s at %s", p.Status, p.Request.URL)
	}
	return p.Request.URL.Query().Get("pending")
}

// undecided fails unless the request still waits for consent.
func (b *browser) undecided(what, pending string) {
	b.t.Helper()
	if p := b.follow("/authorize?pending=" + pending); p.Request.URL.Path != "/consent" || p.StatusCode != http.StatusOK {
		b.t.Errorf("%s: the request went on to %s: %s", what, p.Request.URL, p.Status)
	}
}

// Rule 5: no decision=allow from the person and browser that asked, no consent.
func TestAttackOnConsent(t *testing.T) {
	s := protect(t)
	alice := s.browser()
	alice.signIn()
	app := s.app()
	pending := app.consenting(alice)
	form := func(decision string) string { return url.Values{"pending": {pending}, "decision": {decision}}.Encode() }
	send := func(b *browser, method, path, body string, header ...string) answer {
		return b.do(request(b.t, method, s.at(path), body, append([]string{"Content-Type", "application/x-www-form-urlencoded"}, header...)...))
	}
	own := []string{"Origin", s.ready.Issuer, "Sec-Fetch-Site", "same-origin"}

	as(t, s, "without a decision", func(t *testing.T) {
		alice.t = t
		for _, decision := range []string{"", "Allow", "ALLOW", "allow ", "yes", "true", "1", "deny,allow"} {
			send(alice, "POST", "/consent", form(decision), own...).stays(t, decision, 400)
		}
		send(alice, "POST", "/consent", url.Values{"pending": {pending}}.Encode(), own...).stays(t, "none", 400)
		send(alice, "POST", "/consent?"+form("allow"), url.Values{"pending": {pending}}.Encode(), own...).stays(t, "in the query", 400)
		if a := send(alice, "GET", "/consent?"+form("allow"), "", own...); a.StatusCode != 200 {
			t.Errorf("GET: %s", a.Status)
		}
		alice.undecided("without a decision", pending)
	})
	as(t, s, "from another site", func(t *testing.T) {
		alice.t = t
		for name, header := range map[string][]string{
			"fetch metadata": {"Sec-Fetch-Site", "cross-site"}, "another port": {"Sec-Fetch-Site", "same-site", "Origin", "http://127.0.0.1:1"},
			"an old browser": {"Origin", "https://evil.example"}, "a sandbox": {"Origin", "null"}, "no origin told": {"Sec-Fetch-Site", "same-site"},
		} {
			for _, path := range []string{"/consent", "/sign-out", "/sign-in", strings.TrimPrefix(s.ready.Link, s.ready.Issuer)} {
				send(alice, "POST", path, form("allow"), header...).stays(t, name+" to "+path, 403)
			}
		}
		alice.undecided("from another site", pending)
	})
	as(t, s, "from another browser", func(t *testing.T) {
		alice.t = t
		for name, b := range map[string]*browser{"of nobody": s.browser(), "of the same person": s.browser()} {
			if name != "of nobody" {
				b.signInBy(s.admin("link")["sign_in_link"])
			}
			app.again().authorizeURL()
			b.get(app.authorizeURL()) // so that it has the cookie of a browser
			send(b, "POST", "/consent", form("allow"), own...).stays(t, name, 403)
			b.get("/consent?pending="+pending).stays(t, name, 403)
			b.get("/authorize?pending="+pending).stays(t, name, 403)
			b.get("/sign-in?pending="+pending).stays(t, name, 403)
		}
		alice.undecided("from another browser", pending)
	})
	as(t, s, "by another person", func(t *testing.T) {
		alice.t = t
		alice.signInBy(s.admin("user", "add", "bob")["sign_in_link"])
		send(alice, "POST", "/consent", form("allow"), own...).stays(t, "bob", 403)
		alice.get("/consent?pending="+pending).stays(t, "bob", 403)
		if a := alice.post("/sign-out", nil); a.StatusCode != http.StatusSeeOther {
			t.Fatal(a.Status)
		}
		send(alice, "POST", "/consent", form("allow"), own...).stays(t, "nobody", 403)
	})
	as(t, s, "twice", func(t *testing.T) {
		b := s.browser()
		b.signInBy(s.admin("link")["sign_in_link"])
		pending := app.again().consenting(b)
		allow := url.Values{"pending": {pending}, "decision": {"allow"}}
		first, err := b.post("/consent", allow).Location()
		if err != nil || !b.follow(first.String()).redirectsTo(callback) {
			t.Fatal("the first consent gives no code")
		}
		b.post("/consent", allow).stays(t, "again", 400)
		b.get(first.String()).stays(t, "the way after it", 400)
	})
}

func (a answer) redirectsTo(prefix string) bool {
	return strings.HasPrefix(a.Header.Get("Location"), prefix)
}

// Deny is an answer too: access_denied with state and iss, and no way to go on.
func TestAttackAfterDeny(t *testing.T) {
	s := protect(t)
	b := s.browser()
	b.signIn()
	app := s.app()
	pending := app.consenting(b)
	to, err := b.post("/consent", url.Values{"pending": {pending}, "decision": {"deny"}}).Location()
	if err != nil {
		t.Fatal(err)
	}
	q := url.Values{}
	if back, err := b.follow(to.String()).Location(); err == nil {
		q = back.Query()
	}
	if q.Get("error") != "access_denied" || q.Get("state") != app.State || q.Get("iss") != s.ready.Issuer || q.Get("code") != "" {
		t.Errorf("at the callback: %v", q)
	}
	b.post("/consent", url.Values{"pending": {pending}, "decision": {"allow"}})
	if a := b.follow("/authorize?pending=" + pending); strings.Contains(a.Header.Get("Location"), "code=") {
		t.Error("a code after all")
	}
}

// asked reports whether the person would be asked before a code.
func (a *app) asked(b *browser, changes ...string) bool {
	a.t.Helper()
	p := b.follow(a.again().authorizeURL(changes...))
	if p.Request.URL.Path == "/consent" {
		return true
	}
	if to, err := p.Location(); err != nil || to.Query().Get("code") == "" {
		a.t.Fatalf("neither asked nor given a code: %s at %s", p.Status, p.Request.URL)
	}
	return false
}

// Rule 5: consent is per person, client, resource and scope, and for the address that the page named.
func TestAttackUnderAnOldConsent(t *testing.T) {
	s := protect(t)
	alice, bob := s.browser(), s.browser()
	alice.signIn()
	bob.signInBy(s.admin("user", "add", "bob")["sign_in_link"])
	web := s.register(`{"client_name":"Web","redirect_uris":["https://app.example/cb","https://evil.example/cb","http://127.0.0.1:7777/callback"],"token_endpoint_auth_method":"none"}`)
	web.code(alice)
	if web.asked(alice) {
		t.Error("what is remembered is asked again")
	}
	attack := func(name string, b *browser, changes ...string) {
		as(t, s, name, func(t *testing.T) {
			web.t, b.t = t, t
			if !web.asked(b, changes...) {
				t.Error("a code without consent")
			}
		})
	}
	attack("a second scope", alice, "scope", "mcp offline_access")
	attack("another person", bob)
	attack("another redirect of the same client", alice, "redirect_uri", "https://evil.example/cb")
	attack("a loopback redirect of the same client", alice, "redirect_uri", callback)
	// What was asked and not answered is not remembered either.
	attack("a second scope, again", alice, "scope", "mcp offline_access")
	as(t, s, "another client of the same name", func(t *testing.T) {
		alice.t = t
		if !s.register(`{"client_name":"Web","redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"none"}`).asked(alice) {
			t.Error("a code without consent")
		}
	})
	as(t, s, "a client on loopback", func(t *testing.T) {
		alice.t = t
		app := s.app()
		app.code(alice)
		if !app.asked(alice) {
			t.Error("a code without consent")
		}
	})
	as(t, s, "a consent that has ended", func(t *testing.T) {
		alice.t = t
		web.t = t
		s.rewrite("UPDATE consents SET until_ = 1")
		if !web.asked(alice) {
			t.Error("a code without consent")
		}
	})
}

// The pages cannot be framed, load nothing from elsewhere, are not kept, and do not tell their address.
func TestAttackByFrame(t *testing.T) {
	s := protect(t)
	b := s.browser()
	app := s.app()
	pages := []answer{b.get("/"), b.get("/sign-in"), b.get("/authorize"), b.get("/link/x"), b.follow(app.authorizeURL()), b.get(strings.TrimPrefix(s.ready.Link, s.ready.Issuer))}
	b.signIn()
	pages = append(pages, b.follow(app.again().authorizeURL()))
	for _, p := range pages {
		csp := p.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: its policy %q lacks %s", p.Request.URL.Path, csp, want)
			}
		}
		if strings.Contains(csp, "unsafe") || strings.Contains(p.body, "<script") || strings.Contains(p.body, "style=") {
			t.Errorf("%s: has script or style of its own", p.Request.URL.Path)
		}
		if p.Header.Get("X-Frame-Options") != "DENY" || p.Header.Get("Cache-Control") != "no-store" || p.Header.Get("Referrer-Policy") != "same-origin" || p.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", p.Request.URL.Path, p.Header)
		}
	}
}

// A name with markup, or with marks that turn text around, is shown as text or refused.
func TestAttackByClientName(t *testing.T) {
	s := protect(t)
	b := s.browser()
	b.signIn()
	app := s.register(`{"client_name":"<script>alert(1)</script><b>","redirect_uris":["` + callback + `"]}`)
	p := b.follow(app.authorizeURL("state", `"><script>alert(1)</script>`))
	if strings.Contains(p.body, "<script") || !strings.Contains(p.body, "&lt;script&gt;alert(1)&lt;/script&gt;") {
		t.Error("the name is not shown as text")
	}
	for _, name := range []string{"a\\u202eb", "a\\u200bb", "a\\u0000b", "a\\nb", strings.Repeat("a", 201)} {
		a := do(t, http.DefaultClient, request(t, "POST", s.at("/register"), `{"client_name":"`+name+`","redirect_uris":["`+callback+`"]}`, "Content-Type", "application/json"))
		a.wants(t, 400, "invalid_client_metadata")
	}
}

// A pending request ends, and is answered only by who was asked.
func TestAttackWithAnOldRequest(t *testing.T) {
	s := protect(t)
	b := s.browser()
	b.signIn()
	app := s.app()
	pending := app.consenting(b)
	s.rewrite("UPDATE pendings SET until_ = until_ - 600001")
	b.post("/consent", url.Values{"pending": {pending}, "decision": {"allow"}}).stays(t, "after ten minutes", 400)
	b.get("/authorize?pending="+pending).stays(t, "after ten minutes", 400)
	b.get("/authorize?pending="+oauth.NewVerifier()).stays(t, "one that never was", 400)
}
