package audit_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/audit/verify"
	"github.com/doorward-mcp/doorward/seal"
)

// TestCrashOfSegments kills a process at each point at which it writes, one after another. What it had said to be durable is
// there, and the log goes on without being asked.
func TestCrashOfSegments(t *testing.T) {
	if dir := os.Getenv("DOORWARD_TEST_LIFE"); dir != "" {
		lifeOfSegments(t, dir)
		return
	}
	program := filepath.Join(t.TempDir(), "audit-crash")
	if out, err := exec.Command("go", "test", "-c", "-tags", "crash", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	for n := 1; ; n++ {
		dir := t.TempDir()
		cmd := exec.Command(program, "-test.run=^TestCrashOfSegments$")
		cmd.Env = append(os.Environ(), "DOORWARD_TEST_LIFE="+dir, fmt.Sprint("DOORWARD_CRASH=", n))
		var points bytes.Buffer
		cmd.Stderr = &points
		said, err := cmd.Output()
		var exit *exec.ExitError
		if err == nil {
			if n < 50 {
				t.Errorf("only %d points were passed", n-1)
			}
			return
		}
		if !errors.As(err, &exit) || exit.Exited() {
			t.Fatalf("kill %d: %v\n%s", n, err, said)
		}
		where := strings.TrimSpace(points.String())
		survived(t, dir, string(said), where[strings.LastIndex(where, "\n")+1:])
	}
}

// survived opens what a killed process left.
func survived(t *testing.T, dir, said, where string) {
	t.Helper()
	var appended, published, keys int64
	for line := range strings.Lines(said) {
		for what, to := range map[string]*int64{"appended %d": &appended, "published %d": &published, "keys %d": &keys} {
			_, _ = fmt.Sscanf(line, what, to) // a line of another kind
		}
	}
	s, err := audit.OpenSegments(dir, newClock().now, audit.SegmentOptions{})
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	defer s.Close()
	n := size(t, s)
	if n < appended {
		t.Fatalf("%s: %d records are there, %d were durable", where, n, appended)
	}
	all, err := s.Read(t.Context(), 0, int(n))
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	for i, b := range all {
		if e, err := verify.Decode(b); b != nil && !bytes.Equal(b, leaf(i)) && (err != nil || e.Code != verify.KeyChange) {
			t.Fatalf("%s: record %d is %q", where, i, b)
		}
	}
	at, err := s.Latest(t.Context())
	if err != nil || published > 0 && at == nil {
		t.Fatalf("%s: the checkpoint of size %d is gone: %v", where, published, err)
	}
	k, err := audit.OpenKeyring(t.Context(), s, origin, lifeBox(t))
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	v, err := k.Verifiers(t.Context())
	if err != nil || int64(len(v)) < keys {
		t.Fatalf("%s: %d keys are there, %v", where, len(v), err)
	}
	settle(t, s, k, n)
	appendAll(t, s, leaf(int(n)))
	if got := size(t, s); got != n+1 {
		t.Fatalf("%s: after another record there are %d", where, got)
	}
}

func lifeBox(t *testing.T) *seal.Box {
	t.Helper()
	b, err := seal.New(make([]byte, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// lifeOfSegments is the process that is killed. It says what it has been told to be durable.
func lifeOfSegments(t *testing.T, dir string) {
	s := openSegments(t, dir, audit.SegmentOptions{MaxBytes: 500})
	k, err := audit.OpenKeyring(t.Context(), s, origin, lifeBox(t))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("keys 1")
	n := 0
	for round := range 6 {
		if round == 3 {
			n = rotateKeys(t, s, k, n)
			continue
		}
		appendAll(t, s, leaves(n, n+5+round)...)
		n += 5 + round
		fmt.Println("appended", n)
		sign(t, s, k, int64(n))
		if _, err := s.Drop(t.Context(), int64(n-15)); err != nil {
			t.Fatal(err)
		}
		if err := s.Mark(t.Context(), audit.Mark{Node: "n", Floor: int64(n)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	openSegments(t, dir, audit.SegmentOptions{}) // opening passes points too
}

func rotateKeys(t *testing.T, s *audit.Segments, k *audit.Keyring, n int) int {
	t.Helper()
	record, err := k.Rotate(t.Context(), newClock().now(), int64(n))
	if err != nil {
		t.Fatal(err)
	}
	appendAll(t, s, keyRecord(t, record))
	fmt.Println("appended", n+1)
	settle(t, s, k, int64(n+1))
	fmt.Println("keys 2")
	return n + 1
}

// settle ends a replacement of a key, if there is one, and signs what is due and then the tree of a size.
func settle(t *testing.T, s *audit.Segments, k *audit.Keyring, n int64) {
	t.Helper()
	if err := k.Settle(t.Context(), s, newClock().now().Add(1e12)); err != nil {
		t.Fatal(err)
	}
	due, err := k.Due(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if due > 0 {
		sign(t, s, k, due)
	}
	sign(t, s, k, n)
}

func sign(t *testing.T, s *audit.Segments, k *audit.Keyring, n int64) {
	t.Helper()
	h, err := tlog.TreeHash(n, s.Hashes(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	signers, err := k.Signers(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := note.Sign(&note.Note{Text: fmt.Sprintf("%s\n%d\n%s\n", origin, n, h)}, signers...)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Publish(t.Context(), n, msg); err != nil {
		t.Fatal(err)
	}
	fmt.Println("published", n)
	if err := k.Published(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}
