package guard_test

import (
	"context"
	"net/http/httptest"
	"testing"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/policy"
)

// torn is a decider that breaks.
type torn struct{ policy.ScopesOnly }

func (torn) Decide(context.Context, policy.Request) policy.Decision { panic("torn") }

// A decider that breaks keeps nobody's place.
func TestAPanicKeepsNoPlace(t *testing.T) {
	f := guarded(t, func(c *guard.Config) { c.Limits.Caller.AtOnce, c.Decider = 2, torn{} })
	for n := range 5 {
		func() {
			defer func() {
				if p := recover(); p != "torn" {
					t.Fatalf("call %d: %v", n, p)
				}
			}()
			r := post(callBody, "Authorization", "Bearer "+f.token(), "Mcp-Protocol-Version", "2025-11-25")
			if _, err := f.g.Admit(request.Begin(r, f.now, nil)); err != nil {
				f.g.Refuse(httptest.NewRecorder(), r, err)
				t.Fatalf("call %d: %v", n, err)
			}
		}()
	}
}

// Rule 9: what a server may carry out is recorded as a call, also without an id.
func TestANotificationThatMayBeCarriedOutIsACall(t *testing.T) {
	for method, want := range map[string]audit.Code{"tools/call": audit.Called, "vendor/delete": audit.Called, "notifications/cancelled": audit.Listed, "tools/list": audit.Listed} {
		f := guarded(t, nil)
		r := post(`{"jsonrpc":"2.0","method":"`+method+`","params":{"name":"x"}}`, "Authorization", "Bearer "+f.token(), "Mcp-Protocol-Version", "2025-11-25")
		call, err := f.g.Admit(request.Begin(r, f.now, nil))
		if err != nil {
			t.Fatal(err)
		}
		if got := call.Record().Code; got != want {
			t.Errorf("%s is recorded as %s", method, got)
		}
	}
}
