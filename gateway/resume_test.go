package gateway_test

import (
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/gateway"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/seal"
	"github.com/doorward-mcp/doorward/token"
)

// heard keeps the last request that the upstream got.
type heard struct {
	*said
	last http.Header
}

func (h *heard) RoundTrip(r *http.Request) (*http.Response, error) {
	h.last = r.Header.Clone()
	return h.said.RoundTrip(r)
}

func resumed(t *testing.T) (*fixture, *heard) {
	t.Helper()
	box, err := seal.OpenKeyFile(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	h := &heard{}
	f := gated(t, func(c *gateway.Config) {
		c.Box, c.Upstream = box, func(guard.Call) http.RoundTripper { return h }
	})
	h.said = f.up
	return f, h
}

var eventID = regexp.MustCompile(`(?m)^id: ?([^\r\n]*)`)

// TR-SSE-NO-CROSS-REPLAY, TR-SSE-EVENT-ID-UNIQUE: where there are no sessions, the id of an event is its caller's alone, however the event is framed, and goes back
// to the upstream as the upstream gave it. An upstream that keeps events would send anybody's again.
func TestAnEventOfAnotherCallerIsNotSentAgain(t *testing.T) {
	f, h := resumed(t)
	alice, bob, elsewhere := f.token("alice"), f.token("bob"), f.token("alice", func(c *token.Claims) { c.Client = "another" })
	for _, revision := range []string{"2025-03-26", "2025-06-18", old} {
		for _, frame := range []string{"id: 7\ndata: {}\n\n", "data: {}\nid:7\n\n", "id: 7\r\ndata: {}\r\n\r\n", "\ufeffid: 7\rdata:\r\r", ": x\nid: 7\n\n", "id: 7\ndata: {}"} {
			f.says(200, events, frame)
			got := f.send(alice, revision, "").Body.String()
			id := eventID.FindStringSubmatch(strings.ReplaceAll(got, "\r", "\n"))
			if id == nil || id[1] == "7" || strings.Count(got, "\r") != strings.Count(frame, "\r") || strings.Contains(frame, "data: {}") != strings.Contains(got, "data: {}") {
				t.Fatalf("%q became %q", frame, got)
			}
			f.says(200, events, "data: {}\n\n")
			for who, raw := range map[string]string{"bob": bob, "another client": elsewhere} {
				h.last = nil
				if g := f.send(raw, revision, "", "Last-Event-Id", id[1]); g.Code != 400 || h.last != nil {
					t.Errorf("%s: %d %v", who, g.Code, h.last)
				}
			}
			if g := f.send(alice, revision, "", "Last-Event-Id", id[1]); g.Code != 200 || h.last.Get("Last-Event-Id") != "7" {
				t.Errorf("her own: %d %v", g.Code, h.last)
			}
		}
	}
	h.last = nil
	if g := f.send(bob, old, "", "Last-Event-Id", "7"); g.Code != 400 || h.last != nil {
		t.Errorf("one that was guessed: %d", g.Code)
	}
	f.says(200, json, `{"jsonrpc":"2.0","id":1,"result":{}}`)
	call := strings.Replace(askCall, `"params":{`, `"params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}},`, 1)
	if g := f.send(bob, "2026-07-28", call, "Last-Event-Id", "7", "Mcp-Method", "tools/call", "Mcp-Name", "add"); g.Code != 200 || h.last.Get("Last-Event-Id") != "" {
		t.Errorf("where no stream goes on: %d %v", g.Code, h.last)
	}
}

// In a session ids stay as they are, also on the stream that begins it: what is sent again is the session's.
func TestEventsOfASessionKeepTheirIDs(t *testing.T) {
	f, h := resumed(t)
	alice := f.token("alice")
	f.says(200, events, "id: 7\ndata: {}\n\n", "Mcp-Session-Id", "s")
	begun := f.send(alice, old, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}`)
	if begun.Body.String() != "id: 7\ndata: {}\n\n" {
		t.Errorf("%q", begun.Body)
	}
	if f.send(alice, old, "", "Last-Event-Id", "7", "Mcp-Session-Id", begun.Header().Get("Mcp-Session-Id")); h.last.Get("Last-Event-Id") != "7" {
		t.Errorf("%v", h.last)
	}
}

// What an upstream answers is no page at the origin at which people sign in.
func TestAnAnswerIsNoPage(t *testing.T) {
	f := gated(t, nil)
	f.says(200, "image/svg+xml", `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`)
	for name, g := range map[string]got{"an answer": f.send(f.token("alice"), old, askCall), "a refusal": f.send("x", old, askCall)} {
		if h := g.Header(); h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%s: %v", name, h)
		}
	}
}
