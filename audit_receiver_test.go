package doorward_test

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward"
	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/registration"
	"github.com/doorward-mcp/doorward/seal"
)

// A secret that somebody could guess signs nothing.
func TestAShortSecretOfAReceiverIsRefused(t *testing.T) {
	dir := t.TempDir()
	box, err := seal.OpenKeyFile(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	c := config.Config{Policy: config.Policy{Word: config.ScopesOnly}, PublicURL: "https://mcp.example.com", Listen: "127.0.0.1:8080", Data: dir, Registration: config.Registration{Policy: registration.Policy{Mode: registration.ModeOpen}},
		Servers: map[string]config.Server{"a": {Path: "/a", Demo: true}}}
	c.Audit.Export = map[string]config.Export{"siem": {Kind: config.ExportWebhook, To: "https://siem.example.com", Secret: "${env:S}"}}
	for n, taken := range map[int]bool{1: false, 23: false, 24: true} {
		in, err := doorward.Open(t.Context(), c, doorward.Environment{Box: box, Slog: slog.New(slog.DiscardHandler),
			Lookup: func(string, string) (string, error) { return strings.Repeat("s", n), nil }})
		if (err == nil) != taken || !taken && !strings.Contains(err.Error(), "audit.export.siem") {
			t.Errorf("%d bytes: %v", n, err)
		}
		if err == nil {
			if err := in.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
