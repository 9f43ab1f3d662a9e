package authserver_test

import (
	"net/http"
	"testing"

	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// sameName is a kit whose second server gives everybody a scope that the first has for a few.
func sameName(t *testing.T) *kit {
	k := newKit(t, func(c *authserver.Config) {
		c.Resources[1].Scopes = append(c.Resources[1].Scopes, oauth.ScopeText{Name: "crm:admin", Sentence: "Another thing of that name"})
	})
	k.add("app", oauth.Dynamic)
	return k
}

// A scope that is free at one server and for a few at another is not had at the other by asking for both at once.
func TestAScopeIsOfItsServer(t *testing.T) {
	k := sameName(t)
	q := asks("app", "scope", "mcp crm:admin")
	q.Add("resource", files)
	got := k.token(redeem("app", k.code(q), "resource", crm)).wants(t, 200, "")
	if c := claims(t, got.text("access_token")); c["scope"] != "mcp" {
		t.Errorf("one who is in no group has %v", c["scope"])
	}
	refresh := form("grant_type", "refresh_token", "client_id", "app", "refresh_token", got.text("refresh_token"), "resource", crm, "scope", "crm:admin")
	k.token(refresh).wants(t, 400, "invalid_scope")
	refresh.Set("resource", files)
	if c := claims(t, k.token(refresh).wants(t, 200, "").text("access_token")); c["scope"] != "crm:admin" || c["aud"] != files {
		t.Errorf("%v", c)
	}
}

// Rule 5: consent to a scope at one server is none to the scope of that name at another, whoever the person becomes.
func TestConsentIsToWhatThePageShowed(t *testing.T) {
	k := sameName(t)
	q := asks("app", "scope", "mcp crm:admin")
	q.Add("resource", files)
	k.code(q)
	k.person.Groups = []string{"ops"}
	to, err := k.visit(newBrowser(), issuer+"/authorize?"+asks("app", "scope", "mcp crm:admin").Encode(), k.s.Authorize)
	if err != nil || to.Path != "/consent" {
		t.Errorf("%v, %v", to, err)
	}
	if to, err = k.visit(newBrowser(), issuer+"/authorize?"+asks("app", "scope", "mcp").Encode(), k.s.Authorize); err != nil || to.Query().Get("code") == "" {
		t.Errorf("what was agreed to is asked again: %v, %v", to, err)
	}
}

// A server that is not open to the person at all gives no grant, though it was among the choices.
func TestAChoiceThatIsNotOpen(t *testing.T) {
	k := newKit(t, func(c *authserver.Config) {
		c.Resources[1].Scopes = []oauth.ScopeText{{Name: "mcp", Sentence: "Use it", Groups: []string{"ops"}}}
	})
	k.add("old", oauth.Dynamic)
	if to, err := k.allow(newBrowser(), asks("old", "resource", ""), files); !refused(err, "access_denied") {
		t.Errorf("%v, %v", to, err)
	}
}

// clients.listed[].scope is what the client may have by whatever grant.
func TestAListedClientHasItsScopeAtMost(t *testing.T) {
	k := newKit(t, func(c *authserver.Config) { c.Resources[1].Devices = true })
	narrow := func(c *oauth.Client) { c.Scope = "mcp" }
	k.add("app", oauth.Listed, narrow)
	k.add("none", oauth.Listed, func(c *oauth.Client) { c.Scope = "files:other" })
	k.add("tv", oauth.Listed, narrow, func(c *oauth.Client) { c.GrantTypes = []string{deviceGrant} })
	for name, asked := range map[string]string{"more": "mcp files:write", "something else": "files:write"} {
		got := k.token(redeem("app", k.code(asks("app", "scope", asked, "resource", files)))).wants(t, 200, "")
		if got.text("scope") != "mcp" {
			t.Errorf("%s: %v", name, got.body)
		}
	}
	if to, err := k.allow(newBrowser(), asks("none"), ""); !refused(err, "access_denied") {
		t.Errorf("a client that may have nothing there: %v, %v", to, err)
	}
	begun := k.send("POST", "/device_authorization", form("client_id", "tv", "resource", files, "scope", "mcp files:write").Encode()).wants(t, 200, "")
	if err := k.enter(newBrowser(), begun.text("user_code"), true); err != nil {
		t.Fatal(err)
	}
	if got := k.poll(begun.text("device_code")).wants(t, 200, ""); got.text("scope") != "mcp" {
		t.Errorf("a device: %v", got.body)
	}

	// An actor whom the operator narrows after people have agreed.
	agent := k.add("agent", oauth.Listed, withSecret("authorization_code", exchangeGrant), serves(crm), reaches(files))
	k.add("front", oauth.Dynamic)
	k.code(asks("agent", "resource", files))
	subject := k.token(redeem("front", k.code(asks("front")))).wants(t, 200, "").text("access_token")
	exchange := func() reply {
		return k.token(form("grant_type", exchangeGrant, "subject_token", subject, "subject_token_type", "urn:ietf:params:oauth:token-type:access_token", "resource", files), basic("agent")...)
	}
	exchange().wants(t, 200, "")
	agent.Scope = "files:write"
	k.clients["agent"] = agent
	exchange().wants(t, 400, "invalid_scope")
}

// What was stored of a person holds only while the session says the same: who has signed out, or was put out of a group,
// while the page stood open, gives what is left.
func TestThePersonAtTheEnd(t *testing.T) {
	begin := func(t *testing.T) (*kit, *browser, string) {
		k := newKit(t)
		k.add("app", oauth.Dynamic)
		k.person.Groups = []string{"ops"}
		b := newBrowser()
		to, err := k.visit(b, issuer+"/authorize?"+asks("app", "scope", "mcp crm:admin").Encode(), k.s.Authorize)
		if err != nil || to.Path != "/consent" {
			t.Fatalf("%v, %v", to, err)
		}
		return k, b, to.Query().Get("pending")
	}
	goOn := func(k *kit, b *browser, id string) (path, code string) {
		to, err := k.visit(b, issuer+"/authorize?pending="+id, k.s.Authorize)
		if err != nil {
			t.Fatal(err)
		}
		return to.Path, to.Query().Get("code")
	}
	t.Run("put out of a group before the answer", func(t *testing.T) {
		k, b, id := begin(t)
		k.person.Groups = nil
		if err := k.page(b, id); err != nil {
			t.Fatal(err)
		}
		_, code := goOn(k, b, id)
		if got := k.token(redeem("app", code)).wants(t, 200, ""); got.text("scope") != "mcp" {
			t.Errorf("%v", got.body)
		}
	})
	t.Run("put out of a group after the answer", func(t *testing.T) {
		k, b, id := begin(t)
		if err := k.page(b, id); err != nil {
			t.Fatal(err)
		}
		k.person.Groups = nil
		_, code := goOn(k, b, id)
		got := k.token(redeem("app", code)).wants(t, 200, "")
		if c := claims(t, got.text("access_token")); c["scope"] != "mcp" || c["groups"] != nil {
			t.Errorf("%v", c)
		}
	})
	t.Run("signed out", func(t *testing.T) {
		k, b, id := begin(t)
		if err := k.page(b, id); err != nil {
			t.Fatal(err)
		}
		k.person = nil
		if path, code := goOn(k, b, id); path != "/sign-in" || code != "" {
			t.Errorf("%s", path)
		}
	})
	t.Run("somebody else", func(t *testing.T) {
		k, b, id := begin(t)
		if err := k.page(b, id); err != nil {
			t.Fatal(err)
		}
		k.person = &authserver.SignedIn{Principal: token.Principal{Issuer: issuer, Subject: "mallory"}, At: k.now}
		if path, code := goOn(k, b, id); path != "/sign-in" || code != "" {
			t.Errorf("%s", path)
		}
	})
}

// RFC 9126: a reference leads to a request that was pushed, and never to one that a browser has begun since, with a person's
// answers in it.
func TestAReferenceIsNoPendingRequest(t *testing.T) {
	k := newKit(t)
	k.add("app", oauth.Dynamic)
	uri := k.send("POST", "/par", asks("app").Encode()).wants(t, 201, "").text("request_uri")
	victim := newBrowser()
	to, err := k.visit(victim, issuer+"/authorize?"+form("client_id", "app", "request_uri", uri).Encode(), k.s.Authorize)
	if err != nil {
		t.Fatal(err)
	}
	id := to.Query().Get("pending")
	if err := k.page(victim, id); err != nil {
		t.Fatal(err)
	}
	k.person = nil // nobody is signed in where the attacker is
	for _, reference := range []string{"urn:ietf:params:oauth:request_uri:" + id, id} {
		to, err := k.visit(newBrowser(), issuer+"/authorize?"+form("client_id", "app", "request_uri", reference).Encode(), k.s.Authorize)
		if err == nil && to.Path != "/sign-in" || to != nil && to.Query().Get("code") != "" {
			t.Errorf("who knows the address of a page goes to %v", to)
		}
	}
	if _, err := k.visit(newBrowser(), issuer+"/authorize?pending="+uri, k.s.Authorize); err == nil {
		t.Error("a reference is taken for a pending request")
	}
	who := alice
	k.person = &who
	if to, err := k.visit(victim, issuer+"/authorize?pending="+id, func(w http.ResponseWriter, r *http.Request) error { return k.s.Authorize(w, r) }); err != nil || to.Query().Get("code") == "" {
		t.Errorf("the person's own request has ended: %v, %v", to, err)
	}
}
