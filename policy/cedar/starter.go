package cedar

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Starter is a small bundle to begin with: everybody whom this installation lets in may use what the token's scopes allow. It is
// what protect writes.
func Starter(id string, servers ...string) Files {
	slices.Sort(servers)
	files := Files{}
	var b strings.Builder
	fmt.Fprintf(&b, "# What may be done here, and by whom: docs/policy.md says how to write more.\nid: %s\nservers:\n", id)
	for _, name := range servers {
		fmt.Fprintf(&b, "  # any: tools need no acceptance, and rules cannot look at their arguments. To have both:\n  #   doorward policy schema %s\n  %s: {definitions: any}\n", name, name)
		files["servers/"+name+"/rules.cedar"] = fmt.Appendf(nil, `// Everybody whom this installation lets in may use what the token's scopes allow.
@id("%[1]s.everybody")
permit (
  principal,
  action in Action::"%[1]s/*",
  resource == Server::"%[1]s"
);
`, name)
	}
	files["bundle.yaml"] = []byte(b.String())
	return files
}

// Write writes the files into a directory, which is made if it is not there. It replaces no file: the error is fs.ErrExist then,
// and nothing of it is written.
func (f Files) Write(dir string) error {
	for name := range f {
		if _, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(name))); err == nil {
			return fmt.Errorf("writing a policy bundle: %s: %w", filepath.Join(dir, name), fs.ErrExist)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f)) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return fmt.Errorf("writing a policy bundle: %w", err)
		}
		if err := os.WriteFile(path, f[name], 0o600); err != nil {
			return fmt.Errorf("writing a policy bundle: %w", err)
		}
	}
	return nil
}
