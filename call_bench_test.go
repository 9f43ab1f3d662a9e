package doorward_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward"
	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy/cedar"
	"github.com/doorward-mcp/doorward/registration"
	"github.com/doorward-mcp/doorward/seal"
	"github.com/doorward-mcp/doorward/token"
)

// BenchmarkCall is a tools/call of 512 bytes with a kept token, its decision and its records, in memory but for the upstream's
// connection: decided by the scopes alone, and by a bundle of a thousand rules, of which three are about the call and one reads its
// argument. Beside them is the standard library's reverse proxy with a raised idle pool.
func BenchmarkCall(b *testing.B) {
	answer := []byte(`{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"` + strings.Repeat("x", 400) + `"}]}}`)
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	}))
	defer up.Close()
	to, err := url.Parse(up.URL)
	if err != nil {
		b.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.Transport = &http.Transport{MaxIdleConnsPerHost: 1024}
	in, access := bench(b, up.URL, config.Policy{Word: config.ScopesOnly})
	ruled, accessRuled := bench(b, up.URL, config.Policy{Bundle: thousandRules(b)})
	for _, c := range []struct {
		name, access string
		h            http.Handler
	}{{"doorward", access, in}, {"policy", accessRuled, ruled}, {"ReverseProxy", access, proxy}} {
		b.Run(c.name, func(b *testing.B) {
			body := strings.Replace(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"x":"$"}}}`, "$", strings.Repeat("y", 420), 1)
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest("POST", "http://127.0.0.1:8080/mcp", strings.NewReader(body))
				r.Header["Authorization"] = []string{"Bearer " + c.access}
				r.Header["Content-Type"] = []string{"application/json"}
				r.Header["Accept"] = []string{"application/json, text/event-stream"}
				r.Header["Mcp-Protocol-Version"] = []string{"2025-11-25"}
				w := httptest.NewRecorder()
				c.h.ServeHTTP(w, r)
				if w.Code != 200 || !strings.Contains(w.Body.String(), `"result"`) {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
	}
}

func bench(b *testing.B, upstream string, p config.Policy) (http.Handler, string) {
	dir := b.TempDir()
	box, err := seal.OpenKeyFile(filepath.Join(dir, "key"))
	if err != nil {
		b.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "audit"))
	if err != nil {
		b.Fatal(err)
	}
	const origin = "http://127.0.0.1:8080"
	in, err := doorward.Open(b.Context(), config.Config{Policy: p, PublicURL: origin, Listen: "127.0.0.1:8080", Data: dir, Registration: config.Registration{Policy: registration.Policy{Mode: registration.ModeOpen}}, Servers: map[string]config.Server{"a": {Path: "/mcp", URL: upstream}}},
		doorward.Environment{Box: box, Audit: audit.Slog(slog.NewJSONHandler(log, nil)), Slog: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	go in.Run(ctx)
	b.Cleanup(func() { stop(); _ = in.Close() })
	now := time.Now()
	access, err := doorward.Access(in, now, token.Claims{Principal: token.Principal{Issuer: origin, Subject: "s"}, Client: "c", ID: "j", Grant: "g", Resource: origin + "/mcp", Scopes: oauth.NewScopes("mcp"), Issued: now, Expires: now.Add(time.Hour)})
	if err != nil {
		b.Fatal(err)
	}
	return in.Handler, access
}

// thousandRules is the directory of a bundle about fifty tools, by twenty groups.
func thousandRules(b *testing.B) string {
	d := cedar.NewDefinitions("a")
	var rules strings.Builder
	for i := range 50 {
		name := fmt.Sprintf("t%d", i)
		if i == 0 {
			name = "add"
		}
		if _, err := d.Accept(mcp.ItemTool, fmt.Appendf(nil, `{"name":%q,"inputSchema":{"type":"object","properties":{"x":{"type":"string"}},"required":["x"]}}`, name)); err != nil {
			b.Fatal(err)
		}
	}
	for i := range 997 {
		fmt.Fprintf(&rules, "@id(\"r%d\")\npermit (principal in Group::\"g%d\", action == Action::\"a/t%d\", resource) when { context.token.scopes.contains(\"mcp\") };\n", i, i%20, 1+i%49)
	}
	rules.WriteString(`
@id("add") @audit("metadata")
permit (principal in Group::"staff", action == Action::"a/add", resource) when { context.args.x like "y*" };
@id("add.scope") @remedy("step_up_scope") @scope("mcp")
forbid (principal, action == Action::"a/add", resource) unless { context.token.scopes.contains("mcp") };
`)
	dir := b.TempDir()
	for name, text := range map[string]string{
		"bundle.yaml": "id: bench\nservers:\n  a: {}\n", "schema/a.json": string(d.Bytes()), "servers/a/rules.cedar": rules.String(),
		"entities/people.yaml":    "- uid: {type: User, id: s}\n  parents: [{type: Group, id: staff}]\n",
		"guardrails/people.cedar": "@id(\"people-only\")\nforbid (principal, action, resource) unless { context.delegation.human };\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return dir
}
