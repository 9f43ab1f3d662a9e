package cedar_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/policy/cedar"
	"github.com/doorward-mcp/doorward/token"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const house = "https://house.example"

// bundle is files: each begins with a line == NAME.
func bundle(text string) cedar.Files {
	files := cedar.Files{}
	for _, part := range strings.Split("\n"+text, "\n== ")[1:] {
		name, content, _ := strings.Cut(part, "\n")
		files[strings.TrimSpace(name)] = []byte(content + "\n")
	}
	return files
}

func load(t testing.TB, files cedar.Files) *cedar.Engine {
	t.Helper()
	e, err := cedar.Load(files, cedar.Options{Issuer: house})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// use is a call of a tool at the server crm, by alice in staff through the client app.
func use(tool, args string) policy.Request {
	op := mcp.Item{Kind: mcp.ItemTool, Name: tool}.Use()
	op.Args = []byte(args)
	return policy.Request{Now: noon, Server: "crm", Operation: op, Caller: alice, Client: netip.MustParseAddr("192.0.2.7")}
}

var alice = token.Caller{Principal: token.Principal{Issuer: house, Subject: "alice"}, Client: "app", Scopes: oauth.NewScopes("mcp"), Groups: []string{"staff"},
	Issued: noon.Add(-time.Minute), Expires: noon.Add(9 * time.Minute), Authenticated: noon.Add(-time.Hour), ACR: "urn:doorward:single-factor"}

const anyCRM = `
== bundle.yaml
id: test
servers: {crm: {definitions: any}, wiki: {definitions: any}}
toolsets: {destructive: [crm/delete_*]}
attributes: {department: String, level: Long, cleared: Bool, regions: Set<String>}
== entities/sets.yaml
- uid: {type: Agent, id: app}
  parents: [{type: ClientSet, id: approved}]
- uid: {type: Group, id: staff}
  parents: [{type: Group, id: everybody}]
- uid: {type: User, id: carol}
  attrs: {level: 3}
  parents: [{type: Group, id: bosses}]
`

// The three steps: who may, what is lacking, what must be done.
func TestDecide(t *testing.T) {
	e := load(t, bundle(anyCRM+`
== guardrails/all.cedar
@id("no-drop") @title("Nobody drops tables")
forbid (principal, action in [Action::"crm/drop"], resource);
== servers/crm/rules.cedar
@id("staff") @audit("args") @redact("/ssn /users/*/ssn")
permit (principal in Group::"staff", action in Action::"crm:tools", resource);

@id("everybody-finds") @ratelimit("10/h")
permit (principal in Group::"everybody", action == Action::"crm/find", resource);

@id("app-itself")
permit (principal is Agent in ClientSet::"approved", action == Action::"crm/find", resource) when { !context.delegation.human };

@id("no-export") @title("Exports are closed")
forbid (principal, action == Action::"crm/export", resource) unless { principal in Group::"bosses" };

@id("delete-scope") @remedy("step_up_scope") @scope("crm:delete") @title("Deleting needs a scope of its own")
forbid (principal, action in Action::"@destructive", resource == Server::"crm") unless { context.token.scopes.contains("crm:delete") };

@id("delete-fresh") @remedy("max_age") @max_age("300")
forbid (principal, action in Action::"@destructive", resource == Server::"crm") unless { context.token has auth_age && context.token.auth_age <= duration("5m") };

@id("pay-mfa") @remedy("step_up_acr") @acr("urn:mfa urn:phr")
forbid (principal, action == Action::"crm/pay", resource) unless { context.token has acr && ["urn:mfa", "urn:phr"].contains(context.token.acr) };

@id("pay-approval") @remedy("approval")
forbid (principal, action == Action::"crm/pay", resource) unless { context has approval && context.approval.approver != principal };

@id("mail-account") @remedy("link_account")
forbid (principal, action == Action::"crm/mail", resource) unless { context.accounts.contains("mail") };
`))
	all := []policy.Obligation{{Name: "audit", Value: "args", Rule: "staff"}, {Name: "redact", Value: "/ssn", Rule: "staff"}, {Name: "redact", Value: "/users/*/ssn", Rule: "staff"}}
	for _, c := range []struct {
		name string
		r    policy.Request
		want policy.Decision
	}{
		{"what staff may", use("update", ""), policy.Decision{Verdict: policy.Allow, Code: "policy.allowed", Rules: []string{"staff"}, Obligations: all}},
		{"two permits, both obligations", use("find", ""), policy.Decision{Verdict: policy.Allow, Code: "policy.allowed", Rules: []string{"everybody-finds", "staff"},
			Obligations: append([]policy.Obligation{{Name: "ratelimit", Value: "10/h", Rule: "everybody-finds"}}, all...)}},
		{"a guardrail", use("drop", ""), policy.Decision{Code: "policy.forbidden", Title: "Nobody drops tables", Rules: []string{"no-drop"}}},
		{"a forbid", use("export", ""), policy.Decision{Code: "policy.forbidden", Title: "Exports are closed", Rules: []string{"no-export"}}},
		{"no permit", as(use("update", ""), "bob"), policy.Decision{Code: "policy.no_permit", Title: "nothing permits this"}},
		{"the star is no tool", use("*", ""), policy.Decision{Code: "definition.missing", Title: "nobody has accepted this here: it waits for the administrator"}},
		{"everything that is lacking at once", use("delete_user", ""), policy.Decision{Verdict: policy.Challenge, Code: "insufficient_user_authentication", Title: "Deleting needs a scope of its own",
			Lacking: policy.Lacking{Scopes: oauth.NewScopes("crm:delete"), MaxAge: 300}, Rules: []string{"staff", "delete-fresh", "delete-scope"}}},
		{"what no token helps", use("pay", ""), policy.Decision{Verdict: policy.Challenge, Code: "approval_required", Title: "this needs an approval",
			Lacking: policy.Lacking{ACR: "urn:mfa urn:phr", Approval: true}, Rules: []string{"staff", "pay-approval", "pay-mfa"}}},
		{"an account", use("mail", ""), policy.Decision{Verdict: policy.Challenge, Code: "account_link_required", Title: "this needs an account of the person's that is not linked",
			Lacking: policy.Lacking{Account: "crm"}, Rules: []string{"staff", "mail-account"}}},
		{"another server", at(use("update", ""), "wiki"), policy.Decision{Code: "policy.no_permit", Title: "nothing permits this"}},
		{"a server that is not named", at(use("update", ""), "hr"), policy.Decision{Code: "policy.server", Title: "the policy says nothing of this server"}},
		{"nobody", policy.Request{Server: "crm", Operation: use("find", "").Operation}, policy.Decision{Code: "no_caller", Title: "nobody calls"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := e.Decide(context.Background(), c.r)
			if got.Bundle != e.Digest() || !strings.HasPrefix(got.Bundle, "sha256:") {
				t.Errorf("bundle %q", got.Bundle)
			}
			got.Bundle = ""
			sortRules(&got)
			sortRules(&c.want)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func as(r policy.Request, subject string, groups ...string) policy.Request {
	r.Caller.Subject, r.Caller.Groups = subject, groups
	return r
}

func at(r policy.Request, server string) policy.Request { r.Server = server; return r }

func sortRules(d *policy.Decision) {
	slices.Sort(d.Rules)
	slices.SortStableFunc(d.Obligations, func(a, b policy.Obligation) int { return strings.Compare(a.Name, b.Name) })
}

// Who calls: a person, a client for itself, a workload, somebody of another issuer, and nobody who is known. A name of one is never
// that of another.
func TestPrincipals(t *testing.T) {
	e := load(t, bundle(anyCRM+`
== servers/crm/rules.cedar
@id("alice") permit (principal == User::"alice", action == Action::"crm/one", resource);
@id("agent") permit (principal == Agent::"robot", action == Action::"crm/two", resource) when { !context.delegation.human && context.delegation.evidence.contains("authenticated") };
@id("workload") permit (principal == Workload::"robot", action == Action::"crm/three", resource);
@id("other") permit (principal == User::"https://other.example#alice", action == Action::"crm/four", resource) when { !context.delegation.human };
@id("anybody") permit (principal == User::"#anonymous", action == Action::"crm/five", resource) unless { context.delegation.human };
@id("signed-in") permit (principal is User, action == Action::"crm/six", resource) when { context.delegation.human && principal.subject == "alice" };
`))
	itself := func(r policy.Request) policy.Request { r.Caller.Subject, r.Caller.Client = "robot", "robot"; return r }
	foreign := func(r policy.Request) policy.Request {
		r.Caller.Issuer, r.Caller.Foreign, r.Caller.Authenticated = "https://other.example", true, time.Time{}
		return r
	}
	callers := map[string]func(policy.Request) policy.Request{
		"alice": func(r policy.Request) policy.Request { return r },
		"a client for itself": func(r policy.Request) policy.Request {
			r.Facts.Client.Authenticates = true
			return itself(r)
		},
		"a client for itself that proves nothing": itself,
		"a workload": func(r policy.Request) policy.Request {
			r.Facts.Client.Workload = true
			return itself(r)
		},
		"alice of another issuer": foreign,
		"alice of another issuer who signed in": func(r policy.Request) policy.Request {
			r = foreign(r)
			r.Caller.Authenticated = noon
			return r
		},
		"anybody": func(r policy.Request) policy.Request {
			r.Caller = token.Caller{Principal: token.Principal{Subject: "anonymous"}}
			return r
		},
	}
	want := map[string]string{"alice": "one six", "a client for itself": "two", "a client for itself that proves nothing": "", "a workload": "three",
		"alice of another issuer": "four", "alice of another issuer who signed in": "six", "anybody": "five"}
	for name, as := range callers {
		var may []string
		for _, tool := range []string{"one", "two", "three", "four", "five", "six"} {
			if e.Decide(context.Background(), as(use(tool, ""))).Verdict == policy.Allow {
				may = append(may, tool)
			}
		}
		if got := strings.Join(may, " "); got != want[name] {
			t.Errorf("%s may %q, want %q", name, got, want[name])
		}
	}
}
