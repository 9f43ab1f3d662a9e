package doorward_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward"
	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/registration"
	"github.com/doorward-mcp/doorward/seal"
	"github.com/doorward-mcp/doorward/token"
)

// bundle writes a directory of rules.
func bundle(t *testing.T, rules string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"bundle.yaml": "id: test\nservers: {a: {definitions: any}}\n", "servers/a/rules.cedar": rules} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// What rules decide, ask for and would have decided is carried out, recorded and counted.
func TestDecisionsAreCounted(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{"structuredContent":{"ssn":"5550","name":"Ann"},"content":[]}}`)
	}))
	defer up.Close()
	const origin = "http://127.0.0.1:8080"
	dir := t.TempDir()
	box, err := seal.OpenKeyFile(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	var log, records bytes.Buffer
	live := bundle(t, `@id("a.all") @redact("/ssn") @notify("security") @ratelimit("2/h")
permit (principal, action in Action::"a/*", resource == Server::"a");
@id("a.never")
forbid (principal, action == Action::"a/never", resource);
`)
	candidate := bundle(t, `@id("a.all")
permit (principal, action == Action::"a/never", resource == Server::"a");
`)
	in, err := doorward.Open(t.Context(), config.Config{PublicURL: origin, Listen: "127.0.0.1:8080", Data: dir, Policy: config.Policy{Bundle: live, Shadow: candidate},
		Registration: config.Registration{Policy: registration.Policy{Mode: registration.ModeOpen}}, Servers: map[string]config.Server{"a": {Path: "/mcp", URL: up.URL}}},
		doorward.Environment{Box: box, Audit: audit.Slog(slog.NewTextHandler(&records, nil)), Slog: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { in.Run(ctx); close(done) }()
	end := sync.OnceFunc(func() { stop(); <-done }) // nothing is written after it
	defer func() { end(); _ = in.Close() }()
	now := time.Now()
	access, err := doorward.Access(in, now, token.Claims{Principal: token.Principal{Issuer: origin, Subject: "s"}, Client: "c", ID: "j", Grant: "g", Resource: origin + "/mcp", Scopes: oauth.NewScopes("mcp"), Issued: now, Expires: now.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	for n, c := range []struct {
		tool, says string
		status     int
	}{{"x", `"structuredContent":{"ssn":"[redacted]","name":"Ann"}`, 200}, {"never", `"code":"policy.forbidden"`, 403}, {"y", `"[redacted]"`, 200}, {"x", `"code":"policy.ratelimit"`, 429}} {
		r := httptest.NewRequest("POST", origin+"/mcp", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"`+c.tool+`","arguments":{}}}`))
		r.Header = http.Header{"Authorization": {"Bearer " + access}, "Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}, "Mcp-Protocol-Version": {"2025-11-25"}}
		w := httptest.NewRecorder()
		in.Handler.ServeHTTP(w, r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) || strings.Contains(w.Body.String(), "5550") {
			t.Errorf("call %d: %d %s", n, w.Code, w.Body)
		}
	}
	w := httptest.NewRecorder()
	in.Operations().ServeHTTP(w, httptest.NewRequest("GET", "http://127.0.0.1:9090/metrics", nil))
	for _, want := range []string{
		`doorward_policy_decisions_total{code="policy.allowed",server="a",verdict="allow"} 2`, `doorward_policy_decisions_total{code="policy.forbidden",server="a",verdict="deny"} 1`,
		`doorward_policy_decisions_total{code="policy.ratelimit",server="a",verdict="deny"} 1`,
		`doorward_policy_shadow_total{live="allow",server="a",shadow="deny"} 3`, `doorward_policy_shadow_total{live="deny",server="a",shadow="allow"} 1`,
		`doorward_policy_notifications_total{server="a"} 2`,
	} {
		if !strings.Contains(w.Body.String(), want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	end()
	if n := strings.Count(log.String(), "whom=security"); n != 2 {
		t.Errorf("%d notifications:\n%s", n, log.String())
	}
	for _, want := range []string{`obligations="redact:/ssn, notify:security, ratelimit:2/h"`, `shadow="deny policy.no_permit sha256:`} {
		if !strings.Contains(records.String(), want) {
			t.Errorf("no %s in\n%s", want, records.String())
		}
	}
}
