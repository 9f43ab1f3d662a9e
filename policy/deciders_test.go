package policy_test

import (
	"context"
	"errors"
	"testing"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/token"
)

// fixed decides what a test says of the scopes and facts that it is asked with.
type fixed func(policy.Request) policy.Decision

func (f fixed) Decide(_ context.Context, r policy.Request) policy.Decision { return f(r) }

func (f fixed) Visible(_ context.Context, r policy.Request, items []mcp.Item) []bool {
	seen := make([]bool, len(items))
	for i, item := range items {
		r.Operation = item.Use()
		seen[i] = f(r).Verdict == policy.Allow
	}
	return seen
}

func asking(scopes ...string) policy.Request {
	return policy.Request{Server: "crm", Operation: mcp.Item{Kind: mcp.ItemTool, Name: "delete_user"}.Use(),
		Caller: token.Caller{Principal: token.Principal{Subject: "alice"}, Client: "app", Scopes: oauth.NewScopes(scopes...)}}
}

// A person is sent to consent once, for everything that both lack, and never for a call that is denied with that token too.
func TestScoped(t *testing.T) {
	allow := policy.Decision{Verdict: policy.Allow, Code: "policy.allowed", Obligations: []policy.Obligation{{Name: "notify", Value: "x"}}}
	deny := policy.Decision{Code: "policy.no_permit"}
	more := policy.Decision{Verdict: policy.Challenge, Code: "insufficient_user_authentication", Lacking: policy.Lacking{MaxAge: 60, Scopes: oauth.NewScopes("extra")}}
	needs := policy.NewScopes(oauth.NewScopes("use"), nil, policy.Need{Scopes: oauth.NewScopes("admin"), Tools: []string{"delete_user"}})
	for _, c := range []struct {
		name    string
		has     []string
		next    policy.Decision
		verdict policy.Verdict
		code    string
		scopes  string
	}{
		{"both allow", []string{"use", "admin"}, allow, policy.Allow, "policy.allowed", ""},
		{"the rules deny", []string{"use", "admin"}, deny, policy.Deny, "policy.no_permit", ""},
		{"the rules deny who lacks scope", []string{"use"}, deny, policy.Deny, "policy.no_permit", ""},
		{"scope is lacking", []string{"use"}, allow, policy.Challenge, "insufficient_scope", "admin"},
		{"both lack", []string{"use"}, more, policy.Challenge, "insufficient_user_authentication", "admin extra"},
		{"the rules lack", []string{"use", "admin"}, more, policy.Challenge, "insufficient_user_authentication", "extra"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := policy.Scoped{Scopes: needs, Next: fixed(func(r policy.Request) policy.Decision {
				if !r.Caller.Scopes.Contains("admin") {
					t.Error("the rules were asked about another token than the one that could be had")
				}
				return c.next
			})}
			d := s.Decide(context.Background(), asking(c.has...))
			if d.Verdict != c.verdict || d.Code != c.code || d.Lacking.Scopes.String() != c.scopes {
				t.Errorf("%+v", d)
			}
			if d.Verdict != policy.Allow && len(d.Obligations) > 0 {
				t.Errorf("obligations of a call that is not made: %+v", d)
			}
		})
	}
	if d := (policy.Scoped{Scopes: needs, Next: fixed(func(policy.Request) policy.Decision { return allow })}).Decide(context.Background(), policy.Request{}); d.Verdict != policy.Deny {
		t.Errorf("nobody: %+v", d)
	}
}

// A candidate is asked and decides nothing, also one that panics; what it would have decided is said where it differs.
func TestShadowed(t *testing.T) {
	allow, deny := policy.Decision{Verdict: policy.Allow, Code: "policy.allowed"}, policy.Decision{Code: "policy.forbidden", Bundle: "sha256:2", Rules: []string{"no"}}
	says := func(d policy.Decision) policy.Decider {
		return fixed(func(policy.Request) policy.Decision { return d })
	}
	panics := fixed(func(policy.Request) policy.Decision { panic("a candidate") })
	items := []mcp.Item{{Kind: mcp.ItemTool, Name: "a"}}
	for name, c := range map[string]struct {
		live, candidate policy.Decider
		want            policy.Verdict
		shadow          string
	}{"alike": {says(allow), says(allow), policy.Allow, ""}, "it would deny": {says(allow), says(deny), policy.Allow, "policy.forbidden"},
		"it would allow": {says(deny), says(allow), policy.Deny, "policy.allowed"}, "it panics": {says(allow), panics, policy.Allow, "shadow.failed"}} {
		s := policy.Shadowed{Live: c.live, Candidate: c.candidate}
		d := s.Decide(context.Background(), asking())
		got := ""
		if d.Shadow != nil {
			got = d.Shadow.Code
		}
		if d.Verdict != c.want || got != c.shadow {
			t.Errorf("%s: %+v %q", name, d, got)
		}
		if seen := s.Visible(context.Background(), asking(), items); seen[0] != (c.want == policy.Allow) {
			t.Errorf("%s: a list is not the live one's", name)
		}
	}
}

// What is known of a caller is found out for each decision, and what somebody says of himself in the question is not kept.
func TestInformed(t *testing.T) {
	var unknown error
	i := policy.Informed{Facts: func(_ context.Context, c token.Caller) (policy.Facts, error) {
		return policy.Facts{Name: "name of " + c.Subject}, unknown
	},
		Next: fixed(func(r policy.Request) policy.Decision {
			if r.Facts.Name == "name of alice" && r.Facts.Groups == nil {
				return policy.Decision{Verdict: policy.Allow}
			}
			return policy.Decision{}
		})}
	r := asking()
	r.Facts = policy.Facts{Groups: []string{"crm-admins"}}
	if i.Decide(context.Background(), r).Verdict != policy.Allow || !i.Visible(context.Background(), r, []mcp.Item{{Kind: mcp.ItemTool, Name: "a"}})[0] {
		t.Error("it was asked with other facts")
	}
	unknown = errors.New("nobody knows")
	if d := i.Decide(context.Background(), r); d.Verdict != policy.Deny || d.Code != "policy.facts" || i.Visible(context.Background(), r, []mcp.Item{{Kind: mcp.ItemTool, Name: "a"}})[0] {
		t.Errorf("who calls cannot be found out: %s %s", d.Verdict, d.Code)
	}
}
