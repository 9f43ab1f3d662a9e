package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/doorward-mcp/doorward/token"
)

// HTTP+SSE of 2024-11-05: an SDK's client reaches an SDK's server through the gateway, over a pool of two.
func TestHTTPAndSSE(t *testing.T) {
	sdk := mcp.NewServer(&mcp.Implementation{Name: "old", Version: "1"}, nil)
	mcp.AddTool(sdk, &mcp.Tool{Name: "hello"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		return said("hello"), nil, nil
	})
	var addresses []string
	for range 2 {
		up := httptest.NewServer(mcp.NewSSEHandler(func(*http.Request) *mcp.Server { return sdk }, nil))
		t.Cleanup(func() { up.CloseClientConnections(); up.Close() })
		addresses = append(addresses, "'"+up.URL+"/sse'")
	}
	s := behindMany(t, map[string]string{"old": "urls: [" + strings.Join(addresses, ", ") + "], transport: sse"})
	f := newForger(t, s)
	at, access := f.at("old")
	for range 3 {
		session, err := mcp.NewClient(&mcp.Implementation{Name: "c", Version: "1"}, nil).Connect(t.Context(), &mcp.SSEClientTransport{Endpoint: at.ready.Resource, HTTPClient: &http.Client{Transport: bearerOf{access}}}, &mcp.ClientSessionOptions{ProtocolVersion: "2024-11-05"})
		if err != nil {
			t.Fatal(err)
		}
		tools, err := session.ListTools(t.Context(), nil)
		if err != nil || len(tools.Tools) != 1 {
			t.Fatalf("%v %v", tools, err)
		}
		res, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "hello"})
		if err != nil || res.IsError {
			t.Fatalf("%v %v", res, err)
		}
		_ = session.Close()
	}
	called := 0
	for _, r := range s.audited() {
		if strings.Contains(fmt.Sprint(r["operations"]), "hello") && r["phase"] == "outcome" {
			called++
		}
	}
	if called != 3 {
		t.Errorf("%d calls are recorded", called)
	}
}

// oldUpstream speaks HTTP+SSE: it names first as its address, then sends what it is given.
func oldUpstream(t *testing.T, first string, then ...string) *recorder {
	t.Helper()
	return upstreamOf(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.Header().Set("Set-Cookie", "a=b")
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, "Accepted")
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		flushed(w, first)
		for _, event := range then {
			flushed(w, event)
		}
		<-r.Context().Done()
	})
}

// stream opens the stream of a server of HTTP+SSE.
func (s *server) stream(t *testing.T, access string) *bufio.Reader {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	t.Cleanup(cancel)
	res, err := http.DefaultClient.Do(request(t, "GET", s.ready.Resource, "", "Authorization", "Bearer "+access, "Accept", "text/event-stream", "Mcp-Protocol-Version", "2024-11-05").WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != 200 {
		b, _ := io.ReadAll(res.Body)
		t.Fatalf("%s %s", res.Status, b)
	}
	return bufio.NewReader(res.Body)
}

// endpoint is the address that a stream names.
func endpoint(t *testing.T, in *bufio.Reader) string {
	t.Helper()
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatalf("%q, %v", line, err)
		}
		if address, ok := strings.CutPrefix(strings.TrimSpace(line), "data: "); ok {
			return address
		}
	}
}

// The address for messages is ours, its caller's alone, and what comes there is judged.
func TestAttackOnTheAddressForMessages(t *testing.T) {
	up := oldUpstream(t, "event: endpoint\r\ndata: /messages?sessionId=theirs\r\n\r\n")
	other := oldUpstream(t, "event: endpoint\ndata: /messages?sessionId=other\n\n")
	s := behindMany(t, map[string]string{"old": "url: '" + up.URL + "/sse', transport: sse", "other": "url: '" + other.URL + "/sse', transport: sse"})
	f := newForger(t, s)
	at, alice := f.at("old")
	there, elsewhere := f.at("other")
	bob := f.minted(time.Now(), func(c *token.Claims) { c.Resource, c.Subject = at.ready.Resource, "bob" })
	app := f.minted(time.Now(), func(c *token.Claims) { c.Resource, c.Client = at.ready.Resource, "another" })
	again := f.minted(time.Now(), func(c *token.Claims) { c.Resource = at.ready.Resource })
	address := endpoint(t, at.stream(t, alice))
	if !strings.HasPrefix(address, "/old?message=") || strings.Contains(address, "theirs") {
		t.Fatal(address)
	}
	theirs := endpoint(t, there.stream(t, elsewhere))
	const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	post := func(access, address, body string) answer {
		return do(t, http.DefaultClient, request(t, "POST", s.at(address), body, "Content-Type", "application/json", "Authorization", "Bearer "+access, "Mcp-Protocol-Version", "2024-11-05"))
	}
	if a := post(alice, address, ping); a.StatusCode != 202 || a.body != "" || a.Header.Get("Set-Cookie") != "" {
		t.Errorf("%s %q", a.Status, a.body)
	}
	last := up.all()[len(up.all())-1]
	if last.Query != "sessionId=theirs" || last.Body != ping || last.Header.Get("Mcp-Protocol-Version") != "" || last.Header.Get("Authorization") != "" {
		t.Errorf("%+v", last)
	}
	if a := post(again, address, ping); a.StatusCode != 202 {
		t.Errorf("another token of the same person and client: %s", a.Status)
	}
	n := len(up.all())
	for name, tt := range map[string]struct {
		access, address, body string
		status                int
	}{
		// GW-SESSION-BIND: an address is of the person and the client for whom it was made.
		"another person":        {bob, address, ping, 404},
		"another client":        {app, address, ping, 404},
		"another server":        {elsewhere, strings.Replace(address, "/old", "/other", 1), ping, 404},
		"a stream of another":   {alice, strings.Replace(theirs, "/other", "/old", 1), ping, 404},
		"an address made up":    {alice, "/old?message=" + url.QueryEscape("http://169.254.169.254/"), ping, 404},
		"nothing":               {alice, "/old?message=", ping, 404},
		"an altered one":        {alice, address[:len(address)-3] + "AAA", ping, 404},
		"two":                   {alice, address + "&message=x", ping, 405},
		"none":                  {alice, "/old", ping, 405},
		"no token":              {"x", address, ping, 401},
		"a token in the query":  {"x", address + "&access_token=" + alice, ping, 401},
		"what is judged":        {alice, address, `{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}`, 400},
		"what is not for scope": {f.signed(func(_, p map[string]any) { p["aud"], p["scope"] = at.ready.Resource, "less" }), address, ping, 403},
	} {
		if a := post(tt.access, tt.address, tt.body); a.StatusCode != tt.status && !(name == "a token in the query" && a.StatusCode == 400) {
			t.Errorf("%s: %s %s", name, a.Status, a.body)
		}
	}
	if len(up.all()) != n {
		t.Errorf("%d have reached the upstream", len(up.all())-n)
	}
}

// An upstream that names an address elsewhere, at once or later, in whatever spelling: no client learns it, and nobody asks
// there. An upstream that opens no stream is none.
func TestAttackByTheAddressForMessages(t *testing.T) {
	const good = "event: endpoint\ndata: /messages\n\n"
	for name, events := range map[string][]string{
		"another host":        {"event: endpoint\ndata: http://evil.example/m\n\n"},
		"the metadata":        {"event: endpoint\ndata: http://169.254.169.254/latest\n\n"},
		"no scheme":           {"event: endpoint\ndata: //evil.example/m\n\n"},
		"a backslash":         {"event: endpoint\ndata: \\\\evil.example/m\n\n"},
		"another scheme":      {"event: endpoint\ndata: file:///etc/passwd\n\n"},
		"a user":              {"event: endpoint\ndata: http://evil.example@$UP/m\n\n"},
		"later":               {good, "event: endpoint\ndata: http://evil.example/m\n\n"},
		"later, without room": {good, "event:endpoint\rdata:http://evil.example/m\r\r"},
		"with a mark":         {"\ufeffevent: endpoint\ndata: http://evil.example/m\n\n"},
		"after other fields":  {good, "id: 1\nretry: 1\ndata: http://evil.example/m\nevent: endpoint\n\n"},
		"in two lines":        {good, "event: endpoint\ndata: http://evil.example/\ndata: m\n\n"},
	} {
		t.Run(name, func(t *testing.T) {
			up := oldUpstream(t, strings.ReplaceAll(events[0], "$UP", "127.0.0.1:1"), events[1:]...)
			s := behindMany(t, map[string]string{"old": "url: '" + up.URL + "/sse', transport: sse"})
			at, access := newForger(t, s).at("old")
			b, err := io.ReadAll(at.stream(t, access))
			if strings.Contains(string(b), "evil") || strings.Contains(string(b), "169.254") || strings.Contains(string(b), "passwd") {
				t.Errorf("the client learns it: %q", b)
			}
			if named := strings.Contains(string(b), "endpoint"); err == nil || strings.Contains(err.Error(), "deadline") && name != "a backslash" || named != (len(events) > 1) && name != "a backslash" {
				t.Errorf("%q, %v", b, err)
			}
		})
	}
	for name, answer := range map[string]http.HandlerFunc{
		"no stream": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, "{}")
		},
		"packed": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, "event: endpoint\ndata: http://evil.example/m\n\n")
		},
	} {
		up := upstreamOf(t, answer)
		s := behindMany(t, map[string]string{"old": "url: '" + up.URL + "/sse', transport: sse"})
		at, access := newForger(t, s).at("old")
		if a := do(t, http.DefaultClient, at.bearing(t, access, "GET", "", "2025-11-25")); a.StatusCode != 502 || a.faulty(t) != "upstream.not_mcp" {
			t.Errorf("%s: %s %s", name, a.Status, a.body)
		}
	}
}
