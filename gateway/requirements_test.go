package gateway_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/gateway"
	"github.com/doorward-mcp/doorward/seal"
)

const modern = "2026-07-28"

// asking is a request of 2026-07-28 with its headers.
func asking(method, params string) (body string, header []string) {
	if params != "" {
		params += ","
	}
	return `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":{` + params + `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`, []string{"Mcp-Method", method}
}

// What the server behind has to answer is for it to say, and reaches the client as it said it, status and bytes.
func TestWhatTheServerAnswersIsPassedOn(t *testing.T) {
	f := gated(t, nil)
	raw := f.token("alice")
	fail := func(code int) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"error":{"code":%d,"message":"m","data":{"requiredCapabilities":{"sampling":{}}}}}`, code)
	}
	for _, c := range []struct {
		name, method, params string
		status               int
		media, said          string
	}{
		{"TR-DISCOVER", "server/discover", "", 200, json, `{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28"],"capabilities":{}}}`},
		{"TR-CAP-MISSING-400", "ping", "", 400, json, fail(-32021)},
		{"TR-EXT-FALLBACK", "vendor/extension", "", 404, json, fail(-32601)},
		{"TR-XHDR-MATCH", "ping", "", 400, json, fail(-32020)},
		{"TR-XHDR-MISSING-REJECT, TR-HDR-INTEGER", "ping", "", 400, json, fail(-32020)},
		{"TR-MRTR-STATE-UNTRUSTED, TR-MRTR-SINGLE-USE", "ping", `"requestState":"altered"`, 400, json, fail(-32602)},
		{"TR-RESPONSE-TYPES, as JSON", "ping", "", 200, json, `{"jsonrpc":"2.0","id":1,"result":{}}`},
		{"TR-RESPONSE-TYPES, as a stream", "ping", "", 200, events, "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n"},
		{"TR-SUB-ACK, TR-SUB-ID, TR-SUB-FILTER, TR-SUB-TEARDOWN", "subscriptions/listen", `"notifications":{"toolsListChanged":true}`, 200, events,
			"data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":1}}}\n\n" +
				"data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\",\"params\":{\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":1}}}\n\n" +
				"data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.says(c.status, c.media, c.said)
			body, header := asking(c.method, c.params)
			if g := f.send(raw, modern, body, header...); g.Code != c.status || g.Body.String() != c.said || g.Header().Get("Content-Type") != c.media {
				t.Errorf("%d %v %s", g.Code, g.Header(), g.Body)
			}
		})
	}
}

// TR-MRTR-ECHO, TR-MRTR-STATE-BIND, TR-CLIENTINFO-UNTRUSTED: what a client sends besides is no part of a decision, and goes on as it is.
func TestWhatAClientSaysOfItselfDecidesNothing(t *testing.T) {
	f, h := resumed(t)
	f.says(200, json, `{"jsonrpc":"2.0","id":1,"result":{}}`)
	for _, name := range []string{"admin", "doorward", "x"} {
		body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hidden","requestState":"s\u00e9","_meta":{"clientInfo":{"name":"` + name + `","groups":["admin"]}}}}`
		if g := f.send(f.token("alice"), old, body); g.Code != 403 || h.last != nil {
			t.Errorf("%s: %d", name, g.Code)
		}
	}
}

// TR-ENDPOINT, TR-NO-RESUME: one address with POST, GET and DELETE up to 2025-11-25, and POST alone, without going on after a break, from then on.
func TestTheEndpoint(t *testing.T) {
	f, h := resumed(t)
	raw := f.token("alice")
	f.says(200, events, ": open\n\n")
	if g := f.send(raw, old, ""); g.Code != 200 {
		t.Errorf("GET of %s: %d", old, g.Code)
	}
	h.last = nil
	if g := f.send(raw, modern, ""); g.Code != 405 || h.last != nil {
		t.Errorf("GET of %s: %d", modern, g.Code)
	}
	f.says(202, "", "")
	if g := f.send(raw, old, `{"jsonrpc":"2.0","method":"notifications/initialized"}`); g.Code != 202 || g.Body.Len() != 0 {
		t.Errorf("a notification: %d %q", g.Code, g.Body)
	}
	f.says(200, json, `{"jsonrpc":"2.0","id":1,"result":{}}`)
	body, header := asking("ping", "")
	if g := f.send(raw, modern, body, append(header, "Last-Event-Id", "7")...); g.Code != 200 || h.last.Get("Last-Event-Id") != "" {
		t.Errorf("going on after a break: %d %v", g.Code, h.last)
	}
}

// TR-SSE-NOBUFFER, TR-SSE-SINGLE-STREAM: proxies are told to hold nothing back, and what comes on a stream goes to whoever opened that one.
func TestAStreamIsPassedOn(t *testing.T) {
	f := gated(t, nil)
	for _, who := range []string{"alice", "bob"} {
		f.says(200, events, "data: \"for "+who+"\"\n\n")
		if g := f.send(f.token(who), old, ""); g.Header().Get("X-Accel-Buffering") != "no" || g.Body.String() != "data: \"for "+who+"\"\n\n" {
			t.Errorf("%v %q", g.Header(), g.Body)
		}
	}
}

// TR-SID-ASSIGN, TR-SID-SECURE, RS-SID-RANDOM, RS-SID-CSPRNG, RS-HANDLE-RANDOM, TR-SID-REQUIRED-400, TR-SID-TERMINATED-404: an upstream
// that counts its sessions gives clients ids that nobody guesses; what it says of one that is missing or over reaches them.
func TestSessionIDsAreRandom(t *testing.T) {
	f, h := resumed(t)
	seen := map[string]bool{}
	for range 50 {
		f.says(200, json, `{"jsonrpc":"2.0","id":1,"result":{}}`, "Mcp-Session-Id", "1")
		id := f.send(f.token("alice"), old, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}`).Header().Get("Mcp-Session-Id")
		if seen[id] || len(id) < 40 {
			t.Fatalf("session %q", id)
		}
		seen[id] = true
		f.says(404, json, `{"jsonrpc":"2.0","id":1,"error":{"code":-32001,"message":"over"}}`)
		if g := f.send(f.token("alice"), old, askCall, "Mcp-Session-Id", id); g.Code != 404 || h.last.Get("Mcp-Session-Id") != "1" {
			t.Errorf("one that is over: %d %v", g.Code, h.last)
		}
	}
	f.says(400, json, `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"no session"}}`)
	if g := f.send(f.token("alice"), old, askCall); g.Code != 400 {
		t.Errorf("without one: %d", g.Code)
	}
}

// TASK-NO-CONTEXT, GEN-AUTH-OPTIONAL: a server that is open serves everybody, and lists nobody's tasks, for nobody knows whose they are.
func TestAnOpenServerListsNoTasks(t *testing.T) {
	box, err := seal.OpenKeyFile(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	f := gated(t, func(c *gateway.Config) { c.Box, c.InsecureOpen, c.Issuers = box, true, nil })
	f.says(200, json, `{"jsonrpc":"2.0","id":1,"result":{"task":{"taskId":"t","status":"working"}}}`)
	if g := f.send("", old, askCall); g.Code != http.StatusOK {
		t.Fatalf("%d %s", g.Code, g.Body)
	}
	f.says(200, json, `{"jsonrpc":"2.0","id":1,"result":{"tasks":[{"taskId":"t"}]}}`)
	if g := f.send("", old, strings.Replace(askList, "tools", "tasks", 1)); !strings.Contains(g.Body.String(), `"tasks":[]`) {
		t.Errorf("%s", g.Body)
	}
}
