package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/seal"
	"github.com/doorward-mcp/doorward/store"
)

func TestAFileThatIsNotOursIsLeftAlone(t *testing.T) {
	box, err := seal.New(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	ours := filepath.Join(t.TempDir(), "ours.db")
	db, err := store.Open(t.Context(), "sqlite:"+ours, box)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(ours)
	if err != nil {
		t.Fatal(err)
	}
	torn := append([]byte(nil), whole...)
	for i := range torn[100:4000] {
		torn[100+i] = 0xff
	}
	foreign := append([]byte(nil), whole...)
	copy(foreign[68:72], "abcd") // the application id, SQLite file format §1.3.17
	for what, content := range map[string][]byte{"a text": []byte(strings.Repeat("not a database ", 1000)), "a torn database": torn, "another program's database": foreign} {
		t.Run(what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.db")
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := store.Open(t.Context(), "sqlite:"+path, box)
			if !errors.Is(err, store.ErrUnreadable) || !strings.Contains(err.Error(), path) {
				t.Errorf("opening: %v", err)
			}
			if after, err := os.ReadFile(path); err != nil || string(after) != string(content) {
				t.Errorf("the file was changed: %v", err)
			}
		})
	}
}

func TestTheDatabaseIsPrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes are the directory's there")
	}
	box, err := seal.New(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(dir, "doorward.db"), box)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o, %v", e.Name(), info.Mode().Perm(), err)
		}
	}
}
