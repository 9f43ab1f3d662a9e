//go:build conformance

package conformance

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/interop/installation"
)

// everythingServer starts the go-sdk's own conformance server. It speaks the revisions with sessions, or the one without.
func everythingServer(t *testing.T, stateless bool) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "everything-server")
	build := exec.Command("go", "build", "-o", program, "github.com/modelcontextprotocol/go-sdk/conformance/everything-server")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the go-sdk's conformance server: %v\n%s", err, out)
	}
	address := installation.FreeAddress(t)
	args := []string{"-http=" + address}
	if !stateless {
		args = append(args, "-stateless=false")
	}
	installation.Start(t, filepath.Join(t.TempDir(), "log"), program, args...)
	installation.Serves(t, address)
	return "http://" + address + "/mcp"
}

func TestServer20251125(t *testing.T) { t.Parallel(); serverRevision(t, "2025-11-25", false) }

func TestServer20260728(t *testing.T) { t.Parallel(); serverRevision(t, "2026-07-28", true) }

// serverRevision holds the verdicts that a server gets through the gateway against those that it gets without it.
func serverRevision(t *testing.T, revision string, stateless bool) {
	upstream := everythingServer(t, stateless)
	direct := map[string][]string{} // :: scenario → verdicts
	scenarios := required(t, revision, "server")
	t.Run("direct", func(t *testing.T) {
		for _, s := range scenarios {
			t.Run(s.name, func(t *testing.T) {
				r := conformance(t.Context(), "direct", revision, s.name, nil, "server", "--force", "--url", upstream)
				direct[s.name] = summary(r)
				if s.unscored == "" {
					judged.judge(t, r)
				}
			})
		}
	})
	t.Run("gateway", func(t *testing.T) {
		i := installation.Protect(t, upstream)
		f, address := forward(t, i)
		for _, s := range scenarios {
			t.Run(s.name, func(t *testing.T) {
				r := conformance(t.Context(), "server", revision, s.name, nil, "server", "--force", "--url", address)
				if got := summary(r); !slices.Equal(others(got), others(direct[s.name])) || slices.Contains(got, ours+" FAILURE") {
					t.Errorf("through the gateway:\n  %s\nwithout it:\n  %s\nthe suite wrote:\n%s",
						strings.Join(got, "\n  "), strings.Join(direct[s.name], "\n  "), r.output)
				}
				if s.unscored != "" {
					judged.show(r, s.unscored)
					return
				}
				judged.judge(t, r)
			})
		}
		f.check(t)
		recorded(t, i, f)
	})
	t.Cleanup(func() { judged.stale(t, "server", revision) })
}

// TestProgressIsNeverLost runs the scenario that lost its result now and then through a proxy which ends an answer before
// it has handed on the last event: once says little there.
func TestProgressIsNeverLost(t *testing.T) {
	t.Parallel()
	const scenario = "tools-call-with-progress"
	for revision, stateless := range map[string]bool{"2025-11-25": false, "2026-07-28": true} {
		t.Run(revision, func(t *testing.T) {
			i := installation.Protect(t, everythingServer(t, stateless))
			f, address := forward(t, i)
			for n := range 15 {
				r := conformance(t.Context(), "again", revision, scenario, nil, "server", "--force", "--url", address)
				for _, verdict := range summary(r) {
					if !strings.HasSuffix(verdict, " SUCCESS") {
						t.Errorf("run %d: %s", n+1, verdict)
					}
				}
				if r.err != nil || len(summary(r)) == 0 {
					t.Fatalf("run %d: %v\n%s", n+1, r.err, r.output)
				}
			}
			f.check(t)
			recorded(t, i, f)
		})
	}
}

// ours is a check of what the gateway answers by itself: a task that nobody is known to have is nobody's, and no server is
// asked about it. It must succeed, also where the server's own answer would not.
const ours = "sep-2663-tasks-get-invalid-task-id-32602"

// others are the verdicts on what the server answers.
func others(all []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(v string) bool { return strings.HasPrefix(v, ours+" ") })
}

// summary is what must be the same with the gateway and without it: which checks were made, and how each ended.
func summary(r run) []string {
	var all []string
	for _, c := range r.checks {
		if c.Status != "INFO" {
			all = append(all, c.ID+" "+c.Status)
		}
	}
	slices.Sort(all)
	return all
}
