package authserver_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/oauth"
)

// AS-CIMD-FETCH: nobody who has shown nothing makes us read a document, at whatever endpoint.
func TestStrangersMakeUsReadNothing(t *testing.T) {
	const id = "https://stranger.example/client"
	k := newKit(t)
	k.add(id, oauth.Document)
	for path, f := range map[string][]string{
		"/token":      {"client_id", id, "client_secret", "x", "grant_type", "authorization_code", "code", "x", "code_verifier", verify},
		"/revoke":     {"client_id", id, "token", "dwr_X"},
		"/introspect": {"client_id", id, "token", "x"},
		"/par":        {"client_id", id, "client_secret", "x", "response_type", "code"},
	} {
		if got := k.send("POST", path, form(f...).Encode()); path != "/revoke" && got.Code != 401 || path == "/revoke" && got.Code != 200 {
			t.Errorf("%s: %d %v", path, got.Code, got.body)
		}
		if k.fetched != 0 {
			t.Fatalf("%s read the document", path)
		}
	}
	_, err := k.visit(newBrowser(), issuer+"/logout?"+form("client_id", id, "post_logout_redirect_uri", "https://stranger.example/bye").Encode(), func(_ http.ResponseWriter, r *http.Request) error {
		_, err := k.s.EndSession(r)
		return err
	})
	if !refused(err, "invalid_request") || k.fetched != 0 {
		t.Errorf("/logout: %v, read %d times", err, k.fetched)
	}
}

// A client whose document cannot be read can still take back what it was given, RFC 7009, and poll for what it began, RFC 8628.
func TestGrantsOutliveTheirDocument(t *testing.T) {
	const id = "https://app.example/client"
	k := newKit(t)
	k.add(id, oauth.Document, func(c *oauth.Client) { c.GrantTypes = []string{"authorization_code", "refresh_token", deviceGrant} })
	k.add("rs", oauth.Listed, withSecret("none"), serves(crm))
	got := k.token(redeem(id, k.code(asks(id)))).wants(t, 200, "")
	begun := k.send("POST", "/device_authorization", form("client_id", id, "resource", crm).Encode()).wants(t, 200, "")
	gone := func() { k.read, k.fetched = map[string]bool{}, 0 }
	gone()
	poll := func() reply {
		return k.token(form("grant_type", deviceGrant, "client_id", id, "device_code", begun.text("device_code")))
	}
	poll().wants(t, 400, "authorization_pending")
	k.token(form("grant_type", deviceGrant, "client_id", "https://other.example/client", "device_code", begun.text("device_code"))).wants(t, 400, "invalid_grant")
	if err := k.enter(newBrowser(), begun.text("user_code"), true); err != nil {
		t.Fatal(err)
	}
	gone()
	k.now = k.now.Add(20 * time.Second)
	poll().wants(t, 200, "")

	active := func(raw string) any {
		return k.send("POST", "/introspect", form("token", raw).Encode(), basic("rs")...).body["active"]
	}
	next := k.token(form("grant_type", "refresh_token", "client_id", id, "refresh_token", got.text("refresh_token"))).wants(t, 200, "")
	k.send("POST", "/revoke", form("client_id", id, "token", got.text("access_token")).Encode()).wants(t, 200, "")
	if active(got.text("access_token")) != false || active(next.text("access_token")) != true {
		t.Error("an access token is not taken back alone")
	}
	k.send("POST", "/revoke", form("client_id", "https://other.example/client", "token", next.text("refresh_token")).Encode()).wants(t, 200, "")
	if active(next.text("access_token")) != true {
		t.Error("another client took it back")
	}
	k.send("POST", "/revoke", form("client_id", id, "token", next.text("refresh_token")).Encode()).wants(t, 200, "")
	if active(next.text("access_token")) != false {
		t.Error("a refresh token is not taken back")
	}
	if k.read[id] {
		t.Error("the document was read")
	}
}

// RFC 6749 §10.4: what was given to a client that authenticates is for nobody who does not, whatever its document says later.
func TestAClientThatPutsOffItsKey(t *testing.T) {
	const id = "https://app.example/client"
	k := newKit(t)
	key := newSigner(t, "k")
	c := k.add(id, oauth.Document, func(c *oauth.Client) { c.TokenAuthMethod, c.JWKS = "private_key_jwt", key.jwks() })
	signed := func(v []string) reply {
		return k.token(form(append(v, "client_assertion", k.assertion(key, id), "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")...))
	}
	code := k.code(asks(id))
	got := signed([]string{"grant_type", "authorization_code", "code", code, "code_verifier", verify}).wants(t, 200, "")
	refresh := form("grant_type", "refresh_token", "client_id", id, "refresh_token", got.text("refresh_token"))
	k.token(refresh).wants(t, 401, "invalid_client")
	c.TokenAuthMethod, c.JWKS = "none", nil
	k.clients[id] = c
	k.token(refresh).wants(t, 400, "invalid_grant")
}

// The log: a refusal without effect costs no record of its own, however genuine what was presented once was; and the record of
// one names the client that was said, cut to what an id can be.
func TestRecordsOfRefusals(t *testing.T) {
	k := newKit(t)
	k.add("app", oauth.Dynamic)
	got := k.token(redeem("app", k.code(asks("app")))).wants(t, 200, "")
	k.send("POST", "/revoke", form("client_id", "app", "token", got.text("refresh_token")).Encode()).wants(t, 200, "")
	before := len(k.records)
	for range 50 {
		k.token(form("grant_type", "refresh_token", "client_id", "app", "refresh_token", got.text("refresh_token"))).wants(t, 400, "invalid_grant")
	}
	k.mu.Lock()
	made := k.records[before:]
	k.mu.Unlock()
	if len(made) > 3 { // one at once, and one for each second that the loop took
		t.Errorf("%d records", len(made))
	}

	named := func(form string, header ...string) string {
		k := newKit(t)
		k.send("POST", "/token", form, header...)
		for _, e := range k.records {
			if e.Record.Code == audit.TokenRefused {
				return e.Record.About
			}
		}
		return "no record"
	}
	if got := named("grant_type=client_credentials", basic("ci")...); got != "ci" {
		t.Errorf("with Basic credentials: %q", got)
	}
	if got := named("grant_type=client_credentials&client_id=" + strings.Repeat("%C3%A4", 1<<12)); len(got) > 512 || got == "" {
		t.Errorf("a record of %d bytes", len(got))
	}
	few := newKit(t, func(c *authserver.Config) { c.Limits.Address = 1 })
	few.send("GET", "/jwks", "").wants(t, 200, "")
	few.send("GET", "/jwks", "").wants(t, 429, "temporarily_unavailable")
	if n := len(few.records); few.records[n-1].Record.Reason != "quota" {
		t.Errorf("beyond the rate: %+v", few.records[n-1].Record)
	}
}

// Which workloads the operator listed is not told to whoever has no genuine assertion.
func TestWorkloadsAreNotGuessed(t *testing.T) {
	k, person, workload := trusting(t)
	said := func(s signer, sub string) string {
		return k.token(form("grant_type", bearerGrant, "assertion", k.assertion(s, platform, "sub", sub, "repository_id", "42"))).wants(t, 400, "invalid_grant").text("error_description")
	}
	if listed, other := said(person, "repo:acme/crm"), said(person, "repo:acme/none"); listed != other {
		t.Errorf("%q, %q", listed, other)
	}
	said(workload, "repo:acme/none")
}

// OpenID Connect Core §3.1.2.6: a pushed request with prompt=none is judged when a browser brings it, by who is signed in there.
func TestPushedWithoutAPage(t *testing.T) {
	const id = "https://app.example/client"
	k := newKit(t)
	k.add(id, oauth.Document)
	k.code(asks(id))
	k.read = map[string]bool{}
	push := func() string {
		return k.send("POST", "/par", asks(id, "prompt", "none").Encode()).wants(t, 201, "").text("request_uri")
	}
	to, err := k.visit(newBrowser(), issuer+"/authorize?"+form("client_id", id, "request_uri", push()).Encode(), k.s.Authorize)
	if err != nil || to.Query().Get("code") == "" {
		t.Errorf("%v, %v", to, err)
	}
	k.read, k.person = map[string]bool{}, nil
	if to, err := k.visit(newBrowser(), issuer+"/authorize?"+form("client_id", id, "request_uri", push()).Encode(), k.s.Authorize); !refused(err, "login_required") {
		t.Errorf("%v, %v", to, err)
	}
	k.send("POST", "/par", asks(id, "state", strings.Repeat("s", 1<<15)).Encode()).wants(t, 400, "invalid_request")
}

// RFC 9449 §11.1: only a proof that something comes of is remembered. A stranger's makes no row, and the same one is good
// for what it is then used for, once.
func TestProofsOfStrangers(t *testing.T) {
	k := newKit(t)
	k.add("app", oauth.Dynamic)
	key := newSigner(t, "k")
	proof := k.proof(key, "/token")
	k.token(redeem("app", "dwc_X"), "DPoP", proof).wants(t, 400, "invalid_grant")
	code := k.code(asks("app"))
	k.token(redeem("app", code), "DPoP", proof).wants(t, 200, "")
	k.token(redeem("app", k.code(asks("app"))), "DPoP", proof).wants(t, 400, "invalid_dpop_proof")
}
