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
}

// Volumes of Kubernetes are mounted as links, which are changed all at once: those in the place of a bundle's directories are
// followed. One further below could lead in a circle, and is refused.
func TestFilesBehindLinks(t *testing.T) {
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"bundle.yaml": "id: a\nservers: {crm: {definitions: any}}\n", "guardrails/a.cedar": "// a", "servers/crm/b.cedar": "// b"} {
		path := filepath.Join(dir, "..2026_11_22", name)
		must(os.MkdirAll(filepath.Dir(path), 0o700))
		must(os.WriteFile(path, []byte(text), 0o600))
	}
	if err := os.Symlink("..2026_11_22", filepath.Join(dir, "..data")); err != nil {
		t.Skip(err)
	}
	for _, name := range []string{"bundle.yaml", "guardrails", "servers"} {
		must(os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)))
	}
	files, err := cedar.ReadFiles(os.DirFS(dir))
	if err != nil || len(files) != 3 || string(files["guardrails/a.cedar"]) != "// a" || string(files["servers/crm/b.cedar"]) != "// b" {
		t.Errorf("%v %v", files, err)
	}
	must(os.Symlink(dir, filepath.Join(dir, "..2026_11_22", "servers", "round")))
	if _, err := cedar.ReadFiles(os.DirFS(dir)); err == nil || !strings.Contains(err.Error(), "servers/round: a link to a directory is not followed") {
		t.Errorf("a circle: %v", err)
	}
}
