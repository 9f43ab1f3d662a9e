package doorward_test

import (
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward"
	"github.com/doorward-mcp/doorward/audit/export"
	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/registration"
	"github.com/doorward-mcp/doorward/seal"
)

// Where the operator wants witnesses, nothing strict happens when they have not signed for too long; elsewhere readiness says so.
func TestLateWitnessesStopStrictActs(t *testing.T) {
	for _, stop := range []bool{true, false} {
		var ahead atomic.Int64 // of the clock, in seconds
		in := witnessedBy(t, stop, func() time.Time { return time.Now().Add(time.Duration(ahead.Load()) * time.Second) })
		if code, body := addedUp(in); code != http.StatusOK {
			t.Fatalf("at first: %d %s", code, body)
		}
		ahead.Store(6 * 60)
		want := http.StatusOK
		if stop {
			want = http.StatusServiceUnavailable
		}
		if code, body := addedUp(in); code != want || stop && !strings.Contains(body, "temporarily_unavailable") {
			t.Errorf("stop %t: a call is answered %d %s", stop, code, body)
		}
		if code, body := pinged(in, "/a"); code != http.StatusOK {
			t.Errorf("stop %t: a ping is answered %d %s", stop, code, body)
		}
		_, checks := in.Ready(t.Context())
		found := false
		for _, c := range checks {
			if c.Name == "witnesses" {
				found = true
				if c.OK || c.Required != stop {
					t.Errorf("stop %t: %+v", stop, c)
				}
			}
		}
		if !found {
			t.Error("readiness says nothing of witnesses")
		}
		ahead.Store(0)
		if code, body := addedUp(in); code != http.StatusOK {
			t.Errorf("stop %t: in time again: %d %s", stop, code, body)
		}
	}
}

// witnessedBy is an installation of one open server whose witness nobody reaches.
func witnessedBy(t *testing.T, stop bool, now func() time.Time) *doorward.Installation {
	t.Helper()
	dir := t.TempDir()
	box, err := seal.OpenKeyFile(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	k, err := export.NewWitnessKey(rand.Reader, "w.example.com/w")
	if err != nil {
		t.Fatal(err)
	}
	policy := filepath.Join(dir, "witnesses")
	if err := os.WriteFile(policy, []byte("witness w "+k.Public()+" http://127.0.0.1:1\nquorum w\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := config.Config{Policy: config.Policy{Word: config.ScopesOnly}, PublicURL: "https://mcp.example.com", Listen: "127.0.0.1:8080", Data: dir, Registration: config.Registration{Policy: registration.Policy{Mode: registration.ModeOpen}},
		Servers: map[string]config.Server{"a": {Path: "/a", Demo: true, Auth: config.AuthNoneInsecure}}}
	c.Audit.Witnesses = &config.Witnesses{Policy: policy, Stop: stop}
	in, err := doorward.Open(t.Context(), c, doorward.Environment{Box: box, Now: now, Slog: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	})
	return in
}

// addedUp is the answer to a call of a tool.
func addedUp(in *doorward.Installation) (int, string) {
	r := httptest.NewRequest(http.MethodPost, "https://mcp.example.com/a", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":1,"b":2}}}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	w := httptest.NewRecorder()
	in.Handler.ServeHTTP(w, r)
	b, _ := io.ReadAll(w.Body)
	return w.Code, string(b)
}
