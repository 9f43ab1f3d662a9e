package authserver_test

import (
	"errors"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/oauth"
)

// RFC 9126 §2 and §4: a pushed request is judged at once, given once, and only to the client that pushed it.
func TestPushedRequests(t *testing.T) {
	k := newKit(t)
	k.add("app", oauth.Dynamic)
	k.add("other", oauth.Dynamic)
	k.add("web", oauth.Dynamic, withSecret("authorization_code"))
	push := func(client string, more ...string) reply {
		return k.send("POST", "/par", asks(client, more...).Encode())
	}
	push("web").wants(t, 401, "invalid_client")
	push("nobody").wants(t, 401, "invalid_client")
	push("app", "redirect_uri", "https://evil.example/cb").wants(t, 400, "invalid_request")
	push("app", "resource", "https://evil.example/mcp").wants(t, 400, "invalid_target")
	push("app", "code_challenge", "").wants(t, 400, "invalid_request")
	push("app", "request_uri", "urn:ietf:params:oauth:request_uri:x").wants(t, 400, "invalid_request")
	k.send("POST", "/par?client_id=app", asks("app").Encode()).wants(t, 400, "invalid_request")
	k.send("GET", "/par", "").wants(t, 405, "invalid_request")
	k.send("POST", "/par", asks("web").Encode(), basic("web")...).wants(t, 201, "")

	uri := push("app", "state", "s").wants(t, 201, "").text("request_uri")
	if _, err := k.allow(newBrowser(), form("client_id", "other", "request_uri", uri), ""); err == nil {
		t.Error("another client's request is taken")
	}
	uri = push("app", "state", "s").wants(t, 201, "").text("request_uri")
	// §4: what stands beside the reference is ignored, and the reference is good once.
	to, err := k.allow(newBrowser(), form("client_id", "app", "request_uri", uri, "scope", "files:write", "redirect_uri", "https://evil.example/cb"), "")
	if err != nil || to.Host != "app.example" || to.Query().Get("state") != "s" || to.Query().Get("code") == "" {
		t.Fatalf("%v, %v", to, err)
	}
	if to, err := k.allow(newBrowser(), form("client_id", "app", "request_uri", uri), ""); err == nil {
		t.Errorf("a request is used twice: %v", to)
	}
	uri = push("app").text("request_uri")
	k.now = k.now.Add(2 * time.Minute)
	if _, err := k.allow(newBrowser(), form("client_id", "app", "request_uri", uri), ""); err == nil {
		t.Error("an old request is taken")
	}
	if _, err := k.allow(newBrowser(), asks("app", "request_uri", "https://app.example/request"), ""); !refused(err, "request_uri_not_supported") {
		t.Errorf("a request object elsewhere: %v", err)
	}
}

func refused(err error, code string) bool {
	var e *oauth.Error
	return errors.As(err, &e) && e.Code == code
}

// AS-CIMD-FETCH: a document is read when somebody has signed in, and not because a stranger says its address.
func TestDocumentsAreReadAfterSignIn(t *testing.T) {
	const id = "https://app.example/client"
	start := func() (*kit, *browser) {
		k := newKit(t)
		k.add(id, oauth.Document)
		k.person = nil
		return k, newBrowser()
	}
	k, b := start()
	to, err := k.visit(b, issuer+"/authorize?"+asks(id).Encode(), k.s.Authorize)
	if err != nil || to.Path != "/sign-in" || k.fetched != 0 {
		t.Fatalf("%v, %v, looked up %d times", to, err, k.fetched)
	}
	if _, err := k.visit(b, issuer+"/authorize?"+asks(id, "prompt", "none").Encode(), k.s.Authorize); !refused(err, "login_required") || k.fetched != 0 {
		t.Errorf("prompt=none: %v", err)
	}
	k.token(redeem(id, "dwc_X")).wants(t, 400, "invalid_grant")
	k.token(form("grant_type", "refresh_token", "client_id", id, "refresh_token", "dwr_X")).wants(t, 400, "invalid_grant")
	pushed := k.send("POST", "/par", asks(id).Encode()).wants(t, 201, "")
	if k.fetched != 0 {
		t.Errorf("strangers made us look it up %d times", k.fetched)
	}
	who := alice
	k.person = &who
	got := k.token(redeem(id, k.code(form("client_id", id, "request_uri", pushed.text("request_uri"))))).wants(t, 200, "")

	// Refresh of a public client needs no document.
	k.read, k.fetched = map[string]bool{}, 0
	delete(k.clients, id)
	k.token(form("grant_type", "refresh_token", "client_id", id, "refresh_token", got.text("refresh_token"))).wants(t, 200, "")
	if k.fetched != 0 {
		t.Error("a refresh looked the document up")
	}

	// A client that must authenticate is none that pushed without.
	k, b = start()
	uri := k.send("POST", "/par", asks(id).Encode()).wants(t, 201, "").text("request_uri")
	key := newSigner(t, "k")
	k.add(id, oauth.Document, func(c *oauth.Client) { c.TokenAuthMethod, c.JWKS = "private_key_jwt", key.jwks() })
	k.person = &who
	if _, err := k.allow(b, form("client_id", id, "request_uri", uri), ""); !refused(err, "invalid_client") {
		t.Errorf("%v", err)
	}
}

// A redirect address, and a client, that is withdrawn while the person decides gets no code.
func TestWithdrawnBeforeTheCode(t *testing.T) {
	for name, change := range map[string]func(*oauth.Client){
		"its redirect address": func(c *oauth.Client) { c.RedirectURIs = []string{"https://other.example/cb"} },
		"its admission":        func(c *oauth.Client) { c.Waits = true },
	} {
		k := newKit(t)
		c := k.add("app", oauth.Dynamic)
		b := newBrowser()
		to, err := k.visit(b, issuer+"/authorize?"+asks("app").Encode(), k.s.Authorize)
		if err != nil {
			t.Fatal(err)
		}
		change(&c)
		k.clients["app"] = c
		if err := k.page(b, to.Query().Get("pending")); err != nil {
			t.Fatal(err)
		}
		if to, err := k.visit(b, issuer+"/authorize?pending="+to.Query().Get("pending"), k.s.Authorize); err == nil {
			t.Errorf("%s: %v", name, to)
		}
		if _, err := k.visit(b, issuer+"/authorize?"+asks("app", "redirect_uri", "https://app.example/cb").Encode(), k.s.Authorize); err == nil {
			t.Errorf("%s: a new request is taken", name)
		}
	}
}

// page has the person of b allow a pending request.
func (k *kit) page(b *browser, pending string) error {
	_, err := k.visit(b, issuer+"/page?pending="+pending, k.allows(""))
	return err
}
