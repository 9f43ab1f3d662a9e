package gateway_test

import (
	"strings"
	"testing"
)

// Servers that write what JSON-RPC 1.0 did, a null beside what counts, are read and filtered as others are.
func TestAnswersWithNullBesideThem(t *testing.T) {
	f := gated(t, nil)
	raw := f.token("alice")
	for name, c := range map[string]struct{ ask, says, want string }{
		"a list":             {askList, `{"jsonrpc":"2.0","id":1,"error":null,"result":{"tools":[{"name":"hidden"},{"name":"add"}]}}`, `"result":{"tools":[{"name":"add"}]}`},
		"a refusal":          {askList, `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no lists"},"result":null}`, "no lists"},
		"a search for tools": {strings.Replace(askCall, "add", "find_tools", 1), `{"jsonrpc":"2.0","id":1,"error":null,"result":{"structuredContent":{"tools":[{"name":"hidden"},{"name":"add"}]}}}`, `{"tools":[{"name":"add"}]}`},
	} {
		for media, body := range map[string]string{json: c.says, events: "data: " + c.says + "\n\n"} {
			f.says(200, media, body)
			if g := f.send(raw, old, c.ask); g.Code != 200 || strings.Contains(g.Body.String(), "hidden") || !strings.Contains(g.Body.String(), c.want) {
				t.Errorf("%s, %s: %d %s", name, media, g.Code, g.Body)
			}
		}
	}
}

// A stream whose length was said is as long as it becomes.
func TestAStreamWithALength(t *testing.T) {
	f := gated(t, nil)
	body := "data: " + twoTools + "\n\n"
	f.says(200, events, body, "Content-Length", "98")
	if g := f.send(f.token("alice"), old, askList); g.Header().Get("Content-Length") != "" || g.Body.String() != "data: "+oneTool+"\n\n" {
		t.Errorf("%v %s", g.Header(), g.Body)
	}
}

// A search for tools whose result would come as that of a task, where nobody knows what it lists, is not passed on.
func TestASearchThatBecomesATask(t *testing.T) {
	f := gated(t, nil)
	for _, result := range []string{`{"resultType":"task","taskId":"t","status":"working"}`, `{"task":{"taskId":"t","status":"working"}}`} {
		for media, body := range map[string]string{json: result, events: result} {
			if body = `{"jsonrpc":"2.0","id":1,"result":` + body + `}`; media == events {
				body = "data: " + body + "\n\n"
			}
			f.says(200, media, body)
			if g := f.send(f.token("alice"), old, strings.Replace(askCall, "add", "find_tools", 1)); strings.Contains(g.Body.String(), "taskId") || !strings.Contains(g.Body.String(), "upstream.list") {
				t.Errorf("%s: %d %s", media, g.Code, g.Body)
			}
		}
	}
}
