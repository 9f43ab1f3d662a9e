package doorward_test

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward"
	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/seal"
)

// No server can take an address of the installation's own: what the configuration refuses is the whole list of them.
func TestTheInstallationsOwnPathsAreReserved(t *testing.T) {
	dir := t.TempDir()
	box, err := seal.OpenKeyFile(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	open := func(path string) (*doorward.Installation, error) {
		s := config.Server{Resource: oauth.Resource{Devices: true}, Path: path, Demo: true}
		return doorward.Open(t.Context(), config.Config{Policy: config.Policy{Word: config.ScopesOnly}, PublicURL: "https://mcp.example.com", Data: dir, Servers: map[string]config.Server{"a": s}},
			doorward.Environment{Box: box, Audit: audit.Slog(slog.DiscardHandler), Slog: slog.New(slog.DiscardHandler)})
	}
	in, err := open("/a")
	if err != nil {
		t.Fatal(err)
	}
	paths := doorward.Paths(in)
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if len(paths) < 20 {
		t.Errorf("only %d paths", len(paths))
	}
	for _, path := range paths {
		if !config.Reserved(path) {
			t.Errorf("%s is answered, and not reserved", path)
		}
	}
	// A configuration that nobody checked is refused too.
	if _, err := open("/token"); err == nil {
		t.Error("a server has the path /token")
	}
}

// A configuration that nobody checked and that names no policy opens nothing: that scopes are enough is said, never assumed.
func TestNoPolicyOpensNothing(t *testing.T) {
	dir := t.TempDir()
	box, err := seal.OpenKeyFile(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]config.Policy{"none": {}, "a word that nobody knows": {Word: "allow"}, "a shadow alone": {Shadow: dir}, "no directory": {Bundle: filepath.Join(dir, "none")}} {
		in, err := doorward.Open(t.Context(), config.Config{Policy: p, PublicURL: "https://mcp.example.com", Data: dir, Servers: map[string]config.Server{"a": {Path: "/a", Demo: true}}},
			doorward.Environment{Box: box, Audit: audit.Slog(slog.DiscardHandler), Slog: slog.New(slog.DiscardHandler)})
		if err == nil {
			_ = in.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "policy: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
