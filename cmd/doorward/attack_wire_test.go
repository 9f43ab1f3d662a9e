package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/token"
)

// GW-VALIDATION-STATUS, TR-HDR-VALIDATE: in 2026-07-28 headers say again what the body says; those that do not are answered 400 and
// -32020, in whichever way they disagree, and nothing of them goes on.
func TestAttackWithHeadersThatDisagree(t *testing.T) {
	up := upstreamOf(t, nil)
	s := protect(t, up.URL)
	_, good := s.connect()
	const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`
	body := func(method, params string) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{%s%s}}`, method, params, meta)
	}
	call := body("tools/call", `"name":"whoami",`)
	b64 := func(text string) string { return "=?base64?" + base64.StdEncoding.EncodeToString([]byte(text)) + "?=" }
	send := func(body string, header http.Header) answer {
		r := request(t, "POST", s.ready.Resource, body)
		r.Header = header.Clone()
		r.Header.Set("Authorization", "Bearer "+good.Access)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json, text/event-stream")
		return do(t, http.DefaultClient, r)
	}
	agrees := func(method, name string) http.Header {
		h := http.Header{"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {method}}
		if name != "" {
			h["Mcp-Name"] = []string{name}
		}
		return h
	}
	for _, c := range []struct {
		name, body string
		method     []string
		names      []string
		version    []string
	}{
		{"another method", call, []string{"tools/list"}, []string{"whoami"}, nil},
		{"a method of another case", call, []string{"Tools/Call"}, []string{"whoami"}, nil},
		{"no method", call, nil, []string{"whoami"}, nil},
		{"an empty method", call, []string{""}, []string{"whoami"}, nil},
		{"two methods", call, []string{"tools/call", "tools/list"}, []string{"whoami"}, nil},
		{"two methods on one line", call, []string{"tools/call, tools/list"}, []string{"whoami"}, nil},
		{"an encoded method", call, []string{b64("tools/call")}, []string{"whoami"}, nil},
		{"another tool", call, []string{"tools/call"}, []string{"delete"}, nil},
		{"a tool of another case", call, []string{"tools/call"}, []string{"Whoami"}, nil},
		{"no tool", call, []string{"tools/call"}, nil, nil},
		{"an empty tool", call, []string{"tools/call"}, []string{""}, nil},
		{"two tools", call, []string{"tools/call"}, []string{"whoami", "delete"}, nil},
		{"two tools on one line", call, []string{"tools/call"}, []string{"whoami,delete"}, nil},
		{"another tool, encoded", call, []string{"tools/call"}, []string{b64("delete")}, nil},
		{"an encoded tool with more behind it", call, []string{"tools/call"}, []string{b64("whoami") + "x"}, nil},
		{"a tool that is encoded twice", call, []string{"tools/call"}, []string{b64(b64("whoami"))}, nil},
		{"a tool that is badly encoded", call, []string{"tools/call"}, []string{"=?base64?d2hvYW1p=?="}, nil},
		{"a tool encoded in another case", call, []string{"tools/call"}, []string{"=?BASE64?d2hvYW1p?="}, nil},
		{"a tool of bytes that are no text", call, []string{"tools/call"}, []string{b64("who\xffami")}, nil},
		{"the text of an encoding", body("tools/call", `"name":"=?base64?d2hvYW1p?=",`), []string{"tools/call"}, []string{"=?base64?d2hvYW1p?="}, nil},
		{"another address", body("resources/read", `"uri":"file:///a",`), []string{"resources/read"}, []string{"file:///b"}, nil},
		{"no address", body("resources/read", `"uri":"file:///a",`), []string{"resources/read"}, nil, nil},
		{"another prompt", body("prompts/get", `"name":"a",`), []string{"prompts/get"}, []string{"b"}, nil},
		{"another task", body("tasks/get", `"taskId":"a",`), []string{"tasks/get"}, []string{"b"}, nil},
		{"another revision in the body", strings.Replace(call, "2026-07-28", "2025-11-25", 1), []string{"tools/call"}, []string{"whoami"}, nil},
		{"another revision in the header", call, []string{"tools/call"}, []string{"whoami"}, []string{"2025-11-25"}},
		{"no revision in the header", call, []string{"tools/call"}, []string{"whoami"}, []string{}},
	} {
		as(t, s, c.name, func(t *testing.T) {
			h := http.Header{"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": c.method, "Mcp-Name": c.names}
			if c.version != nil {
				h["Mcp-Protocol-Version"] = c.version
			}
			a := send(c.body, h)
			if a.StatusCode != 400 || !strings.Contains(a.body, `"code":-32020`) || !strings.Contains(a.body, `"id":1`) || len(up.calls()) != 0 {
				t.Errorf("%s %s; %d reached", a.Status, a.body, len(up.calls()))
			}
		})
	}
	for name, h := range map[string]http.Header{"whoami": agrees("tools/call", "whoami"), "encoded": agrees("tools/call", b64("whoami")), "twice the same": {"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {"tools/call", "tools/call"}, "Mcp-Name": {"whoami"}}} {
		if a := send(call, h); a.StatusCode != 200 {
			t.Errorf("what agrees, %s: %s %s", name, a.Status, a.body)
		}
	}
	notice := `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`
	if a := send(notice, http.Header{"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {"tools/call"}}); a.StatusCode != 400 || !strings.Contains(a.body, "-32020") {
		t.Errorf("a notification with the method of a call: %s %s", a.Status, a.body)
	}
}

// talk writes bytes to the address of the server and reads what comes back, until nothing more does.
func (s *server) talk(t testing.TB, text string) (statuses []int) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.ready.Issuer, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(3 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		return nil
	}
	for r := bufio.NewReader(c); ; {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			return statuses
		}
		statuses = append(statuses, res.StatusCode)
		_, _ = io.Copy(io.Discard, res.Body)
		_ = c.SetDeadline(time.Now().Add(300 * time.Millisecond)) // an end of ours would be taken for that of a call
	}
}

// Request smuggling: what doorward takes for one request is one request at the upstream, with the body that was judged; what two readers
// of HTTP could cut in different places is refused, or cut as the standard says, and what is behind the cut has no token.
func TestAttackBySmuggling(t *testing.T) {
	up := upstreamOf(t, nil)
	s := protect(t, up.URL)
	_, good := s.connect()
	whole := callBody("whoami", "{}")
	host := strings.TrimPrefix(s.ready.Issuer, "http://")
	hidden := callBody("smuggled", "{}")
	behind := fmt.Sprintf("POST /mcp HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nMcp-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: smuggled\r\nContent-Length: %d\r\n\r\n%s", host, len(hidden), hidden)
	head := func(line string, fields ...string) string {
		return line + "\r\nHost: " + host + "\r\nAuthorization: Bearer " + good.Access + "\r\nContent-Type: application/json\r\nMcp-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: whoami\r\n" + strings.Join(fields, "\r\n") + "\r\n\r\n"
	}
	post := "POST /mcp HTTP/1.1"
	length := func(n int) string { return fmt.Sprintf("Content-Length: %d", n) }
	chunk := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(whole), whole)
	for _, c := range []struct {
		name, text string
		takes      bool // the first request may be taken
	}{
		{"a length and chunks", head(post, length(len(chunk)+len(behind)), "Transfer-Encoding: chunked") + chunk + behind, true},
		{"chunks and a length", head(post, "Transfer-Encoding: chunked", length(4)) + chunk + behind, true},
		{"a short length", head(post, length(len(whole))) + whole + behind, true},
		{"a length that takes it in", head(post, length(len(whole)+len(behind))) + whole + behind, false},
		{"two lengths", head(post, length(len(whole)), length(len(whole)+len(behind))) + whole + behind, false},
		{"two lengths on one line", head(post, fmt.Sprintf("Content-Length: %d, %d", len(whole), len(whole)+len(behind))) + whole + behind, false},
		{"a length with a sign", head(post, fmt.Sprintf("Content-Length: +%d", len(whole))) + whole + behind, false},
		{"a negative length", head(post, "Content-Length: -1") + whole + behind, false},
		{"a length in hex", head(post, fmt.Sprintf("Content-Length: 0x%x", len(whole))) + whole + behind, false},
		{"a length before a space", head(post, fmt.Sprintf("Content-Length : %d", len(whole))) + whole + behind, false},
		{"a folded length", head(post, "X: y", " Content-Length: 5", length(len(whole))) + whole + behind, true},
		{"an unknown coding", head(post, "Transfer-Encoding: xchunked") + chunk + behind, false},
		{"two codings", head(post, "Transfer-Encoding: chunked, identity") + chunk + behind, false},
		{"a coding twice", head(post, "Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + chunk + behind, false},
		{"a coding behind a tab", head(post, "Transfer-Encoding:\x0bchunked") + chunk + behind, false},
		{"a coding in another line end", head(post, "X: y\nTransfer-Encoding: chunked") + chunk + behind, true},
		{"a coding of HTTP/1.0", head("POST /mcp HTTP/1.0", "Transfer-Encoding: chunked") + chunk + behind, false},
		{"a chunk whose size is too large", head(post, "Transfer-Encoding: chunked") + "fffffffffffffffff\r\n" + whole + "\r\n0\r\n\r\n" + behind, false},
		{"a chunk whose size is negative", head(post, "Transfer-Encoding: chunked") + "-1\r\n" + whole + "\r\n0\r\n\r\n" + behind, false},
		{"a chunk with an extension of lines", head(post, "Transfer-Encoding: chunked") + fmt.Sprintf("%x;a\n%s\r\n0\r\n\r\n", len(whole), whole) + behind, true},
		{"a chunk that is longer than it says", head(post, "Transfer-Encoding: chunked") + fmt.Sprintf("%x\r\n%sxx\r\n0\r\n\r\n", len(whole), whole) + behind, false},
		{"headers in trailers", head(post, "Transfer-Encoding: chunked", "Trailer: Authorization, Mcp-Name") + fmt.Sprintf("%x\r\n%s\r\n0\r\nMcp-Name: smuggled\r\nAuthorization: Bearer x\r\n\r\n", len(whole), whole) + behind, true},
		{"a header with a line end in it", head(post, "X: y\rContent-Length: 3", length(len(whole))) + whole + behind, false},
		{"a header with a zero byte", head(post, "X: y\x00", length(len(whole))) + whole + behind, false},
		{"a header without name", head(post, ": y", length(len(whole))) + whole + behind, false},
		{"two hosts", head(post, "Host: evil.example", length(len(whole))) + whole + behind, false},
		{"another host in the address", head("POST http://evil.example/mcp HTTP/1.1", length(len(whole))) + whole + behind, false},
		{"an upgrade", head(post, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", length(len(whole))) + whole + behind, true},
		{"a header that hop by hop takes away", head(post, "Connection: Mcp-Name, Authorization", length(len(whole))) + whole + behind, true},
		{"GET with a body", head("GET /mcp HTTP/1.1", length(len(behind))) + behind, false},
	} {
		as(t, s, c.name, func(t *testing.T) {
			before := len(up.calls())
			statuses := s.talk(t, c.text)
			seen := up.calls()[before:]
			if len(seen) > 1 || len(seen) == 1 && !c.takes {
				t.Errorf("%d reached the upstream; answered %v", len(seen), statuses)
			}
			for _, r := range seen {
				if r.Body != whole || r.Header.Get("Mcp-Name") != "whoami" || r.Header.Get("Transfer-Encoding") != "" || strings.Contains(fmt.Sprint(r.Header), "smuggled") {
					t.Errorf("the upstream got %q %v", r.Body, r.Header)
				}
			}
			if len(statuses) > 0 && (statuses[0] == 200) != (len(seen) == 1) || slices.Contains(statuses[min(1, len(statuses)):], 200) {
				t.Errorf("answered %v", statuses)
			}
		})
	}
}

// MCP, Security Best Practices, Session Hijacking: a session, its streams and its end are of the person and client who began it.
func TestAttackOnSessionsAndStreams(t *testing.T) {
	up := answering(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Mcp-Session-Id", "upstreams-own")
		if r.Method == "GET" {
			w.Header().Set("Content-Type", "text/event-stream")
			flushed(w, "id: 1\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"data\":\"alices\"}}\n\n")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{}}`)
	})
	s := protect(t, up.URL)
	f := newForger(t, s)
	person := func(name, client string) string {
		return f.minted(time.Now(), func(c *token.Claims) { c.Subject, c.Client = name, client })
	}
	alice := person("alice", "c")
	begin := `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`
	id := do(t, http.DefaultClient, s.bearing(t, alice, "POST", begin, "2025-11-25")).Header.Get("Mcp-Session-Id")
	if id == "" || strings.Contains(id, "upstreams") {
		t.Fatalf("session %q", id)
	}
	torn := func(change func([]byte)) string {
		b, err := base64.RawURLEncoding.DecodeString(id)
		if err != nil {
			t.Fatal(err)
		}
		change(b)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	before := len(up.calls())
	for who, raw := range map[string]string{"another person": person("bob", "c"), "another client": person("alice", "d"), "a person whose name holds the client": person("alice\",\"c", "c")} {
		for _, revision := range sessionRevisions {
			for method, body := range map[string]string{"POST": `{"jsonrpc":"2.0","id":1,"method":"ping"}`, "GET": "", "DELETE": ""} {
				a := do(t, http.DefaultClient, s.bearing(t, raw, method, body, revision, "Mcp-Session-Id", id, "Last-Event-Id", "1"))
				if a.StatusCode != http.StatusNotFound || strings.Contains(a.body, "alices") {
					t.Errorf("%s, %s of %s: %s %s", who, method, revision, a.Status, a.body)
				}
			}
		}
	}
	for what, id := range map[string]string{"the upstream's own": "upstreams-own", "a byte changed": torn(func(b []byte) { b[len(b)-1] ^= 1 }), "the first byte changed": torn(func(b []byte) { b[0] ^= 1 }), "cut": id[:len(id)-4], "longer": id + "AAAA", "long": strings.Repeat("A", 4000)} {
		if a := do(t, http.DefaultClient, s.bearing(t, alice, "GET", "", "2025-11-25", "Mcp-Session-Id", id)); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", what, a.Status)
		}
	}
	if len(up.calls()) != before {
		t.Errorf("%d reached the upstream", len(up.calls())-before)
	}
	if a := do(t, http.DefaultClient, s.bearing(t, person("alice", "c"), "GET", "", "2025-11-25", "Mcp-Session-Id", id)); a.StatusCode != 200 || !strings.Contains(a.body, "alices") {
		t.Errorf("her own, with a new token: %s %s", a.Status, a.body)
	}
}
