//go:build unix

package stdio_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	wire "github.com/doorward-mcp/doorward/mcp"
)

func TestASessionIsAProcessOfItsOwn(t *testing.T) {
	k := start(t, "scripted")
	ada := who("ada")
	one, two := k.session(t, ada), k.session(t, ada)
	if one == two || len(one) < 26 {
		t.Errorf("session ids %q and %q", one, two)
	}
	_, _, a := k.post(t, ada, one, call("1", "x/who", ""))
	_, _, b := k.post(t, ada, two, call("1", "x/who", ""))
	_, _, again := k.post(t, ada, one, call("2", "x/who", ""))
	if pid(t, a) == pid(t, b) || pid(t, a) != pid(t, again) {
		t.Errorf("processes: %s %s %s", a, b, again)
	}
	if !strings.Contains(a, `h.ada.s`) {
		t.Errorf("the process was not told who calls: %s", a)
	}
}

// RS-SID-NOT-AUTH: a session id is no authentication.
func TestASessionIsOfOneCaller(t *testing.T) {
	k := start(t, "scripted")
	ada := who("ada")
	id := k.session(t, ada)
	unknown := func() string {
		_, _, body := k.post(t, ada, "UNKNOWN", call("1", "x/who", ""))
		return body
	}()
	for name, c := range map[string]struct{ s, m, b string }{
		"call": {id, "POST", call("1", "x/who", "")}, "notification": {id, "POST", `{"jsonrpc":"2.0","method":"n"}`},
		"stream": {id, "GET", ""}, "end": {id, "DELETE", ""},
	} {
		for _, other := range []struct{ subject, client, issuer string }{{"bob", "client", ada.Issuer}, {"ada", "another", ada.Issuer}, {"ada", "client", "https://other.example"}} {
			o := who(other.subject)
			o.Client, o.Issuer = other.client, other.issuer
			status, _, body := k.do(t, o, c.m, c.s, wire.V20251125, c.b)
			if status != 404 || !strings.Contains(body, `"error"`) {
				t.Errorf("%s by %v: %d %s", name, other, status, body)
			}
			if name == "call" && body != unknown {
				t.Errorf("another's session is told from an unknown one:\n%s\n%s", body, unknown)
			}
		}
	}
	if status, _, _ := k.post(t, ada, id, call("1", "x/who", "")); status != 200 {
		t.Errorf("the session's own caller gets %d", status)
	}
}

func TestNobodyGetsNoProcess(t *testing.T) {
	k := start(t, "scripted")
	c := who("")
	c.Issuer = ""
	if status, _, _ := k.post(t, c, "", initialize); status != 403 {
		t.Errorf("the zero caller gets %d", status)
	}
}

func TestASessionEnds(t *testing.T) {
	k := start(t, "scripted")
	ada := who("ada")
	id := k.session(t, ada)
	_, _, body := k.post(t, ada, id, call("1", "x/who", ""))
	if status, _, _ := k.do(t, ada, "DELETE", id, wire.V20251125, ""); status != 204 {
		t.Errorf("DELETE: %d", status)
	}
	if status, _, body := k.post(t, ada, id, call("2", "x/who", "")); status != 404 || !strings.Contains(body, `"id":2`) {
		t.Errorf("after the end: %d %s", status, body)
	}
	gone(t, pid(t, body))
}

func TestRequestsWithoutSessionAreRefused(t *testing.T) {
	k := start(t, "scripted")
	if status, _, _ := k.post(t, who("ada"), "", call("1", "ping", "")); status != 400 {
		t.Errorf("a call without session: %d", status)
	}
	if status, _, _ := k.do(t, who("ada"), "GET", "", wire.V20251125, ""); status != 400 {
		t.Errorf("a stream without session: %d", status)
	}
}

func TestAnIdInFlightIsRefusedInASession(t *testing.T) {
	k := start(t, "scripted")
	ada := who("ada")
	id := k.session(t, ada)
	res, err := k.ask(t.Context(), t, ada, "POST", id, wire.V20251125, call("1", "x/log-then-silent", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if status, _, body := k.post(t, ada, id, call("1", "x/who", "")); status != 400 || !strings.Contains(body, `"id":1`) {
		t.Errorf("a second request with the id: %d %s", status, body)
	}
}

func TestBatch(t *testing.T) {
	k := start(t, "scripted")
	ada := who("ada")
	_, h, _ := k.do(t, ada, "POST", "", wire.V20250326, initialize)
	id := h.Get("Mcp-Session-Id")
	status, _, body := k.do(t, ada, "POST", id, wire.V20250326, `[`+call("1", "x/slowly", "")+`,{"jsonrpc":"2.0","method":"n"},`+call(`"b"`, "x/who", "")+`]`)
	if status != 200 || !strings.HasPrefix(body, "[") || !strings.Contains(body, `"id":1`) || !strings.Contains(body, `"id":"b"`) {
		t.Errorf("%d %s", status, body)
	}
	status, _, body = k.do(t, ada, "POST", id, wire.V20250326, `[`+call("1", "x/slowly", "")+`,`+call("2", "x/carriage", "")+`]`)
	if status != 200 || strings.Count(body, "data: ") != 3 {
		t.Errorf("%d %q", status, body)
	}
}

func TestNotificationsAreTaken(t *testing.T) {
	k := start(t, "scripted")
	ada := who("ada")
	id := k.session(t, ada)
	for _, body := range []string{`{"jsonrpc":"2.0","method":"x/noted"}`, `{"jsonrpc":"2.0","id":"s1","result":{"x/noted":1}}`} {
		if status, h, answer := k.post(t, ada, id, body); status != 202 || answer != "" || h.Get("Content-Type") != "" {
			t.Errorf("%s: %d %v %q", body, status, h, answer)
		}
	}
	k.log.wait(t, "x/noted", 2)
}

// A request of the server goes to the only request in flight, and the client's answer goes to the server.
func TestARequestOfTheServerGoesToTheRequestInFlight(t *testing.T) {
	k := start(t, "sdk")
	ada := who("ada")
	_, h, _ := k.post(t, ada, "", strings.Replace(initialize, `"capabilities":{}`, `"capabilities":{"elicitation":{}}`, 1))
	id := h.Get("Mcp-Session-Id")
	k.post(t, ada, id, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	res, err := k.ask(t.Context(), t, ada, "POST", id, wire.V20251125, call("1", "tools/call", `{"name":"ask","arguments":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if ct := res.Header.Get("Content-Type"); ct != "text/event-stream" {
		t.Fatalf("answered with %s", ct)
	}
	b := make([]byte, 4096)
	n, _ := res.Body.Read(b)
	asked := string(b[:n])
	if !strings.Contains(asked, "elicitation/create") {
		t.Fatalf("the stream begins with %s", asked)
	}
	_, after, _ := strings.Cut(asked, `"id":`)
	serverID := after[:strings.IndexAny(after, ",}")]
	if status, _, _ := k.post(t, ada, id, `{"jsonrpc":"2.0","id":`+serverID+`,"result":{"action":"decline"}}`); status != 202 {
		t.Errorf("the client's answer: %d", status)
	}
	rest, err := io.ReadAll(res.Body)
	if err != nil || !strings.Contains(string(rest), "decline") {
		t.Errorf("%s, %v", rest, err)
	}
}

func TestWhatBelongsToNoRequestWaitsForAStream(t *testing.T) {
	k := start(t, "scripted")
	ada := who("ada")
	id := k.session(t, ada)
	if _, h, _ := k.post(t, ada, id, call("1", "x/announce", "")); h.Get("Content-Type") != "application/json" {
		t.Errorf("answered with %v", h)
	}
	ctx, cancel := context.WithCancel(t.Context())
	first, err := k.ask(t.Context(), t, ada, "GET", id, wire.V20251125, "")
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	n, _ := first.Body.Read(b)
	if got := string(b[:n]); got != "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/list_changed\"}\n\n" {
		t.Errorf("the stream says %q", got)
	}
	second, err := k.ask(ctx, t, ada, "GET", id, wire.V20251125, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Body.Read(b); err != io.EOF {
		t.Errorf("the first stream goes on beside the second: %v", err)
	}
	k.post(t, ada, id, call("2", "x/announce", ""))
	if n, _ = second.Body.Read(b); !strings.Contains(string(b[:n]), "list_changed") {
		t.Errorf("the second stream says %q", b[:n])
	}
	cancel()
	if _, err := second.Body.Read(b); !errors.Is(err, context.Canceled) {
		t.Errorf("a stream whose client is gone: %v", err)
	}
}
