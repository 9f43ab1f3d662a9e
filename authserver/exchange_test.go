package authserver_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/oauth"
)

const (
	exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange"
	accessType    = "urn:ietf:params:oauth:token-type:access_token"
)

// delegated is a kit in which the CRM's agent may act at the file server, and a token that a person's app got for the CRM.
func delegated(t *testing.T, change ...func(*authserver.Config)) (*kit, string) {
	k := newKit(t, change...)
	k.add("app", oauth.Dynamic)
	k.add("agent", oauth.Listed, withSecret(exchangeGrant, "authorization_code"), serves(crm), reaches(files))
	k.add("other", oauth.Listed, withSecret(exchangeGrant, "authorization_code"), serves(files), reaches(crm))
	return k, k.token(redeem("app", k.code(asks("app")))).wants(t, 200, "").text("access_token")
}

func (k *kit) exchange(actor, subject string, more ...string) reply {
	v := form("grant_type", exchangeGrant, "subject_token", subject, "subject_token_type", accessType, "resource", files)
	for i := 0; i+1 < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	return k.token(v, basic(actor)...)
}

// consents has the person send the actor through /authorize once, for the target.
func (k *kit) consents(actor, target string) {
	k.t.Helper()
	k.code(asks(actor, "resource", target))
}

// RFC 8693 §2, §4.1: delegation with the person's consent; the subject stays, the actor is named.
func TestExchange(t *testing.T) {
	k, subject := delegated(t)
	k.exchange("agent", subject).wants(t, 400, "invalid_grant") // nobody has agreed to it yet
	k.consents("agent", files)
	got := k.exchange("agent", subject).wants(t, 200, "")
	c := claims(t, got.text("access_token"))
	want := map[string]any{"sub": "agent", "iss": issuer, "client_id": "agent", "how": "client_secret_basic", "act": map[string]any{"sub": "app", "iss": issuer, "client_id": "app", "how": "client"}}
	if diff := cmp.Diff(want, c["act"]); diff != "" || c["sub"] != "alice" || c["aud"] != files || c["client_id"] != "agent" || got.text("issued_token_type") != accessType || got.body["refresh_token"] != nil {
		t.Errorf("%v %v\n%s", c, got.body, diff)
	}
	if c["gid"] != claims(t, subject)["gid"] || c["exp"].(float64) > claims(t, subject)["exp"].(float64) {
		t.Errorf("it outlives its subject token, or belongs to another grant: %v", c)
	}
	found := false
	for _, e := range k.records {
		found = found || e.Record.Code == "token.exchanged" && len(e.Outcome.Actors) == 2 && e.Outcome.Actors[0].Subject == "agent"
	}
	if !found {
		t.Error("no record of the exchange names the actors")
	}
}

func TestExchangesThatAreRefused(t *testing.T) {
	k, subject := delegated(t)
	k.consents("agent", files)
	k.add("stranger", oauth.Dynamic, withSecret(exchangeGrant), serves(crm), reaches(files))
	k.exchange("other", subject).wants(t, 400, "invalid_request")        // a token that was not meant for it
	k.exchange("stranger", subject).wants(t, 400, "unauthorized_client") // rule 14
	k.exchange("agent", subject, "resource", crm).wants(t, 400, "invalid_target")
	k.exchange("agent", subject, "resource", issuer+"/userinfo").wants(t, 400, "invalid_target")
	k.exchange("agent", subject, "audience", crm).wants(t, 400, "invalid_target")
	k.exchange("agent", subject, "scope", "crm:admin").wants(t, 400, "invalid_scope")
	k.exchange("agent", subject, "actor_token", subject).wants(t, 400, "invalid_request")
	k.exchange("agent", subject, "requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token").wants(t, 400, "invalid_request")
	k.exchange("agent", subject, "subject_token_type", "urn:ietf:params:oauth:token-type:id_token").wants(t, 400, "invalid_request")
	k.exchange("agent", subject+"x").wants(t, 400, "invalid_request")
	k.exchange("agent", "").wants(t, 400, "invalid_request")
	// A loop: the file server's agent would hand it back to the CRM, whose agent is in the chain already.
	k.consents("other", crm)
	next := k.exchange("agent", subject).wants(t, 200, "").text("access_token")
	back := k.exchange("other", next, "resource", crm).wants(t, 200, "").text("access_token")
	k.exchange("agent", back).wants(t, 400, "invalid_request")
	// What was taken back is worth nothing.
	k.send("POST", "/revoke", form("client_id", "app", "token", subject).Encode()).wants(t, 200, "")
	k.exchange("agent", subject).wants(t, 400, "invalid_request")
}

// A bound subject token is exchanged only by who proves its key.
func TestExchangeProvesTheBinding(t *testing.T) {
	k, _ := delegated(t, func(c *authserver.Config) { c.InsecureExchangeWithoutConsent = true })
	key := newSigner(t, "k")
	subject := k.token(redeem("app", k.code(asks("app"))), "DPoP", k.proof(key, "/token")).wants(t, 200, "").text("access_token")
	v := form("grant_type", exchangeGrant, "subject_token", subject, "subject_token_type", accessType, "resource", files)
	k.token(v, basic("agent")...).wants(t, 400, "invalid_request")
	k.token(v, append(basic("agent"), "DPoP", k.proof(newSigner(t, "o"), "/token"))...).wants(t, 400, "invalid_request")
	got := k.token(v, append(basic("agent"), "DPoP", k.proof(key, "/token"))...).wants(t, 200, "")
	if got.text("token_type") != "DPoP" {
		t.Errorf("%v", got.body)
	}
}

// RFC 9396: a task narrows a consent, a token and an exchange, and nothing widens it again.
func TestTasks(t *testing.T) {
	k, _ := delegated(t, func(c *authserver.Config) { c.InsecureExchangeWithoutConsent = true })
	const task = `[{"type":"doorward_task","id":"t1","words":"File the report","tools":["add","read"]}]`
	const less = `[{"type":"doorward_task","id":"t1","words":"File the report","tools":["read"]}]`
	const more = `[{"type":"doorward_task","id":"t1","words":"File the report","tools":["add","delete"]}]`
	code := k.code(asks("app", "authorization_details", task))
	k.token(redeem("app", code, "authorization_details", more)).wants(t, 400, "invalid_authorization_details")
	got := k.token(redeem("app", code)).wants(t, 200, "")
	details := func(raw string) any { return claims(t, raw)["authorization_details"] }
	if details(got.text("access_token")) == nil || got.body["authorization_details"] == nil {
		t.Errorf("%v", got.body)
	}
	refresh := form("grant_type", "refresh_token", "client_id", "app", "refresh_token", got.text("refresh_token"), "authorization_details", less)
	narrow := k.token(refresh).wants(t, 200, "").text("access_token")
	tools := func(raw string) any { return details(raw).([]any)[0].(map[string]any)["tools"] }
	if diff := cmp.Diff([]any{"read"}, tools(narrow)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]any{"read"}, tools(k.exchange("agent", narrow).wants(t, 200, "").text("access_token"))); diff != "" {
		t.Error(diff)
	}
	if got := k.exchange("agent", narrow, "authorization_details", task); got.Code != 400 {
		t.Errorf("an exchange widens the task: %v", got.body)
	}
	if _, err := k.allow(newBrowser(), asks("app", "authorization_details", `[{"type":"payment"}]`), ""); !refused(err, "invalid_authorization_details") {
		t.Errorf("an unknown type: %v", err)
	}
}
