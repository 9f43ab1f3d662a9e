package authzen_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/policy/authzen"
)

// Whatever a decision point answers, it allows only by a decision that another reader takes for one too.
func FuzzDecision(f *testing.F) {
	for _, seed := range []string{`{"decision":true}`, `{"decision":false,"context":{"a":[1,{}]}}`, `{"\u0064ecision":true}`, `{"decision":true}{}`, `{"x":{"decision":true},"decision":"true"}`, " {\n\"decision\" : true } ", `{"decision":true,"decision":true}`, "{\"\xff\":1,\"decision\":true}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		c := &authzen.Client{Post: func(context.Context, []byte) ([]byte, error) { return answer, nil }}
		if c.Decide(t.Context(), request(mcp.ItemTool, "x", "tools/call")).Verdict != policy.Allow {
			return
		}
		var v map[string]any
		if err := json.Unmarshal(answer, &v); err != nil || v["decision"] != true {
			t.Errorf("allowed by %q: %v", answer, err)
		}
	})
}

// Whatever is asked, it is refused as no question, or about somebody who calls through something at a server that there is.
func FuzzQuestion(f *testing.F) {
	for _, seed := range []string{
		`{"subject":{"type":"identity","id":"a"},"action":{"name":"tools/call"},"resource":{"type":"tool","id":"x","properties":{"server":"crm","arguments":{"id":1}}},"context":{"agent":"b","ip":"::ffff:192.0.2.1"}}`,
		`{"subject":{"type":"agent","id":"a","properties":{"issuer":"","groups":["g"],"scopes":["s s",""],"auth_time":9e9,"attributes":{"a":[],"b":1e400,"c":null}}},"action":{"name":"tools/list"},"resource":{"type":"mcp_server","id":"crm"}}`,
		`{"subject":{"type":"user","id":"a"},"action":{"name":"completion/complete"},"resource":{"type":"resource","id":"file:///{a}","properties":{"server":"crm"}},"context":{"agent":"b","agent":"c"}}`, `{`, `[]`, `null`,
		`{"subject":{"type":"agent","id":"a","properties":{"issuer":""}},"action":{"name":"tools/list"},"resource":{"type":"mcp_server","id":"crm"}}`,
	} {
		f.Add(seed)
	}
	h := authzen.Handler{Issuer: "https://house.example", Now: time.Now, Server: func(name string) (string, bool) { return server, name == "crm" }}
	f.Fuzz(func(t *testing.T, body string) {
		decided := false
		h.Decide = func(_ context.Context, r policy.Request) policy.Decision {
			decided = true
			if r.Server != server || r.Caller.Subject == "" || r.Caller.Client == "" || r.Operation.Method == "" || r.Caller.Issuer == "" || r.Caller.Foreign != (r.Caller.Issuer != h.Issuer) {
				t.Errorf("%+v", r)
			}
			return policy.Decision{}
		}
		_, _, err := h.Answer(httptest.NewRequest("POST", authzen.Path, strings.NewReader(body)))
		var refused *oauth.Error
		if decided == (err != nil) || err != nil && (!errors.As(err, &refused) || refused.HTTPStatus() != 400) {
			t.Errorf("decided: %t, %v", decided, err)
		}
	})
}
