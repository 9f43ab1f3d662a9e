package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/authtest"
)

// The program, over TCP: a challenge, the metadata that it names, a call with a good token.
func TestNotes(t *testing.T) {
	mux := http.NewServeMux()
	listener := httptest.NewServer(mux)
	t.Cleanup(listener.Close)
	as := authtest.New(t, listener.URL+"/mcp")
	h, err := Handler(as.Issuer, listener.URL)
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/", h)
	const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}`
	ask := func(raw string) (int, string) {
		r, err := http.NewRequest("POST", listener.URL+"/mcp", strings.NewReader(initialize))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}, "Authorization": {"Bearer " + raw}}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		return res.StatusCode, res.Header.Get("WWW-Authenticate")
	}
	document := listener.URL + "/.well-known/oauth-protected-resource/mcp"
	if status, challenge := ask(as.Stale()); status != 401 || !strings.Contains(challenge, document) {
		t.Errorf("%d %s", status, challenge)
	}
	res, err := http.Get(document)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if b, err := io.ReadAll(res.Body); err != nil || !strings.Contains(string(b), `"`+as.Issuer+`"`) {
		t.Errorf("the metadata: %s %v", b, err)
	}
	if status, _ := ask(as.Good()); status != 200 {
		t.Errorf("a good token: %d", status)
	}
}
