package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/token"
)

const flowBundle = `
-- bundle.yaml --
id: acme
servers:
  crm: {definitions: accepted}
-- entities/clients.yaml --
- uid: {type: Agent, id: desk}
  parents: [{type: ClientSet, id: approved-agents}]
-- servers/crm/users.cedar --
@id("crm.delete-user")
@title("CRM administrators may delete users, through approved agents")
@audit("args")
@notify("crm-owners")
permit (principal in Group::"crm-admins", action == Action::"crm/delete_user", resource == Server::"crm")
when {
  context.delegation.human &&
  context.delegation.client in ClientSet::"approved-agents" &&
  context.delegation.evidence.containsAny(["listed", "authenticated"]) &&
  context.args.id != "ada"
};

@id("crm.delete-user.step-up") @title("Deleting needs a permission of its own")
@remedy("step_up_scope") @scope("crm:users:delete")
forbid (principal, action == Action::"crm/delete_user", resource)
unless { context.token.scopes.contains("crm:users:delete") };

@id("crm.delete-user.irreversible")
@remedy("step_up_scope") @scope("crm:irreversible")
forbid (principal, action == Action::"crm/delete_user", resource)
unless { context.token.scopes.contains("crm:irreversible") };

@id("crm.add")
permit (principal, action == Action::"crm/add", resource);

@id("crm.add.recent") @title("Adding needs a recent sign-in")
@remedy("max_age") @max_age("5")
forbid (principal, action == Action::"crm/add", resource)
unless { context.token has auth_age && context.token.auth_age <= duration("5s") };

@id("crm.add.strong")
@remedy("step_up_acr") @acr("urn:doorward:single-factor")
forbid (principal, action == Action::"crm/add", resource)
unless { context.token has acr && context.token.acr == "urn:doorward:single-factor" };

@id("crm.slow")
permit (principal in Group::"crm-admins", action == Action::"crm/slow", resource);

@id("crm.slow.account") @remedy("link_account")
forbid (principal, action == Action::"crm/slow", resource)
unless { context.accounts.contains("github") };

@id("crm.slow.approval") @remedy("approval")
forbid (principal, action == Action::"crm/slow", resource)
unless { context has approval && context.approval.approver != principal };
`

// challenged fails unless a challenge says all of it. The scopes of a challenge are said in any order.
func (a answer) challenged(t testing.TB, status int, code, scopes string, holds ...string) {
	t.Helper()
	a.denied(t, status, code)
	got := strings.Join(a.Header.Values("Www-Authenticate"), " ")
	for _, one := range append(holds, `error="`+code+`"`, "resource_metadata=", "error_description=") {
		if !strings.Contains(got, one) {
			t.Errorf("the challenge %s\ndoes not say %s", got, one)
		}
	}
	_, said, _ := strings.Cut(got, `scope="`)
	said, _, _ = strings.Cut(said, `"`)
	if have, want := strings.Fields(said), strings.Fields(scopes); !same(have, want) {
		t.Errorf("the challenge asks for %q, not for %q", said, scopes)
	}
}

func same(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

// RS-403-SCOPE, RS-403-ALL-SCOPES: who may delete users: two people, one of the group, through two clients, one of which is
// approved. What is lacking is said at once, and the token had for it is good.
func TestDeleteUser(t *testing.T) {
	s := governed(t, bundled(t, "", flowBundle), "", "")
	alice, bob := s.browser(), s.browser()
	alice.signInBy(s.admin("user", "add", "alice", "--group", "crm-admins")["sign_in_link"])
	bob.signInBy(s.admin("user", "add", "bob", "--group", "staff")["sign_in_link"])
	desk, toy := s.listedApp("desk"), s.listedApp("toy")
	through := func(a *app, b *browser, scope string) string {
		a = a.again()
		return a.redeem(a.code(b, "scope", scope)).tokens(t).Access
	}
	const all = "crm crm:users:delete crm:irreversible"
	allowed := through(desk, alice, all)
	for _, c := range []struct {
		name, token, id, code string
		status                int
	}{
		{"another person", through(desk, bob, all), "alan", "policy.no_permit", 403},
		{"another client", through(toy, alice, all), "alan", "policy.no_permit", 403},
		{"another person and client", through(toy, bob, all), "alan", "policy.no_permit", 403},
		{"the one that nobody deletes", allowed, "ada", "policy.no_permit", 403},
		{"nobody's scope helps whom no rule permits", through(desk, bob, "crm"), "alan", "policy.no_permit", 403},
	} {
		as(t, s, c.name, func(t *testing.T) {
			a := s.call(c.token, "delete_user", `{"id":"`+c.id+`"}`)
			a.denied(t, c.status, c.code)
			if got := a.Header.Get("Www-Authenticate"); got != "" {
				t.Errorf("a challenge for what no token mends: %s", got)
			}
			if strings.Contains(a.body, "approved-agents") || strings.Contains(a.body, "crm.delete-user") {
				t.Errorf("the answer tells the rules: %s", a.body)
			}
			if r := s.record(t, a); r["msg"] != "mcp.refused" || r["verdict"] != "deny" || r["reason"] != c.code {
				t.Errorf("%v", r)
			}
		})
	}
	as(t, s, "challenged and stepped up", func(t *testing.T) {
		first := s.call(through(desk, alice, "crm"), "delete_user", `{"id":"alan"}`)
		first.challenged(t, 403, "insufficient_scope", "crm:users:delete crm:irreversible")
		if d := first.denial(t); !same(strs(d.Lacking["scopes"]), []string{"crm:users:delete", "crm:irreversible"}) || d.Description != "Deleting needs a permission of its own" {
			t.Errorf("%+v", d)
		}
		if r := s.record(t, first); r["reason"] != "insufficient_scope" || !same(strings.Split(r["rules"].(string), ", "), []string{"crm.delete-user", "crm.delete-user.irreversible", "crm.delete-user.step-up"}) {
			t.Errorf("%v", r)
		}
		// A client of an older revision does not accumulate: it is told what it has too.
		old := do(t, http.DefaultClient, s.bearing(t, through(desk, alice, "crm crm:irreversible"), "POST", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_user","arguments":{"id":"alan"}}}`, "2025-11-25"))
		old.challenged(t, 403, "insufficient_scope", all)
		done := s.call(through(desk, alice, all), "delete_user", `{"id":"alan"}`)
		done.succeeds(t)
		if r := s.record(t, done); r["verdict"] != "allow" || r["reason"] != "policy.allowed" || r["rules"] != "crm.delete-user" || r["bundle"] == "" || r["obligations"] != "audit:args, notify:crm-owners" || r["detail"] != "args" {
			t.Errorf("%v", r)
		}
		if said := s.stderr.String(); !strings.Contains(said, "whom=crm-owners") {
			t.Error("nobody is told of it")
		}
	})
	as(t, s, "a group is lost", func(t *testing.T) {
		s.admin("user", "groups", "alice", "staff")
		a := s.call(allowed, "delete_user", `{"id":"grace"}`)
		if a.StatusCode != 401 && a.StatusCode != 403 {
			t.Errorf("%s %s", a.Status, a.body)
		}
	})
}

// RFC 9470 §3, §4: a sign-in that is too old, or of another kind, is asked for again with everything that is lacking, and the token
// of that sign-in is good.
func TestASignInThatARuleAsksFor(t *testing.T) {
	s := governed(t, bundled(t, "", flowBundle), "", "")
	b := s.browser()
	b.signInBy(s.admin("user", "add", "alice", "--group", "crm-admins")["sign_in_link"])
	desk := s.listedApp("desk")
	first := desk.redeem(desk.code(b)).tokens(t).Access
	mint := minting(t, s) // restarts
	long := mint("alice", "desk", func(c *token.Claims) {
		c.Authenticated, c.ACR = time.Now().Add(-time.Hour), "urn:doorward:single-factor"
	})
	never := mint("alice", "desk")
	const max = `max_age="5"`
	const acr = `acr_values="urn:doorward:single-factor"`
	s.call(long, "add", `{"a":1,"b":2}`).challenged(t, 401, "insufficient_user_authentication", "crm", max)
	s.call(never, "add", `{"a":1,"b":2}`).challenged(t, 401, "insufficient_user_authentication", "crm", max, acr)
	if d := s.call(never, "add", `{"a":1,"b":2}`).denial(t); d.Lacking["acr_values"] != "urn:doorward:single-factor" || d.Lacking["max_age"] != 5.0 {
		t.Errorf("%+v", d)
	}
	eventually(t, "a sign-in grows old", func() bool { return s.call(first, "add", `{"a":1,"b":2}`).StatusCode == 401 })

	// The session is as old as its sign-in: the person is asked to sign in again, and then the call is made.
	again := desk.again()
	ask := again.authorizeURL("max_age", "5", "acr_values", "urn:doorward:single-factor", "scope", "crm")
	if page := b.follow(ask); page.Request.URL.Path != "/sign-in" {
		t.Fatalf("nobody is asked to sign in: %s", page.Request.URL)
	}
	b.signInBy(s.admin("link", "alice")["sign_in_link"])
	got := again.redeem(again.code(b, "max_age", "5", "acr_values", "urn:doorward:single-factor", "scope", "crm")).tokens(t)
	s.call(got.Access, "add", `{"a":1,"b":2}`).succeeds(t)
}

// An account that is not linked and an approval that nobody gave refuse, and say so in the data.
func TestRemediesThatOnlyRefuse(t *testing.T) {
	s := governed(t, bundled(t, "", flowBundle), "", "")
	mint := minting(t, s)
	a := s.call(mint("alice", "desk", func(c *token.Claims) { c.Groups = []string{"crm-admins"} }), "slow", "{}")
	d := a.denied(t, 403, "approval_required")
	if a.Header.Get("Www-Authenticate") != "" {
		t.Errorf("a challenge for what no token mends: %v", a.Header)
	}
	if d.Lacking["approval"] != true || d.Lacking["account"] == nil {
		t.Errorf("%+v", d)
	}
}
