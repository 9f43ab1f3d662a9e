package guard_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/token"
)

// rules decide by what an operation is about; what is not there is allowed.
type rules map[string]policy.Decision

func (r rules) Decide(_ context.Context, q policy.Request) policy.Decision {
	if d, ok := r[q.Operation.Name]; ok {
		return d
	}
	return policy.Decision{Verdict: policy.Allow, Code: "policy.allowed"}
}

func (r rules) Visible(_ context.Context, _ policy.Request, items []mcp.Item) []bool {
	return slices.Repeat([]bool{true}, len(items))
}

func lacks(code string, l policy.Lacking) policy.Decision {
	return policy.Decision{Verdict: policy.Challenge, Code: code, Title: "more is wanted for " + code, Lacking: l, Rules: []string{"rule-" + code}}
}

// RS-403-ALL-SCOPES-AT-ONCE, RFC 9470 §3: everything that is lacking is said at once, in the challenge if a token is all that is, and
// in the data of the denial always; and no rule's text or id.
func TestEverythingThatIsLackingIsSaidAtOnce(t *testing.T) {
	decider := rules{
		"scope":    lacks("insufficient_scope", policy.Lacking{Scopes: oauth.NewScopes("math")}),
		"acr":      lacks("insufficient_user_authentication", policy.Lacking{ACR: "phr", Scopes: oauth.NewScopes("math")}),
		"age":      lacks("insufficient_user_authentication", policy.Lacking{MaxAge: 300}),
		"account":  lacks("account_link_required", policy.Lacking{Account: "github", Scopes: oauth.NewScopes("math")}),
		"approval": lacks("approval_required", policy.Lacking{Approval: true, MaxAge: 60}),
		"nothing":  lacks("policy.empty", policy.Lacking{}),
		"no":       {Code: "policy.forbidden", Title: "not this one", Rules: []string{"rule-no"}},
		"silent":   {Code: "policy.no_permit"},
	}
	type members = map[string]any
	math := []any{"math"}
	for _, c := range []struct {
		tools, revision, header, code, id string
		status                            int
		lacking                           members
	}{
		{"scope", "2025-11-25", `scope="math mcp"`, "insufficient_scope", "0", 403, members{"scopes": math}},
		{"scope", "2026-07-28", `scope="math"`, "insufficient_scope", "0", 403, members{"scopes": math}},
		{"acr", "2025-11-25", `scope="math mcp", resource_metadata="` + document + `", acr_values="phr", max_age="3600"`, "insufficient_user_authentication", "0", 401, members{"scopes": math, "acr_values": "phr"}},
		{"acr", "2026-07-28", `scope="math mcp", resource_metadata="` + document + `", acr_values="phr", max_age="3600"`, "insufficient_user_authentication", "0", 401, members{"scopes": math, "acr_values": "phr"}},
		{"age", "2025-11-25", `scope="mcp", resource_metadata="` + document + `", acr_values="pw", max_age="300"`, "insufficient_user_authentication", "0", 401, members{"max_age": 300.0}},
		{"account", "2025-11-25", "", "account_link_required", "0", 403, members{"account": "github", "scopes": math}},
		{"approval", "2025-11-25", "", "approval_required", "0", 403, members{"approval": true, "max_age": 60.0}},
		{"nothing", "2025-11-25", "", "policy.empty", "0", 403, nil},
		{"no", "2025-11-25", "", "policy.forbidden", "0", 403, nil},
		{"silent", "2025-11-25", "", "policy.no_permit", "0", 403, nil},
		{"ok scope acr", "2025-03-26", `scope="math mcp", resource_metadata="` + document + `", acr_values="phr", max_age="3600"`, "insufficient_user_authentication", "2", 401, members{"scopes": math, "acr_values": "phr"}},
		{"acr age", "2025-03-26", `acr_values="phr", max_age="300"`, "insufficient_user_authentication", "0", 401, members{"scopes": math, "acr_values": "phr", "max_age": 300.0}},
		{"age account scope approval", "2025-03-26", "", "approval_required", "3", 403, members{"scopes": math, "account": "github", "approval": true, "max_age": 60.0}},
		{"approval no scope", "2025-03-26", "", "policy.forbidden", "1", 403, nil},
		{"scope no", "2025-03-26", "", "policy.forbidden", "1", 403, nil},
		{"scope nothing", "2025-03-26", "", "policy.empty", "1", 403, nil},
	} {
		t.Run(c.tools+" "+c.revision, func(t *testing.T) {
			f := guarded(t, func(g *guard.Config) {
				g.Decider, g.Authentication = decider, guard.Authentication{ACR: []string{"pw"}, MaxAge: 3600e9}
			})
			w := f.serve(post(batch(c.revision, strings.Fields(c.tools)...), "Authorization", "Bearer "+f.token(func(c *token.Claims) { c.ACR, c.Authenticated = "pw", noon }),
				"Mcp-Protocol-Version", c.revision, "Mcp-Method", "tools/call", "Mcp-Name", c.tools), nil)
			challenge := w.Header().Get("WWW-Authenticate")
			if w.Code != c.status || (c.header == "") != (challenge == "") || !strings.Contains(challenge, c.header) {
				t.Errorf("%d %q", w.Code, challenge)
			}
			var got struct {
				ID    json.Number
				Error struct {
					Code    int
					Message string
					Data    struct {
						Error, Code string
						Description string `json:"error_description"`
						Lacking     members
					}
				}
			}
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if e := got.Error; got.ID.String() != c.id || e.Code != mcp.Denied || e.Data.Code != c.code || e.Data.Description == "" || e.Data.Description != e.Message {
				t.Errorf("%s", w.Body)
			}
			if diff := cmp.Diff(c.lacking, got.Error.Data.Lacking); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if strings.Contains(w.Body.String()+challenge, "rule-") {
				t.Errorf("a rule is named: %s %s", challenge, w.Body)
			}
			if n := len(f.log); n != 1 || f.log[0].Record.Reason != c.code || f.log[0].Record.Verdict != "deny" {
				t.Errorf("recorded: %+v", f.log)
			}
		})
	}
}

// batch are calls of tools, numbered from 0; one alone is no batch.
func batch(revision string, tools ...string) string {
	var all []string
	for n, tool := range tools {
		meta := ""
		if revision == "2026-07-28" {
			meta = `,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`
		}
		all = append(all, `{"jsonrpc":"2.0","id":`+string(rune('0'+n))+`,"method":"tools/call","params":{"name":"`+tool+`"`+meta+`}}`)
	}
	if len(all) == 1 {
		return all[0]
	}
	return "[" + strings.Join(all, ",") + "]"
}

// Rule 9: the record of a call says which rules decided, by which bundle, what a candidate would have said, and what is asked for.
func TestTheRecordSaysWhatDecided(t *testing.T) {
	shadow := &policy.Shadow{Verdict: policy.Deny, Code: "policy.forbidden", Bundle: "sha256:2", Rules: []string{"a", "b"}}
	f := guarded(t, func(g *guard.Config) {
		g.Decider = rules{
			"add": {Verdict: policy.Allow, Code: "policy.allowed", Rules: []string{"r1"}, Bundle: "sha256:1", Shadow: shadow,
				Obligations: []policy.Obligation{{Name: policy.Audit, Value: "metadata"}, {Name: policy.Audit, Value: "args"}, {Name: policy.Audit, Value: "none"}, {Name: policy.Notify, Value: "sec"}}},
			"no": {Code: "policy.forbidden", Rules: []string{"r2"}, Bundle: "sha256:1", Shadow: &policy.Shadow{Verdict: policy.Allow, Code: "policy.allowed"}},
		}
	})
	for _, tool := range []string{"add", "no"} {
		f.serve(post(batch("", tool), "Authorization", "Bearer "+f.token()), reached)
	}
	r := f.log[0].Record
	if diff := cmp.Diff([]string{"audit:metadata", "audit:args", "audit:none", "notify:sec"}, r.Obligations); diff != "" || r.Level != "args" || r.Bundle != "sha256:1" || r.Verdict != "allow" || r.Reason != "policy.allowed" {
		t.Errorf("%+v\n%s", r, diff)
	}
	if diff := cmp.Diff([]audit.Shadow{{Live: "allow", Verdict: "deny", Code: "policy.forbidden", Rules: []string{"a", "b"}, Bundle: "sha256:2"}}, r.Shadow); diff != "" || r.Shadow[0].String() != "deny policy.forbidden sha256:2 a b" {
		t.Errorf("%s", diff)
	}
	r = f.log[len(f.log)-1].Record
	if r.Code != audit.CallRefused || r.Reason != "policy.forbidden" || r.Bundle != "sha256:1" || len(r.Rules) != 1 || len(r.Shadow) != 1 || r.Shadow[0].Live != "deny" || r.Obligations != nil {
		t.Errorf("%+v", r)
	}
}
