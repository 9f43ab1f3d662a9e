package doorward_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/doorward-mcp/doorward"
	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/registration"
	"github.com/doorward-mcp/doorward/seal"
)

const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`

// reloaded is an installation of one open server, whose log is sink.
func reloaded(t *testing.T, sink audit.Sink) (*doorward.Installation, config.Config) {
	t.Helper()
	dir := t.TempDir()
	box, err := seal.OpenKeyFile(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	c := config.Config{Policy: config.Policy{Word: config.ScopesOnly}, PublicURL: "https://mcp.example.com", Listen: "127.0.0.1:8080", Data: dir, Registration: config.Registration{Policy: registration.Policy{Mode: registration.ModeOpen}},
		Servers: map[string]config.Server{"a": {Path: "/a", Demo: true, Auth: config.AuthNoneInsecure}}}
	in, err := doorward.Open(t.Context(), c, doorward.Environment{Box: box, Audit: sink, Slog: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	})
	return in, c
}

func pinged(in *doorward.Installation, path string) (int, string) {
	r := httptest.NewRequest(http.MethodPost, "https://mcp.example.com"+path, strings.NewReader(ping))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	w := httptest.NewRecorder()
	in.Handler.ServeHTTP(w, r)
	b, _ := io.ReadAll(w.Body)
	return w.Code, string(b)
}

// with is c with another server, which has a pool of its own.
func with(c config.Config, name string) config.Config {
	servers := map[string]config.Server{name: {Path: "/" + name, Demo: true, Auth: config.AuthNoneInsecure}}
	for n, s := range c.Servers {
		servers[n] = s
	}
	c.Servers = servers
	return c
}

// A change whose outcome cannot be recorded did not happen, and nothing that runs is closed.
func TestAReloadThatCannotBeRecorded(t *testing.T) {
	full := errors.New("full")
	var at atomic.Value // the phase at which the log is full
	at.Store(audit.Phase(""))
	in, c := reloaded(t, func(_ context.Context, e audit.Entry) error {
		if e.Record.Code == audit.Configured && e.Phase == at.Load() {
			return full
		}
		return nil
	})
	for _, phase := range []audit.Phase{audit.PhaseIntent, audit.PhaseOutcome} {
		at.Store(phase)
		if err := in.Reload(t.Context(), with(c, "b")); !errors.Is(err, full) {
			t.Fatalf("%s: %v", phase, err)
		}
		if code, body := pinged(in, "/a"); code != 200 {
			t.Errorf("%s: %d %s", phase, code, body)
		}
		if code, _ := pinged(in, "/b"); code != 404 {
			t.Errorf("%s: the change counts: %d", phase, code)
		}
	}
	at.Store(audit.Phase(""))
	if err := in.Reload(t.Context(), with(c, "b")); err != nil {
		t.Fatal(err)
	}
	if code, body := pinged(in, "/b"); code != 200 {
		t.Errorf("after it: %d %s", code, body)
	}
}

// Changes one after the other, some refused, cost no request anything.
func TestManyReloadsDuringTraffic(t *testing.T) {
	in, c := reloaded(t, func(context.Context, audit.Entry) error { return nil })
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var done atomic.Int64
	for range 4 {
		all.Go(func() {
			for ctx.Err() == nil {
				if code, body := pinged(in, "/a"); code != 200 {
					t.Errorf("%d %s", code, body)
					return
				}
				done.Add(1)
			}
		})
	}
	for n := range 60 {
		next := c
		if n%2 == 0 {
			next = with(c, "b")
		}
		bad := n%5 == 4
		if bad {
			s := next.Servers["a"]
			s.Demo = false
			next = with(c, "b")
			next.Servers["a"] = s
		}
		if err := in.Reload(t.Context(), next); (err != nil) != bad {
			t.Errorf("change %d: %v", n, err)
		}
	}
	stop()
	all.Wait()
	if done.Load() == 0 {
		t.Error("nothing was asked meanwhile")
	}
}
