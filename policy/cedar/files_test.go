package cedar_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/policy/cedar"
)

// What is not read and looks as if it were is an error: a guardrail that does not hold is missed by nobody.
func TestFilesThatWouldNotBeRead(t *testing.T) {
	const manifest = "id: a\nservers: {crm: {definitions: any}}\n"
	for name, want := range map[string]string{
		"guardrail/a.cedar": "would not be read", "Guardrails/a.cedar": "would not be read", "a.cedar": "would not be read", "servers/a.cedar": "would not be read",
		"guardrails/a.CEDAR": "would not be read", "policies/crm/a.cedar": "would not be read", "entities/a.yml": "would not be read", "entities/people/a.yaml": "would not be read",
		"tests/a.yml": "would not be read", "schema/old/crm.json": "would not be read",
		"README.md": "", "tests/README": "", ".git/a.cedar": "", "guardrails/.a.cedar.swp": "", "guardrails/a.cedar~": "", "results.json": "", "guardrails/deep/a.cedar": "",
	} {
		dir := t.TempDir()
		for file, text := range map[string]string{"bundle.yaml": manifest, name: ""} {
			path := filepath.Join(dir, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := cedar.ReadFiles(os.DirFS(dir)); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir, elsewhere := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bundle.yaml"), []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, filepath.Join(dir, "guardrails")); err != nil {
		t.Skip(err)
	}
	if _, err := cedar.ReadFiles(os.DirFS(dir)); err == nil || !strings.Contains(err.Error(), "guardrails: a link to a directory is not followed") {
		t.Errorf("guardrails that lie elsewhere: %v", err)
	}
}
