package doorward_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward"
	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/registration"
	"github.com/doorward-mcp/doorward/seal"
)

// Several servers under one origin: each has its own documents, and the root, which would name the wrong one, has none.
func TestSeveralServers(t *testing.T) {
	dir := t.TempDir()
	box, err := seal.OpenKeyFile(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	const origin = "https://mcp.example.com"
	in, err := doorward.Open(t.Context(), config.Config{Policy: config.Policy{Word: config.ScopesOnly}, PublicURL: origin, Listen: "127.0.0.1:8080", Data: dir, Registration: config.Registration{Policy: registration.Policy{Mode: registration.ModeOpen}}, Servers: map[string]config.Server{"a": {Path: "/a", Demo: true}, "b": {Path: "/b/c", Demo: true}}},
		doorward.Environment{Box: box, Audit: audit.Slog(slog.DiscardHandler), Slog: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	}()
	ask := func(method, path, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, origin+path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		in.Handler.ServeHTTP(w, r)
		return w
	}
	says := func(path, member, want string) {
		t.Helper()
		var m map[string]any
		w := ask("GET", path, "")
		if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil || w.Code != http.StatusOK || m[member] != want {
			t.Errorf("%s: %d, %s is %v, want %s", path, w.Code, member, m[member], want)
		}
	}
	for _, path := range []string{"/a", "/b/c"} {
		says("/.well-known/oauth-protected-resource"+path, "resource", origin+path)
		if c := ask("POST", path, "{}").Header().Get("WWW-Authenticate"); !strings.Contains(c, `"`+origin+"/.well-known/oauth-protected-resource"+path+`"`) {
			t.Errorf("%s is challenged with %s", path, c)
		}
	}
	for _, path := range []string{"", "/a", "/b/c"} {
		says("/.well-known/oauth-authorization-server"+path, "issuer", origin)
		says("/.well-known/openid-configuration"+path, "issuer", origin)
	}
	for _, path := range []string{"/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/b", "/.well-known/oauth-authorization-server/b"} {
		if w := ask("GET", path, ""); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	var client struct {
		ID string `json:"client_id"`
	}
	if err := json.Unmarshal(ask("POST", "/register", `{"redirect_uris":["http://127.0.0.1/cb"]}`).Body.Bytes(), &client); err != nil {
		t.Fatal(err)
	}
	request := "/authorize?response_type=code&redirect_uri=http://127.0.0.1/cb&code_challenge_method=S256&code_challenge=" + oauth.S256(strings.Repeat("v", 43)) + "&client_id=" + client.ID
	// A client of 2025-03-26 names none: the person will pick the server.
	if w := ask("GET", request, ""); w.Code != http.StatusSeeOther {
		t.Errorf("without a resource: %d %s", w.Code, w.Body)
	}
	if w := ask("GET", request+"&resource="+origin+"/b/c", ""); w.Code != http.StatusSeeOther {
		t.Errorf("with one: %d %s", w.Code, w.Body)
	}
}
