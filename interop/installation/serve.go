package installation

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Serve starts the built binary with a file, in which $LISTEN stands for an address that is free and $DATA for a directory. It
// ends with the test.
func Serve(t *testing.T, file string) Installation {
	t.Helper()
	program := Built(t, "DOORWARD", "doorward", "make build")
	dir := t.TempDir()
	i := Installation{Log: filepath.Join(dir, "log")}
	name := filepath.Join(dir, "doorward.yaml")
	text := strings.NewReplacer("$LISTEN", FreeAddress(t), "$DATA", filepath.Join(dir, "data")).Replace(file)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out := Start(t, i.Log, program, "--output", "json", "serve", "--config", name)
	if err := json.Unmarshal([]byte(firstLine(t, out, i.Log)), &i); err != nil {
		t.Fatalf("reading the line of doorward serve: %v", err)
	}
	return i
}
