package audit_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/audit/verify"
	"github.com/doorward-mcp/doorward/seal"
)

const origin = "mcp.example.com/audit"

func box(t *testing.T) *seal.Box {
	t.Helper()
	b, err := seal.Parse(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// signed is which keys, by their place among the verifier keys, sign the tree of a size; nil if it is not known yet.
func signed(t *testing.T, k *audit.Keyring, size int64) []int {
	t.Helper()
	signers, err := k.Signers(t.Context(), size)
	if errors.Is(err, audit.ErrHandover) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	msg, err := note.Sign(&note.Note{Text: "x\n"}, signers...)
	if err != nil {
		t.Fatal(err)
	}
	all, err := k.Verifiers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []int
	for i, text := range all {
		v, err := note.NewVerifier(text)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := note.Open(msg, note.VerifierList(v)); err == nil && len(n.Sigs) == 1 {
			out = append(out, i)
		}
	}
	return out
}

func equal(t *testing.T, what string, have, want []int) {
	t.Helper()
	if len(have) != len(want) {
		t.Errorf("%s: signed by %v, want %v", what, have, want)
		return
	}
	for i := range have {
		if have[i] != want[i] {
			t.Errorf("%s: signed by %v, want %v", what, have, want)
		}
	}
}

func keyRecord(t *testing.T, n *verify.Note) []byte {
	t.Helper()
	b, err := verify.Encode(&verify.Entry{V: verify.Version, Code: verify.KeyChange, Phase: verify.Notice, Notice: n})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAKeyHandsOver(t *testing.T) {
	dir, b, c := t.TempDir(), box(t), newClock()
	s := openSegments(t, dir, audit.SegmentOptions{})
	k, err := audit.OpenKeyring(t.Context(), s, origin, b)
	if err != nil {
		t.Fatal(err)
	}
	appendAll(t, s, leaves(0, 4)...)
	equal(t, "before", signed(t, k, 4), []int{0})

	n, err := k.Rotate(t.Context(), c.now(), 4)
	if err != nil {
		t.Fatal(err)
	}
	old, err := note.NewVerifier(n.Old)
	if err != nil {
		t.Fatal(err)
	}
	if said, err := note.Open([]byte(n.Signed), note.VerifierList(old)); err != nil || said.Text != verify.Rotation(origin, n.New) {
		t.Errorf("the old key did not sign that it hands over: %v", err)
	}
	equal(t, "a tree from before", signed(t, k, 4), []int{0})
	equal(t, "a tree that may have the record", signed(t, k, 5), nil)
	if _, err := k.Rotate(t.Context(), c.now(), 4); !errors.Is(err, audit.ErrHandover) {
		t.Errorf("a second replacement began: %v", err)
	}

	appendAll(t, s, leaf(4), keyRecord(t, n), leaf(6))
	// The process ends here; the one after it finds out.
	k, err = audit.OpenKeyring(t.Context(), s, origin, b)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "not settled", signed(t, k, 7), nil)
	if err := k.Settle(t.Context(), s, c.now()); err != nil {
		t.Fatal(err)
	}
	if due, err := k.Due(t.Context()); due != 6 || err != nil {
		t.Errorf("due is the tree of size %d, %v", due, err)
	}
	equal(t, "a larger tree before that of the handover", signed(t, k, 7), nil)
	equal(t, "the tree of the handover", signed(t, k, 6), []int{0, 1})
	equal(t, "a smaller tree", signed(t, k, 5), []int{0})
	if err := k.Published(t.Context(), 6); err != nil {
		t.Fatal(err)
	}
	equal(t, "the tree of the handover again", signed(t, k, 6), []int{0, 1})
	equal(t, "a larger tree", signed(t, k, 7), []int{1})
	if err := k.Published(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Signers(t.Context(), 5); err == nil {
		t.Error("the old key is still there")
	}
	equal(t, "a larger tree", signed(t, k, 8), []int{1})

	text, err := os.ReadFile(filepath.Join(dir, "log.pub"))
	if err != nil || string(text) != n.Old+"\n"+n.New+"\n" {
		t.Errorf("log.pub is %q, %v", text, err)
	}
	sealed, _ := os.ReadFile(filepath.Join(dir, "log.keys"))
	if strings.Contains(string(sealed), "PRIVATE") {
		t.Error("log.keys is not sealed")
	}
}

func TestAKeyWhoseRecordNeverCameIsGivenUp(t *testing.T) {
	c := newClock()
	s := openSegments(t, t.TempDir(), audit.SegmentOptions{})
	k, err := audit.OpenKeyring(t.Context(), s, origin, box(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Rotate(t.Context(), c.now(), 0); err != nil {
		t.Fatal(err)
	}
	appendAll(t, s, leaves(0, 3)...)
	c.step(30 * time.Second)
	if err := k.Settle(t.Context(), s, c.now()); err != nil {
		t.Fatal(err)
	}
	equal(t, "after 30 seconds", signed(t, k, 3), nil)
	c.step(time.Minute)
	if err := k.Settle(t.Context(), s, c.now()); err != nil {
		t.Fatal(err)
	}
	equal(t, "after 90 seconds", signed(t, k, 3), []int{0})
}

func TestKeyringsRefuse(t *testing.T) {
	s := openSegments(t, t.TempDir(), audit.SegmentOptions{})
	b := box(t)
	if _, err := audit.OpenKeyring(t.Context(), s, origin, b); err != nil {
		t.Fatal(err)
	}
	if _, err := audit.OpenKeyring(t.Context(), s, "other.example.com/audit", b); err == nil || !strings.Contains(err.Error(), origin) {
		t.Errorf("the keys of another origin: %v", err)
	}
	if _, err := audit.OpenKeyring(t.Context(), s, origin, box(t)); !errors.Is(err, seal.ErrWrongKey) {
		t.Errorf("another box: %v", err)
	}
}

// Several processes that start together have one key.
func TestKeyringsThatStartTogether(t *testing.T) {
	s := openSegments(t, t.TempDir(), audit.SegmentOptions{})
	b := box(t)
	var work sync.WaitGroup
	found := make([]string, 8)
	for i := range found {
		work.Go(func() {
			k, err := audit.OpenKeyring(context.Background(), s, origin, b)
			if err != nil {
				t.Error(err)
				return
			}
			all, err := k.Verifiers(context.Background())
			if err != nil || len(all) != 1 {
				t.Errorf("verifier keys %q, %v", all, err)
				return
			}
			found[i] = all[0]
		})
	}
	work.Wait()
	for _, one := range found {
		if one != found[0] {
			t.Errorf("two keys: %q", found)
		}
	}
}
