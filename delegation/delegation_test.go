package delegation_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/doorward-mcp/doorward/delegation"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

const (
	issuer = "https://as.example"
	agent  = "https://agent.example/mcp"
	files  = "https://files.example/mcp"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func task(id string, tools ...string) *token.Task {
	return &token.Task{ID: id, Words: "w", Tools: tools, Expires: noon.Add(5 * time.Minute)}
}

// asked is a good exchange: Alice, who uses the desktop client, has given the agent a token; the agent goes to the files.
func asked() delegation.Ask {
	return delegation.Ask{
		Now: noon,
		Subject: token.Caller{Principal: token.Principal{Issuer: issuer, Subject: "alice"}, Client: "desktop", Grant: "g", ID: "first", Resource: agent,
			Scopes: oauth.NewScopes("read", "write", "admin"), ACR: "pw", Authenticated: noon.Add(-time.Hour), Issued: noon.Add(-time.Minute), Expires: noon.Add(9 * time.Minute),
			Groups: []string{"staff"}, MayAct: "helper", Key: "desktop's key"},
		Client: oauth.Client{ID: "agent", Source: oauth.Listed, ClientMetadata: oauth.ClientMetadata{TokenAuthMethod: "private_key_jwt", GrantTypes: []string{delegation.GrantType}},
			Serves: []string{agent}, Reaches: []string{files}},
		How: "private_key_jwt", Issuer: issuer, Access: 10 * time.Minute,
		Target: oauth.Resource{URI: files, Scopes: []oauth.ScopeText{{Name: "read"}, {Name: "write"}, {Name: "delete"}}},
		Scopes: oauth.NewScopes("read", "delete"), Consented: oauth.NewScopes("read", "write", "delete"),
	}
}

func hop(client, how string) token.Actor {
	return token.Actor{Principal: token.Principal{Issuer: issuer, Subject: client}, Client: client, How: how}
}

// RFC 8693 §1.1 and §4.1: the subject stays, the actor is added in front, what the person used stays at the end, and each
// member that another check hangs on is carried over.
func TestNarrow(t *testing.T) {
	a := asked()
	a.Key = "agent's key"
	got, err := delegation.Narrow(a)
	if err != nil {
		t.Fatal(err)
	}
	want := token.Claims{
		Principal: token.Principal{Issuer: issuer, Subject: "alice"}, Client: "agent", Grant: "g", Resource: files, Scopes: oauth.NewScopes("read"), ACR: "pw",
		Authenticated: noon.Add(-time.Hour), Issued: noon, Expires: noon.Add(9 * time.Minute), Groups: []string{"staff"}, Key: "agent's key",
		Chain: []token.Actor{hop("agent", "private_key_jwt"), hop("desktop", "client")},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(token.Claims{}, "ID")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	again, err := delegation.Narrow(a)
	if err != nil || got.ID == "" || got.ID == "first" || got.ID == again.ID {
		t.Errorf("jti %q and %q: %v", got.ID, again.ID, err)
	}
}

func TestWhoMayExchangeWhat(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*delegation.Ask)
		code   string
		want   string // the reason; empty: allowed
	}{
		{"good", func(*delegation.Ask) {}, "", ""},
		{"named by may_act instead of serving", func(a *delegation.Ask) { a.Client.Serves, a.Subject.MayAct = nil, "agent" }, "", ""},
		{"consent for some of it", func(a *delegation.Ask) { a.Consented = oauth.NewScopes("read") }, "", ""},
		{"nobody needs to agree", func(a *delegation.Ask) { a.Consented, a.Unasked = nil, true }, "", ""},
		{"all scopes", func(a *delegation.Ask) { a.Scopes = nil }, "", ""},
		{"a narrower task", func(a *delegation.Ask) { a.Subject.Task, a.Task = task("t", "x", "y"), task("t", "y") }, "", ""},
		{"a scope for a group that the person is in", func(a *delegation.Ask) { a.Target.Scopes[0].Groups = []string{"staff"} }, "", ""},

		{"the zero Ask", func(a *delegation.Ask) { *a = delegation.Ask{} }, "unauthorized_client", "not_an_actor"},
		{"a client that registered itself", func(a *delegation.Ask) { a.Client.Source = oauth.Dynamic }, "unauthorized_client", "not_an_actor"},
		{"a client with a document", func(a *delegation.Ask) { a.Client.Source = oauth.Document }, "unauthorized_client", "not_an_actor"},
		{"a client that waits", func(a *delegation.Ask) { a.Client.Waits = true }, "unauthorized_client", "not_an_actor"},
		{"a public client", func(a *delegation.Ask) { a.Client.TokenAuthMethod = "none" }, "unauthorized_client", "not_an_actor"},
		{"a client that did not authenticate", func(a *delegation.Ask) { a.How = "" }, "unauthorized_client", "not_an_actor"},
		{"a client without the grant type", func(a *delegation.Ask) { a.Client.GrantTypes = []string{"authorization_code"} }, "unauthorized_client", "not_an_actor"},
		{"a client of the default grant types", func(a *delegation.Ask) { a.Client.GrantTypes = nil }, "unauthorized_client", "not_an_actor"},
		{"no subject", func(a *delegation.Ask) { a.Subject.Subject = "" }, "invalid_request", "no_subject"},
		{"a token for another server", func(a *delegation.Ask) { a.Subject.Resource = files }, "invalid_request", "not_meant"},
		{"a token for the same server in another spelling", func(a *delegation.Ask) { a.Subject.Resource = agent + "/" }, "invalid_request", "not_meant"},
		{"a token that another may act with", func(a *delegation.Ask) { a.Client.Serves = nil }, "invalid_request", "not_meant"},
		{"a token that nobody may act with, by a client without a name", func(a *delegation.Ask) { a.Client.Serves, a.Client.ID, a.Subject.MayAct = nil, "", "" }, "unauthorized_client", "not_an_actor"},
		{"a target that it does not reach", func(a *delegation.Ask) { a.Target.URI = "https://other.example" }, "invalid_target", "not_reached"},
		{"its own server as target", func(a *delegation.Ask) { a.Target.URI = agent }, "invalid_target", "not_reached"},
		{"no target", func(a *delegation.Ask) { a.Target.URI = "" }, "invalid_target", "not_reached"},
		{"a token of its own", func(a *delegation.Ask) { a.Subject.Subject = "agent" }, "invalid_request", "itself"},
		{"a token that it got for the person", func(a *delegation.Ask) { a.Subject.Client = "agent" }, "invalid_request", "loop"},
		{"a token with which it acts already", func(a *delegation.Ask) {
			a.Subject.Client, a.Subject.Chain = "agent", []token.Actor{hop("agent", "x"), hop("desktop", "client")}
		}, "invalid_request", "loop"},
		{"a token that has passed through it", func(a *delegation.Ask) {
			a.Subject.Client, a.Subject.Chain = "b", []token.Actor{hop("b", "x"), hop("agent", "x"), hop("desktop", "client")}
		}, "invalid_request", "loop"},
		{"a token that has passed through it under another issuer's name", func(a *delegation.Ask) {
			a.Subject.Client, a.Subject.Chain = "b", []token.Actor{hop("b", "x"), {Principal: token.Principal{Issuer: "https://x.example", Subject: "s"}, Client: "agent"}}
		}, "invalid_request", "loop"},
		{"a token that was issued to it, whatever its chain says", func(a *delegation.Ask) {
			a.Subject.Client, a.Subject.Chain = "agent", []token.Actor{hop("b", "x"), hop("desktop", "client")}
		}, "invalid_request", "loop"},
		{"a token that has passed through it as a subject without client", func(a *delegation.Ask) {
			a.Subject.Client, a.Subject.Chain = "b", []token.Actor{hop("b", "x"), {Principal: token.Principal{Issuer: issuer, Subject: "agent"}}}
		}, "invalid_request", "loop"},
		{"the fourth hop", func(a *delegation.Ask) {
			a.Subject.Client, a.Subject.Chain = "c", []token.Actor{hop("c", "x"), hop("b", "x"), hop("desktop", "client")}
		}, "", ""},
		{"the fifth hop", func(a *delegation.Ask) {
			a.Subject.Client, a.Subject.Chain = "d", []token.Actor{hop("d", "x"), hop("c", "x"), hop("b", "x"), hop("desktop", "client")}
		}, "invalid_request", "too_deep"},
		{"scope that the token lacks", func(a *delegation.Ask) { a.Scopes = oauth.NewScopes("delete") }, "invalid_scope", "no_scope"},
		{"scope that the target does not know", func(a *delegation.Ask) { a.Scopes = oauth.NewScopes("admin") }, "invalid_scope", "no_scope"},
		{"offline access", func(a *delegation.Ask) {
			a.Subject.Scopes, a.Scopes = oauth.NewScopes("offline_access"), nil
			a.Target.Scopes = []oauth.ScopeText{{Name: "offline_access"}}
			a.Consented = oauth.NewScopes("offline_access")
		}, "invalid_scope", "no_scope"},
		{"a scope for a group that the person is not in", func(a *delegation.Ask) { a.Target.Scopes[0].Groups = []string{"admins"} }, "invalid_scope", "no_scope"},
		{"nobody has agreed", func(a *delegation.Ask) { a.Consented = nil }, "invalid_grant", "no_consent"},
		{"consent for another scope", func(a *delegation.Ask) { a.Consented = oauth.NewScopes("write") }, "invalid_scope", "scope_not_consented"},
		{"another task", func(a *delegation.Ask) { a.Subject.Task, a.Task = task("t", "x"), task("u", "x") }, "invalid_authorization_details", "task_wider"},
		{"a wider task", func(a *delegation.Ask) { a.Subject.Task, a.Task = task("t", "x"), task("t", "x", "y") }, "invalid_authorization_details", "task_wider"},
		{"a task that has ended", func(a *delegation.Ask) {
			a.Task = &token.Task{ID: "t", Words: "w", Tools: []string{"x"}, Expires: noon}
		}, "invalid_request", "over"},
		{"a token that has ended", func(a *delegation.Ask) { a.Subject.Expires = noon }, "invalid_request", "over"},
		{"no life", func(a *delegation.Ask) { a.Access = 0 }, "invalid_request", "over"},
	} {
		a := asked()
		c.change(&a)
		got, err := delegation.Narrow(a)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v (%s)", c.name, err, err.Reason)
		case c.want != "" && (err == nil || err.Reason != c.want || err.Code != c.code || !cmp.Equal(got, token.Claims{})):
			t.Errorf("%s: %+v, %+v, want %s", c.name, got, err, c.want)
		}
	}
}

// The task of the subject token stays unless a narrower one is asked for, and its end is an end of the token.
func TestTheTaskOfAnExchange(t *testing.T) {
	whole, part := task("t", "x", "y"), task("t", "y")
	for _, c := range []struct{ subject, asked, want *token.Task }{{nil, nil, nil}, {whole, nil, whole}, {whole, part, part}, {nil, part, part}} {
		a := asked()
		a.Subject.Task, a.Task = c.subject, c.asked
		got, err := delegation.Narrow(a)
		if err != nil || !cmp.Equal(got.Task, c.want) {
			t.Errorf("%+v, %v", got.Task, err)
		}
		if end := noon.Add(5 * time.Minute); c.want != nil && !got.Expires.Equal(end) {
			t.Errorf("ends at %s, its task at %s", got.Expires, end)
		}
	}
}
