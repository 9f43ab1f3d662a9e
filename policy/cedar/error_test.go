package cedar_test

import (
	"context"
	"testing"

	"github.com/doorward-mcp/doorward/policy"
)

// Cedar leaves out a rule that cannot be evaluated: a forbid would let through what it forbids. Here it denies, also where it only
// asks for more, and a permit permits nothing and is counted.
func TestAForbidThatErrs(t *testing.T) {
	for _, c := range []struct {
		broken, code string
		verdict      policy.Verdict
		skipped      int64
	}{{"", "policy.allowed", policy.Allow, 0}, {"no", "policy.error", policy.Deny, 0}, {"more", "policy.error", policy.Deny, 0}, {"yes", "policy.no_permit", policy.Deny, 1}, {"also", "policy.allowed", policy.Allow, 1}} {
		e := load(t, bundle(anyCRM+`
== servers/crm/rules.cedar
@id("yes") permit (principal in Group::"staff", action == Action::"crm/find", resource);
@id("also") permit (principal, action == Action::"crm/find", resource) when { context.token.bound };
@id("no") forbid (principal, action == Action::"crm/find", resource) when { context.token.scopes.contains("never") };
@id("more") @remedy("approval") forbid (principal, action == Action::"crm/find", resource) when { context.token.scopes.contains("never") };
`))
		if c.broken != "" {
			e.Break(c.broken)
		}
		d := e.Decide(context.Background(), use("find", ""))
		if d.Code != c.code || d.Verdict != c.verdict || e.Skipped() != c.skipped {
			t.Errorf("%s: %+v, %d skipped", c.broken, d, e.Skipped())
		}
	}
}
