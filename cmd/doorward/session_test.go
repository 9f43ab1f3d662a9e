package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// A session belongs to the person and client who began it, at an upstream that could not tell them apart.
func TestASessionIsOfWhoBeganIt(t *testing.T) {
	up := upstreamOf(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Mcp-Session-Id", "the-upstreams-own-id")
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"jsonrpc":"2.0","id":1,"result":{}}`))
	})
	s := protect(t, up.URL+"/mcp")
	_, alice := s.connect()
	begun := s.send(alice.Access, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
	id := begun.Header.Get("Mcp-Session-Id")
	if id == "" || strings.Contains(id, "upstream") {
		t.Fatalf("session id %q", id)
	}
	list := `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	in := func(token, id string) answer {
		return s.send(token, list, "Mcp-Session-Id", id, "Mcp-Protocol-Version", "2025-11-25")
	}
	if a := in(alice.Access, id); a.StatusCode != http.StatusOK {
		t.Errorf("her own session: %s %s", a.Status, a.body)
	}
	if seen := up.all(); seen[len(seen)-1].Header.Get("Mcp-Session-Id") != "the-upstreams-own-id" {
		t.Errorf("the upstream sees session %q", seen[len(seen)-1].Header.Get("Mcp-Session-Id"))
	}
	reached := len(up.all())
	b := s.browser()
	b.post("/sign-in", url.Values{"username": {s.ready.Username}, "password": {*s.ready.Password}})
	app := s.register(`{"client_name":"Another app","redirect_uris":["` + callback + `"]}`)
	thief := app.redeem(app.code(b)).tokens(t)
	for what, id := range map[string]string{"another client's session": id, "the upstream's own id": "the-upstreams-own-id", "a torn id": id[:len(id)-2]} {
		token := thief.Access
		if what != "another client's session" {
			token = alice.Access
		}
		if a := in(token, id); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s %s", what, a.Status, a.body)
		}
	}
	if len(up.all()) != reached {
		t.Error("a session that is not the caller's reached the upstream")
	}
	s.restart()
	if a := in(alice.Access, id); a.StatusCode != http.StatusOK {
		t.Errorf("after a restart: %s", a.Status)
	}
}
