package main

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// guarded is a doorward before up, at which what is called secret needs the scope admin, and two people: bob has it, alice has not.
func guarded(t *testing.T, up string) (s *server, alice, bob string) {
	t.Helper()
	s = protectFile(t, strings.Replace(plainFile, "    demo: true\n", `    url: `+up+`
    tool_search: [find_tools]
    scopes:
      - {name: mcp, sentence: Use it}
      - {name: admin, sentence: Use all of it}
    initial: [mcp]
    needs:
      - scopes: [admin]
        tools: [secret*]
        prompts: [secret*]
        resources: ["secret*"]
`, 1))
	f := newForger(t, s)
	person := func(name, scope string) string {
		return f.minted(time.Now(), func(c *token.Claims) { c.Subject, c.Scopes = name, oauth.NewScopes("mcp", scope) })
	}
	return s, person("alice", "mcp"), person("bob", "admin")
}

// listOf is a request for a list in a revision.
func (s *server) listOf(t testing.TB, raw, revision, method, params string) *http.Request {
	t.Helper()
	if revision == "2026-07-28" {
		params = strings.TrimSuffix(params, "}") + `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}`
	}
	return s.bearing(t, raw, "POST", fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, params), revision, "Mcp-Method", method)
}

// TR-LIST-BY-AUTH: nobody sees in a list what he may not use, in any revision and whatever the list comes in; and who may, sees it.
func TestAttackOnLists(t *testing.T) {
	lists := map[string]string{"tools/list": `"tools":[{"name":"secret","n":1},{"name":"sum"}]`, "prompts/list": `"prompts":[{"name":"secret"},{"name":"sum"}]`,
		"resources/list": `"resources":[{"uri":"secret://a"},{"uri":"file://sum"}]`, "resources/templates/list": `"resourceTemplates":[{"uriTemplate":"secret://{a}"},{"uriTemplate":"file://sum{b}"}]`}
	said := ""
	up := answering(t, func(w http.ResponseWriter, r *http.Request) {
		body := `{"jsonrpc":"2.0","id":1,"result":{"cacheScope":"public","ttlMs":60000,` + said + `,"nextCursor":"2"}}`
		switch r.Header.Get("Accept-Language") { // how the test tells what to do
		case "events":
			w.Header().Set("Content-Type", "text/event-stream")
			for _, c := range []byte("id: 1\r\ndata: " + body + "\r\n\r\n") {
				flushed(w, string(c))
			}
		case "gzip":
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, body)
			_ = z.Close()
		case "br":
			w.Header().Set("Content-Encoding", "br")
			fallthrough
		default:
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "public, max-age=600")
			_, _ = io.WriteString(w, body)
		}
	})
	s, alice, bob := guarded(t, up.URL)
	for _, revision := range append(sessionRevisions, "2026-07-28") {
		for method, items := range lists {
			for _, how := range []string{"JSON", "events", "gzip"} {
				as(t, s, revision+" "+method+" "+how, func(t *testing.T) {
					said = items
					ask := func(raw string) answer {
						r := s.listOf(t, raw, revision, method, "{}")
						r.Header.Set("Accept-Language", how)
						return do(t, http.DefaultClient, r)
					}
					all, less := ask(bob), ask(alice)
					if !strings.Contains(all.body, "secret") || !strings.Contains(all.body, "sum") {
						t.Errorf("who may use it does not see it: %s %s", all.Status, all.body)
					}
					if strings.Contains(less.body, "secret") || !strings.Contains(less.body, "sum") || !strings.Contains(less.body, `"nextCursor":"2"`) {
						t.Errorf("who may not use it: %s %s", less.Status, less.body)
					}
					for _, a := range []answer{all, less} {
						if strings.Contains(a.body, "public") || !strings.Contains(a.body, `"cacheScope":"private"`) || strings.Contains(a.Header.Get("Cache-Control"), "public") {
							t.Errorf("others may be given it: %v %s", a.Header, a.body)
						}
					}
				})
			}
		}
	}
	as(t, s, "packed in another way", func(t *testing.T) {
		r := s.listOf(t, alice, "2025-11-25", "tools/list", "{}")
		r.Header.Set("Accept-Language", "br")
		if a := do(t, http.DefaultClient, r); a.StatusCode != 502 || strings.Contains(a.body, "secret") || !strings.Contains(a.body, `"upstream.list"`) {
			t.Errorf("%s %s", a.Status, a.body)
		}
	})
	as(t, s, "the call itself", func(t *testing.T) { // TR-CACHE-NOT-ACL: a list is no access control
		if a := s.call(alice, "secret", "{}"); a.StatusCode != http.StatusForbidden {
			t.Errorf("%s %s", a.Status, a.body)
		}
	})
}

// A client that has an answer sent where nobody remembers the question gets no more.
func TestAttackOnListsByAnotherWay(t *testing.T) {
	const list = `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"secret"},{"name":"sum"}]}}`
	said, media := "", ""
	up := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		_, _ = io.WriteString(w, said)
	})
	s, alice, _ := guarded(t, up.URL)
	call := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"sum"}}`
	stream := func() *http.Request { return s.bearing(t, alice, "GET", "", "2025-11-25") }
	post := func(body, revision string) func() *http.Request {
		return func() *http.Request { return s.bearing(t, alice, "POST", body, revision) }
	}
	for _, c := range []struct {
		name, media, said string
		ask               func() *http.Request
		sees              bool // the rest of the list
	}{
		{"a stream that is opened again", "text/event-stream", "id: 1\ndata: " + list + "\n\n", stream, true},
		{"a stream of another type", "text/event-stream;;", "data: " + list + "\n\n", stream, true},
		{"a stream of no type", "text/plain", "data: " + list + "\n\n", stream, false},
		{"an event without end", "text/event-stream", "data: " + list, stream, true},
		{"a call with the id of a list", "text/event-stream", "data: " + list + "\n\n", post(call, "2025-11-25"), true},
		{"a call with the id of a list, in JSON", "application/json", list, post(call, "2025-11-25"), false},
		{"a call with the id of a long list", "application/json", strings.Replace(list, `"tools"`, `"a":"`+strings.Repeat("x", 1<<20)+`","tools"`, 1), post(call, "2025-11-25"), false},
		{"after the answer", "text/event-stream", "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\ndata: " + list + "\n\n", post(call, "2025-11-25"), true},
		{"a batch", "application/json", "[" + list + `,{"jsonrpc":"2.0","id":2,"result":{}}]`, post(`[{"jsonrpc":"2.0","id":1,"method":"tools/list"},{"jsonrpc":"2.0","id":2,"method":"ping"}]`, "2025-03-26"), true},
		{"a batch in an event", "text/event-stream", "data: [" + list + "]\n\n", stream, true},
		{"a method that is escaped", "application/json", list, post(`{"jsonrpc":"2.0","id":1,"method":"tools\u002flist"}`, "2025-11-25"), true},
		{"a method of another case", "application/json", list, post(`{"jsonrpc":"2.0","id":1,"method":"Tools/List"}`, "2025-11-25"), false},
		{"an id that is escaped", "application/json", list, post(`{"jsonrpc":"2.0","id":"\u0031","method":"tools/list"}`, "2025-11-25"), true},
		{"tools twice", "application/json", strings.Replace(list, `"tools"`, `"tools":[],"tools"`, 1), post(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, "2025-11-25"), false},
		{"tools of another case", "text/event-stream", "data: " + strings.Replace(list, `"tools"`, `"Tools"`, 1) + "\n\n", stream, false},
		{"a search", "application/json", `{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"{\"tools\":[\"secret\",\"sum\"]}"}]}}`, post(strings.Replace(call, `"sum"`, `"find_tools"`, 1), "2025-11-25"), true},
		{"a search in words", "application/json", `{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"there is secret"}]}}`, post(strings.Replace(call, `"sum"`, `"find_tools"`, 1), "2025-11-25"), false},
	} {
		as(t, s, c.name, func(t *testing.T) {
			said, media = c.said, c.media
			res, err := http.DefaultClient.Do(c.ask())
			if err != nil { // broken off before anything was said
				if c.sees {
					t.Error(err)
				}
				return
			}
			defer func() { _ = res.Body.Close() }()
			b, _ := io.ReadAll(res.Body)
			if text := string(b); strings.Contains(text, "secret") || strings.Contains(text, "sum") != c.sees {
				t.Errorf("%s %.500s", res.Status, text)
			}
		})
	}
}

// TR-CACHE-PRIVATE: no answer to one caller is given to another, however alike they ask.
func TestAttackByCacheCrossing(t *testing.T) {
	asked := 0
	up := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "public, max-age=600, s-maxage=600")
		w.Header().Set("Etag", `"1"`)
		_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"secret"},{"name":"sum"}],"asked":%d,"cacheScope":"public","ttlMs":600000}}`, asked)
	})
	s, alice, bob := guarded(t, up.URL)
	for round := range 3 {
		for i, raw := range []string{bob, alice, alice, bob} {
			a := do(t, http.DefaultClient, s.listOf(t, raw, "2026-07-28", "tools/list", "{}"))
			if strings.Contains(a.body, "secret") != (raw == bob) || !strings.Contains(a.body, fmt.Sprintf(`"asked":%d`, round*4+i+1)) || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Etag") != "" {
				t.Errorf("%v %s", a.Header, a.body)
			}
		}
	}
}

// TASK-BIND, TASK-AUTH-EACH: a task of one person is nobody else's, and nobody's after a restart.
func TestAttackOnTasksOfOthers(t *testing.T) {
	up := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{"resultType":"task","taskId":"t1","status":"working","tasks":[{"taskId":"t1"},{"taskId":"t2"}]}}`)
	})
	s, alice, bob := guarded(t, up.URL)
	ask := func(raw, method string) answer {
		return do(t, http.DefaultClient, s.bearing(t, raw, "POST", `{"jsonrpc":"2.0","id":1,"method":"`+method+`","params":{"taskId":"t1","name":"sum"}}`, "2025-11-25"))
	}
	made := s.listOf(t, alice, "2026-07-28", "tools/call", `{"name":"sum",}`)
	made.Header.Set("Mcp-Name", "sum")
	if a := do(t, http.DefaultClient, made); a.StatusCode != 200 {
		t.Fatalf("%s %s", a.Status, a.body)
	}
	for _, method := range []string{"tasks/get", "tasks/result", "tasks/update", "tasks/cancel"} {
		before := len(up.calls())
		if a := ask(bob, method); a.StatusCode != 403 || !strings.Contains(a.body, "no such task") || len(up.calls()) != before {
			t.Errorf("%s by another: %s %s", method, a.Status, a.body)
		}
	}
	if a := ask(bob, "tasks/list"); strings.Contains(a.body, `[{"taskId"`) {
		t.Errorf("the list of another: %s", a.body)
	}
	if a := ask(alice, "tasks/list"); !strings.Contains(a.body, `[{"taskId":"t1"}]`) {
		t.Errorf("her own list: %s", a.body)
	}
	s.restart()
	if a := ask(alice, "tasks/get"); a.StatusCode != 403 {
		t.Errorf("after a restart: %s %s", a.Status, a.body)
	}
}
