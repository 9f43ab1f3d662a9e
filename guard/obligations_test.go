package guard_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/token"
)

// on is a permit on conditions, which are name:value.
func on(conditions ...string) policy.Decision {
	d := policy.Decision{Verdict: policy.Allow, Code: "policy.allowed"}
	for _, c := range conditions {
		name, value, _ := strings.Cut(c, ":")
		d.Obligations = append(d.Obligations, policy.Obligation{Name: name, Value: value, Rule: "r"})
	}
	return d
}

// A call that is allowed on a condition which nobody here can meet is refused, with a code, before anything is done.
func TestObligationsThatNobodyCanMeet(t *testing.T) {
	for _, c := range []struct{ condition, does, why string }{
		{"audit:none", "", ""}, {"audit:full", "", ""}, {"notify:sec", "", ""}, {"notify:", "", ""}, {"ratelimit:1/s", "", ""}, {"ratelimit:1000000000/d", "", ""},
		{"redact:/ssn", policy.Redact, ""}, {"redact:/ssn /a/*/b", policy.Redact, ""},
		{"redact:/ssn", "", "obligation.unsupported"}, {"redact:ssn", policy.Redact, "obligation.unsupported"}, {"redact:", policy.Redact, "obligation.unsupported"}, {"redact:/a~", policy.Redact, "obligation.unsupported"},
		{"audit:", "", "obligation.unsupported"}, {"audit:all", "", "obligation.unsupported"}, {"audit:Full", "", "obligation.unsupported"},
		{"ratelimit:", "", "obligation.unsupported"}, {"ratelimit:0/h", "", "obligation.unsupported"}, {"ratelimit:-1/h", "", "obligation.unsupported"}, {"ratelimit:10/w", "", "obligation.unsupported"},
		{"ratelimit:10", "", "obligation.unsupported"}, {"ratelimit:1e3/h", "", "obligation.unsupported"}, {"ratelimit:10/h/h", "", "obligation.unsupported"}, {"ratelimit:9999999999/h", "", "obligation.unsupported"},
		{"encrypt:now", "", "obligation.unknown"}, {"", "", "obligation.unknown"}, {"Redact:/ssn", policy.Redact, "obligation.unknown"},
	} {
		f := guarded(t, func(g *guard.Config) { g.Decider = rules{"add": on("audit:args", c.condition)} })
		r := request.Begin(post(callBody, "Authorization", "Bearer "+f.token()), f.now, nil)
		_, err := f.g.Admit(r, c.does)
		got := ""
		if known, ok := errors.AsType[*oauth.Error](err); ok {
			got = known.Reason
			if known.Status != 403 || known.Code != "access_denied" || known.Challenge != nil || f.log[0].Record.Reason != c.why {
				t.Errorf("%q: %+v", c.condition, known)
			}
		}
		if got != c.why {
			t.Errorf("%q: %q, want %q", c.condition, got, c.why)
		}
	}
	listen := `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":["x:a","x:b"]},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	for condition, why := range map[string]string{"redact:/ssn": "", "encrypt:now": "obligation.unknown"} { // what is heard of a resource is its address alone
		f := guarded(t, func(g *guard.Config) { g.Decider = rules{"x:b": on(condition)} })
		if _, got := f.admit(post(listen, "Authorization", "Bearer "+f.token(), "Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "subscriptions/listen")); got != why {
			t.Errorf("listening, %s: %q", condition, got)
		}
	}
	f := guarded(t, func(g *guard.Config) { g.Decider = rules{"add": on("redact:/ssn")} })
	if w := f.serve(post(callBody, "Authorization", "Bearer "+f.token()), nil); w.Code != 403 || !strings.Contains(w.Body.String(), "obligation.unsupported") {
		t.Errorf("a server that redacts nothing: %d %s", w.Code, w.Body)
	}
}

// RFC 6585 §4: what a rule allows so often is allowed so often in any span of time, for a person whatever client it is through,
// and takes nothing from other persons and other rules. What is refused for something else takes nothing.
func TestRateLimitsOfRules(t *testing.T) {
	now := noon
	clock := func() time.Time { return now }
	long := func(c *token.Claims) { c.Expires = noon.Add(100 * time.Hour) }
	bob := func(c *token.Claims) { c.Subject = "bob" }
	elsewhere := func(c *token.Claims) { c.Client = "another" }
	ofB := policy.Decision{Verdict: policy.Allow, Obligations: []policy.Obligation{{Name: policy.RateLimit, Value: "3/h", Rule: "other"}}}
	f := guarded(t, func(g *guard.Config) {
		g.Now = clock
		g.Decider = rules{"a": on("ratelimit:3/h"), "b": ofB, "both": on("ratelimit:3/h", "ratelimit:1/m"), "bad": on("ratelimit:3/h", "encrypt:x"), "bounded": on("ratelimit:3/h"), "many": on("ratelimit:1/m")}
		g.Limits.Tools = map[string]guard.Bounds{"bounded": {PerMinute: 1}}
	})
	call := func(who func(*token.Claims), tools ...string) (why string, wait int) {
		t.Helper()
		revision := "2025-11-25"
		if len(tools) > 1 {
			revision = "2025-03-26"
		}
		w, why := f.admit(post(batch("", tools...), "Authorization", "Bearer "+f.token(long, who), "Mcp-Protocol-Version", revision))
		wait, _ = strconv.Atoi(w.Header().Get("Retry-After"))
		if why == "policy.ratelimit" && (w.Code != 429 || !strings.Contains(w.Body.String(), `"code":"policy.ratelimit"`) || !strings.Contains(w.Body.String(), `"code":40300`)) {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		return why, wait
	}
	me := func(*token.Claims) {}
	const over = "policy.ratelimit"
	for n, s := range []struct {
		after time.Duration
		who   func(*token.Claims)
		tools string
		why   string
		wait  int
	}{
		{0, me, "bad", "obligation.unknown", 0},
		{0, me, "bounded", "", 0},
		{0, me, "bounded", "limit.tool", 60},
		{0, me, "a a a", over, 3660},
		{0, me, "a", "", 0},
		{30 * time.Minute, elsewhere, "a", "", 0},
		{0, me, "a", over, 1860},
		{0, me, "b", "", 0},
		{0, bob, "a", "", 0},
		{31*time.Minute - time.Second, me, "a", over, 1},
		{time.Second, me, "a a", "", 0},
		{0, me, "a", over, 1800},
		{30 * time.Minute, me, "both", "", 0},
		{0, me, "both", over, 1860}, // of two limits the longer wait
		{31 * time.Minute, me, "both", "", 0},
		{0, me, "both", over, 61},
		{0, me, "many many", over, 60},
	} {
		now = now.Add(s.after)
		if why, wait := call(s.who, strings.Fields(s.tools)...); why != s.why || wait != s.wait {
			t.Errorf("step %d: %q again after %d", n, why, wait)
		}
	}
}

// A rule that wants somebody to know has it said in the log, with what is needed to find the call, and no argument.
func TestNotifications(t *testing.T) {
	var b bytes.Buffer
	f := guarded(t, func(g *guard.Config) {
		g.Slog = slog.New(slog.NewTextHandler(&b, nil))
		g.Decider = rules{"add": on("notify:security", "audit:none"), "no": {Code: "policy.forbidden", Obligations: on("notify:security").Obligations}}
	})
	for _, tool := range []string{"no", "other", "add"} {
		f.serve(post(batch("", tool), "Authorization", "Bearer "+f.token()), reached)
	}
	out := b.String()
	if strings.Count(out, "\n") != 1 {
		t.Fatalf("%s", out)
	}
	for _, want := range []string{"level=WARN", "whom=security", "server=" + resource, "name=add", "rule=r", fmt.Sprintf("request=%s", f.log[len(f.log)-1].Record.Request)} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in %s", want, out)
		}
	}
}
