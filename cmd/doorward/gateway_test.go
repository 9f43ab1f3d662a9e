package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

var sessionRevisions = []string{"2025-03-26", "2025-06-18", "2025-11-25"}

// answering starts an upstream whose answer is for calls alone: what asks without a caller, as protect does at its start, is
// told that there is no stream.
func answering(t testing.TB, answer http.HandlerFunc) *recorder {
	t.Helper()
	return upstreamOf(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Doorward-Caller") == "" {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		answer(w, r)
	})
}

// calls are what came with a caller.
func (u *recorder) calls() []received {
	return slices.DeleteFunc(u.all(), func(r received) bool { return r.Header.Get("Doorward-Caller") == "" })
}

func (u *recorder) last(t testing.TB) received {
	t.Helper()
	all := u.calls()
	if len(all) == 0 {
		t.Fatal("no call has reached the upstream")
	}
	return all[len(all)-1]
}

// bearing is a request of a session revision.
func (s *server) bearing(t testing.TB, token, method, body, revision string, header ...string) *http.Request {
	t.Helper()
	r := request(t, method, s.ready.Resource, body, append([]string{"Authorization", "Bearer " + token, "Accept", "application/json, text/event-stream", "Mcp-Protocol-Version", revision}, header...)...)
	if method == "POST" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

// GW-REVISIONS: what each revision has on the wire passes; what it has not is refused.
func TestRevisionsThroughTheGateway(t *testing.T) {
	up := answering(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Header.Get("Mcp-Session-Id") == "" {
			w.Header().Set("Mcp-Session-Id", "the-session")
		}
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{}}`)
	})
	s := protect(t, up.URL+"/some/path")
	_, got := s.connect()
	last := func() received { t.Helper(); return up.last(t) }
	ping := `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	for _, revision := range sessionRevisions {
		as(t, s, revision, func(t *testing.T) {
			session := do(t, http.DefaultClient, s.bearing(t, got.Access, "POST", `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"`+revision+`","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`, revision)).Header.Get("Mcp-Session-Id")
			if session == "" {
				t.Fatal("no session")
			}
			for _, method := range []string{"POST", "GET", "DELETE"} {
				body := ""
				if method == "POST" {
					body = ping
				}
				a := do(t, http.DefaultClient, s.bearing(t, got.Access, method, body, revision, "Mcp-Session-Id", session, "Last-Event-Id", "7"))
				if seen := last(); a.StatusCode != 200 || seen.Method != method || seen.Body != body || seen.Header.Get("Mcp-Session-Id") != "the-session" || seen.Header.Get("Mcp-Protocol-Version") != revision || seen.Header.Get("Last-Event-Id") != "7" {
					t.Errorf("%s: %s, upstream %s %q %v", method, a.Status, seen.Method, seen.Body, seen.Header)
				}
			}
			for name, body := range map[string]string{"a notification": `{"jsonrpc":"2.0","method":"notifications/initialized"}`, "a response": `{"jsonrpc":"2.0","id":"s1","result":{}}`, "initialize": `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"` + revision + `","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`} {
				a := do(t, http.DefaultClient, s.bearing(t, got.Access, "POST", body, revision))
				if a.StatusCode != 200 || last().Body != body {
					t.Errorf("%s: %s %s", name, a.Status, a.body)
				}
			}
		})
	}
	as(t, s, "batches are of 2025-03-26", func(t *testing.T) {
		batch := "[" + ping + `, {"jsonrpc":"2.0","id":2,"method":"tools/list"}]`
		for _, revision := range sessionRevisions {
			before := len(up.calls())
			a := do(t, http.DefaultClient, s.bearing(t, got.Access, "POST", batch, revision))
			passed := len(up.calls()) > before
			if passed != (revision == "2025-03-26") || passed && last().Body != batch || !passed && a.StatusCode != 400 {
				t.Errorf("%s: %s", revision, a.Status)
			}
		}
		if a := s.send(got.Access, batch, callHeaders("whoami")...); a.StatusCode != 400 {
			t.Errorf("2026-07-28: %s", a.Status)
		}
	})
	as(t, s, "without the header", func(t *testing.T) {
		if a := s.send(got.Access, ping); a.StatusCode != 200 || last().Header.Get("Mcp-Protocol-Version") != "" {
			t.Errorf("%s", a.Status)
		}
	})
	as(t, s, "2026-07-28 has POST alone", func(t *testing.T) {
		if a := s.call(got.Access, "whoami", "{}"); a.StatusCode != 200 {
			t.Errorf("POST: %s", a.Status)
		}
		for _, method := range []string{"GET", "DELETE"} {
			before := len(up.calls())
			a := do(t, http.DefaultClient, s.bearing(t, got.Access, method, "", "2026-07-28"))
			if a.StatusCode != 405 || a.Header.Get("Allow") == "" || len(up.calls()) != before {
				t.Errorf("%s: %s, Allow %q", method, a.Status, a.Header.Get("Allow"))
			}
		}
	})
	as(t, s, "other methods", func(t *testing.T) {
		for _, method := range []string{"PUT", "PATCH", "HEAD", "OPTIONS", "TRACE"} {
			a := do(t, http.DefaultClient, s.bearing(t, got.Access, method, "", "2025-11-25"))
			if a.StatusCode != 405 {
				t.Errorf("%s: %s", method, a.Status)
			}
		}
	})
	as(t, s, "an unknown revision", func(t *testing.T) {
		a := do(t, http.DefaultClient, s.bearing(t, got.Access, "POST", ping, "2031-01-01"))
		if a.StatusCode != 400 || !strings.Contains(a.body, `"supported":["2026-07-28","2025-11-25","2025-06-18","2025-03-26"]`) {
			t.Errorf("%s %s", a.Status, a.body)
		}
	})
}

// GW-FORWARD: the judged bytes are the forwarded bytes, and of headers only those on the lists pass.
func TestWhatPassesTheGateway(t *testing.T) {
	up := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		for name, v := range map[string]string{"Content-Type": "application/json", "Mcp-Session-Id": "given", "Mcp-Anything": "x", "Cache-Control": "no-transform", "Retry-After": "7", "Content-Language": "de", "X-Powered-By": "x", "Server": "x", "Etag": "x"} {
			w.Header().Set(name, v)
		}
		w.WriteHeader(202)
		_, _ = io.WriteString(w, " {\"jsonrpc\":\"2.0\",\"id\":1, \"result\":{\"é\":1.0e2}}\n")
	})
	s := protect(t, up.URL)
	_, got := s.connect()
	body := strings.Replace(callBody("whoami", `{"é":1.0e2,  "b":"\u0041"}`), `{"jsonrpc"`, " {\n \"jsonrpc\"", 1)
	a := s.send(got.Access, body, append(callHeaders("whoami"), "User-Agent", "agent/1", "Traceparent", "00-1-2-01", "Tracestate", "a=b", "Accept-Language", "de", "Mcp-Param-X", "=?base64?QQ==?=", "X-Own", "x", "Accept-Encoding", "gzip", "Referer", "x", "If-None-Match", "x")...)
	seen := up.calls()[0]
	if seen.Body != body {
		t.Errorf("the upstream got\n%s\nfor\n%s", seen.Body, body)
	}
	var names []string
	for name := range seen.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	want := []string{"Accept", "Accept-Language", "Content-Length", "Content-Type", "Doorward-Caller", "Mcp-Method", "Mcp-Name", "Mcp-Param-X", "Mcp-Protocol-Version", "Traceparent", "Tracestate", "User-Agent"}
	if !slices.Equal(names, want) {
		t.Errorf("the upstream got the headers\n%v, want\n%v", names, want)
	}
	if seen.Header.Get("User-Agent") != "agent/1" || seen.Header.Get("Mcp-Param-X") != "=?base64?QQ==?=" {
		t.Errorf("%v", seen.Header)
	}
	if a.StatusCode != 202 || a.body != " {\"jsonrpc\":\"2.0\",\"id\":1, \"result\":{\"é\":1.0e2}}\n" {
		t.Errorf("the client got %s %q", a.Status, a.body)
	}
	for name, want := range map[string]string{"Mcp-Anything": "x", "Cache-Control": "no-transform", "Retry-After": "7", "Content-Language": "de", "X-Powered-By": "", "Server": "", "Etag": ""} {
		if v := a.Header.Get(name); v != want {
			t.Errorf("the client got %s %q, want %q", name, v, want)
		}
	}
	if a.Header.Get("Doorward-Receipt") == "" || a.Header.Get("X-Request-Id") == "" {
		t.Errorf("no receipt: %v", a.Header)
	}
	as(t, s, "4 MiB", func(t *testing.T) {
		fill := func(n int) string {
			empty := callBody("whoami", `{"a":""}`)
			return callBody("whoami", `{"a":"`+strings.Repeat("x", n-len(empty))+`"}`)
		}
		if a := s.send(got.Access, fill(4<<20), callHeaders("whoami")...); a.StatusCode != 202 {
			t.Errorf("4 MiB: %s %s", a.Status, a.body)
		}
		if a := s.send(got.Access, fill(4<<20+1), callHeaders("whoami")...); a.StatusCode != 413 || !strings.Contains(a.body, `"jsonrpc":"2.0"`) {
			t.Errorf("a byte more: %s %s", a.Status, a.body)
		}
	})
}

// The upstream learns who calls from a signed assertion that is of use nowhere else.
func TestTheCallerHeader(t *testing.T) {
	up := upstreamOf(t, nil)
	s := protect(t, up.URL+"/mcp")
	app, got := s.connect()
	s.works("a call", got.Access)
	assertion := up.calls()[0].Header.Get("Doorward-Caller")
	claims, token := s.verified(t, assertion, "doorward-caller+jwt"), payload(t, got.Access)
	for name, want := range map[string]any{"iss": s.ready.Issuer, "sub": token["sub"], "idp": token["iss"], "client_id": app.ID, "aud": up.URL + "/mcp", "scope": "mcp", "acr": token["acr"], "auth_time": token["auth_time"], "jti": nil, "gid": nil} {
		if claims[name] != want {
			t.Errorf("%s is %v, want %v", name, claims[name], want)
		}
	}
	if claims["exp"].(float64)-claims["iat"].(float64) != 60 || time.Since(time.Unix(int64(claims["iat"].(float64)), 0)).Abs() > time.Minute {
		t.Errorf("from %v to %v", claims["iat"], claims["exp"])
	}
	if a := s.call(got.Access, "whoami", "{}", "Doorward-Caller", "forged"); a.StatusCode != 200 || up.calls()[1].Header.Get("Doorward-Caller") == "forged" {
		t.Error("an incoming caller header was passed on")
	}
}

// Rule 9: each call has its intent before the upstream sees it and its outcome before the client does. Neither a token
// nor an argument stands in them.
func TestReceipts(t *testing.T) {
	mode := ""
	var s *server
	intents := -1
	up := answering(t, func(w http.ResponseWriter, r *http.Request) {
		intents = 0
		for _, e := range s.audited() {
			if e["phase"] == "intent" && e["msg"] == "mcp.called" {
				intents++
			}
		}
		w.Header().Set("Content-Type", "application/json")
		switch mode {
		case "tool error":
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{"isError":true,"content":[]}}`)
		case "rpc error":
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no"}}`)
		case "status":
			w.WriteHeader(500)
		case "tool error as an event":
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"isError\":true,\"content\":[]}}\n\n")
		default:
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{"content":[]}}`)
		}
	})
	s = protect(t, up.URL)
	app, got := s.connect()
	calls := 0
	var person, here any // a pseudonym and a commitment, the same in all records
	for _, c := range []struct{ mode, result, reason string }{
		{"done", "done", ""}, {"tool error", "failed", "tool_error"}, {"rpc error", "failed", "rpc_error"}, {"status", "failed", "Internal Server Error"}, {"tool error as an event", "failed", "tool_error"},
	} {
		as(t, s, c.mode, func(t *testing.T) {
			mode = c.mode
			a := s.call(got.Access, "delete_user", `{"id":"a-secret-argument"}`)
			if calls++; intents != calls {
				t.Errorf("%d intents were written when the upstream was called, want %d", intents, calls)
			}
			receipt := a.Header.Get("Doorward-Receipt")
			var phases []string
			for _, e := range s.audited() {
				if e["id"] != receipt {
					continue
				}
				phases = append(phases, fmt.Sprint(e["phase"]))
				if person == nil {
					person, here = e["sub"], e["net"]
				}
				if !strings.HasPrefix(fmt.Sprint(person), "p_") || here == nil || strings.Contains(fmt.Sprint(here), "127.0.0.1") {
					t.Errorf("person %v at %v", person, here)
				}
				for name, want := range map[string]any{"msg": "mcp.called", "request": a.Header.Get("X-Request-Id"), "client_id": app.ID, "sub": person, "jti": payload(t, got.Access)["jti"], "server": s.ready.Resource, "operations": "tools/call delete_user", "revision": "2026-07-28", "verdict": "allow", "net": here} {
					if e[name] != want {
						t.Errorf("%s: %s is %v, want %v", e["phase"], name, e[name], want)
					}
				}
				if reason, _ := e["reason"].(string); e["phase"] == "outcome" && (e["result"] != c.result || c.reason != "" && reason != c.reason) {
					t.Errorf("result %v, reason %v", e["result"], e["reason"])
				}
			}
			if receipt == "" || !slices.Equal(phases, []string{"intent", "outcome"}) {
				t.Errorf("receipt %q has the records %v", receipt, phases)
			}
		})
	}
	as(t, s, "a batch", func(t *testing.T) {
		mode = "done"
		a := do(t, http.DefaultClient, s.bearing(t, got.Access, "POST", `[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add"}},{"jsonrpc":"2.0","id":2,"method":"ping"}]`, "2025-03-26"))
		n := 0
		for _, e := range s.audited() {
			if e["request"] == a.Header.Get("X-Request-Id") {
				if n++; e["operations"] != "tools/call add, ping" || e["id"] != a.Header.Get("Doorward-Receipt") {
					t.Errorf("%v", e)
				}
			}
		}
		if n != 2 {
			t.Errorf("%d records", n)
		}
	})
	as(t, s, "a refusal", func(t *testing.T) {
		a := s.send(got.Access, `{"jsonrpc":"2.0","id":1}`)
		all := s.audited()
		if last := all[len(all)-1]; a.StatusCode != 400 || last["msg"] != "mcp.refused" || last["request"] != a.Header.Get("X-Request-Id") || last["sub"] == nil || last["verdict"] != "deny" {
			t.Errorf("%s: %v", a.Status, last)
		}
	})
	as(t, s, "no secret and no argument", func(t *testing.T) {
		for _, secret := range []string{got.Access, got.Refresh, "a-secret-argument"} {
			if s.holds(secret) {
				t.Errorf("%.20s… stands in the log", secret)
			}
		}
	})
}

// GW-UPSTREAM-STATUS: an upstream that answers with what would send the client astray is answered 502, with the reason.
func TestUpstreamsThatAreNone(t *testing.T) {
	status, media := 200, "application/json"
	up := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		w.Header().Set("Location", "https://example.com/")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "{}")
	})
	s := protect(t, up.URL)
	_, got := s.connect()
	for _, c := range []struct {
		name   string
		status int
		media  string
		why    string
	}{
		{"301", 301, "application/json", "redirect"}, {"302", 302, "application/json", "redirect"}, {"307", 307, "application/json", "redirect"}, {"308", 308, "application/json", "redirect"},
		{"401", 401, "application/json", "--upstream-header"}, {"a web page", 200, "text/html; charset=utf-8", "web page"},
	} {
		as(t, s, c.name, func(t *testing.T) {
			status, media = c.status, c.media
			a := s.call(got.Access, "whoami", "{}")
			if a.StatusCode != 502 || !strings.Contains(a.body, c.why) || a.Header.Get("Content-Type") != "application/json" {
				t.Fatalf("%s %s", a.Status, a.body)
			}
			var m struct {
				ID    int `json:"id"`
				Error struct{ Code int }
			}
			if err := json.Unmarshal([]byte(a.body), &m); err != nil || m.ID != 1 || m.Error.Code != -32603 {
				t.Errorf("%s, %v", a.body, err)
			}
		})
	}
	as(t, s, "nobody listens", func(t *testing.T) {
		up.Close()
		a := s.call(got.Access, "whoami", "{}", "Origin", inspector)
		if a.Header.Get("Access-Control-Allow-Origin") != inspector {
			t.Errorf("a page of a client cannot read it: %v", a.Header)
		}
		if a.StatusCode != 502 || !strings.Contains(a.body, "nothing listens") || strings.Contains(a.body, up.URL) {
			t.Errorf("%s %s", a.Status, a.body)
		}
	})
}
