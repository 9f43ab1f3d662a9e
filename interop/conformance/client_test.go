//go:build conformance

package conformance

import (
	"testing"

	"github.com/doorward-mcp/doorward/interop/installation"
)

func clientScenario(t *testing.T, revision string, s scenario) {
	t.Run(s.name, func(t *testing.T) {
		t.Parallel()
		args := []string{"client", "--command", installation.Built(t, "CONFORMANCE_CLIENT", "conformance-client", "make conformance-client")}
		if s.unscored != "" {
			// Extensions stand in no revision: without force they are not run at all.
			judged.show(conformance(t.Context(), "client", revision, s.name, nil, append(args, "--force")...), s.unscored)
			return
		}
		judged.judge(t, conformance(t.Context(), "client", revision, s.name, nil, args...))
	})
}

func clientRevision(t *testing.T, revision string) {
	for _, s := range required(t, revision, "client") {
		clientScenario(t, revision, s)
	}
	t.Cleanup(func() { judged.stale(t, "client", revision) })
}

func TestClient20251125(t *testing.T) { clientRevision(t, "2025-11-25") }

func TestClient20260728(t *testing.T) { clientRevision(t, "2026-07-28") }

// TestClientBackcompat runs what the suite has for servers of 2025-03-26, which no list of requirements names.
func TestClientBackcompat(t *testing.T) {
	for _, name := range []string{
		"auth/2025-03-26-oauth-metadata-backcompat",
		"auth/2025-03-26-oauth-endpoint-fallback",
	} {
		clientScenario(t, "2025-03-26", scenario{name: name})
	}
}
