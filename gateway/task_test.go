package gateway_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/token"
)

// The task of a token narrows what is shown, as it narrows what can be called.
func TestATaskNarrowsLists(t *testing.T) {
	f := gated(t, nil)
	raw := f.token("alice", func(c *token.Claims) { c.Task = &token.Task{ID: "t", Words: "add up", Tools: []string{"add"}} })
	f.says(200, json, `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"add"},{"name":"subtract"},{"name":"hidden"}]}}`)
	if g := f.send(raw, old, askList); g.Body.String() != oneTool {
		t.Errorf("%s", g.Body)
	}
	f.says(200, json, `{"jsonrpc":"2.0","id":1,"result":{"prompts":[{"name":"add"}]}}`)
	if g := f.send(raw, old, strings.Replace(askList, "tools", "prompts", 1)); !strings.Contains(g.Body.String(), `"prompts":[]`) {
		t.Errorf("%s", g.Body)
	}
}

// TASK-BIND, TASK-AUTH-EACH, RS-HANDLE-BIND, RS-HANDLE-NOT-AUTH: a task is of the person and client for whom it was made, in every revision that has tasks.
func TestATaskIsOfWhoMadeIt(t *testing.T) {
	f := gated(t, nil)
	alice, bob := f.token("alice"), f.token("bob")
	elsewhere := f.token("alice", func(c *token.Claims) { c.Client = "another" })
	ask := func(method, id string) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{"taskId":%q}}`, method, id)
	}
	for id, result := range map[string]string{"a": `{"task":{"status":"working","taskId":"a"}}`, "b": `{"taskId":"b","resultType":"task","status":"working"}`} {
		for _, media := range []string{json, events} {
			id := id + media[:4]
			body := strings.ReplaceAll(`{"jsonrpc":"2.0","id":1,"result":`+result+`}`, `"taskId":"`+id[:1], `"taskId":"`+id)
			if media == events {
				body = "data: " + body + "\n\n"
			}
			f.says(200, media, body)
			if g := f.send(alice, old, askCall); g.Code != 200 {
				t.Fatal(g.Body)
			}
			f.says(200, json, `{"jsonrpc":"2.0","id":1,"result":{"taskId":"`+id+`","status":"working"}}`)
			for _, method := range []string{"tasks/get", "tasks/result", "tasks/cancel", "tasks/update"} {
				for who, raw := range map[string]string{"alice": alice, "bob": bob, "another client of hers": elsewhere} {
					if g := f.send(raw, old, ask(method, id)); (g.Code == 200) != (who == "alice") || who != "alice" && (g.Code != 403 || !strings.Contains(g.Body.String(), "no such task")) {
						t.Errorf("%s of %s by %s: %d %s", method, id, who, g.Code, g.Body)
					}
				}
			}
			f.says(200, json, `{"jsonrpc":"2.0","id":1,"result":{"tasks":[{"taskId":"`+id+`"},{"taskId":"nobodys"}]}}`)
			for who, raw := range map[string]string{"alice": alice, "bob": bob} {
				g := f.send(raw, old, strings.Replace(askList, "tools", "tasks", 1))
				if g.Code != 200 || strings.Contains(g.Body.String(), id) != (who == "alice") || strings.Contains(g.Body.String(), "nobodys") {
					t.Errorf("the list of %s: %d %s", who, g.Code, g.Body)
				}
			}
		}
	}
	f.says(200, json, `{"jsonrpc":"2.0","id":1,"result":{"resultType":"task","taskId":"a`+json[:4]+`","tasks":[]}}`)
	if f.send(bob, old, strings.Replace(askList, "tools", "tasks", 1)); f.send(bob, old, ask("tasks/get", "a"+json[:4])).Code != 403 {
		t.Error("a list made a task somebody's")
	}
	if g := f.send(alice, old, ask("tasks/get", "unknown")); g.Code != 403 {
		t.Errorf("a task that nobody knows: %d", g.Code)
	}
}
