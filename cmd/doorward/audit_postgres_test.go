package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The log in PostgreSQL is copied into the same files as one that is kept in files, and they verify; query, show and erasure work over it.
func TestTheLogInPostgresIsCopiedAndVerifies(t *testing.T) {
	s := protectFile(t, plainFile+"database: '"+privatePostgres(t)+"'\n")
	if _, err := os.Stat(filepath.Join(s.ready.Data, "audit")); err == nil {
		t.Error("there are files of the log beside PostgreSQL")
	}
	_, got := s.connect()
	if a := s.call(got.Access, "add", `{"a":4101,"b":2}`); a.StatusCode != 200 || !strings.Contains(a.body, "4103") {
		t.Fatal(a.Status, a.body)
	}
	run := func(want int, args ...string) string {
		t.Helper()
		status, out, wrong := doorwardCommand(t, append(args, "--data", s.ready.Data)...)
		if status != want {
			t.Fatalf("%q: status %d\n%s%s", args, status, out, wrong)
		}
		return out
	}
	until := func(text string, args ...string) string {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			if out := run(0, args...); strings.Contains(out, text) {
				return out
			}
			if time.Now().After(end) {
				t.Fatalf("%q: %q does not come", args, text)
			}
		}
	}
	row := until("outcome", "audit", "query", "--code", "mcp.called")
	fields := strings.Fields(strings.Split(row, "\n")[1])
	if out := run(0, "audit", "show", fields[len(fields)-1]); !strings.Contains(out, "sign-in") || strings.Contains(out, "4101") {
		t.Errorf("show: %s", out)
	}
	run(0, "admin", "user", "erase", "admin")
	until("privacy.erased", "audit", "export", "--format", "ocsf")
	dir := filepath.Join(t.TempDir(), "copy")
	run(0, "audit", "export", dir)
	pin, err := os.ReadFile(filepath.Join(dir, "log.pub"))
	if err != nil {
		t.Fatal(err)
	}
	if status, out, wrong := doorwardCommand(t, "audit", "verify", "--key", strings.TrimSpace(string(pin)), dir); status != 0 {
		t.Errorf("verify: status %d\n%s%s", status, out, wrong)
	}
	segments, err := filepath.Glob(filepath.Join(dir, "seg-*.log"))
	if err != nil || len(segments) != 1 {
		t.Fatal(segments, err)
	}
	b, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, clear := range []string{"4101", "4103", got.Access, "127.0.0.1\""} {
		if bytes.Contains(b, []byte(clear)) {
			t.Errorf("%q stands in the log", clear)
		}
	}
}
