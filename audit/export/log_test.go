package export_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/audit/export"
	"github.com/doorward-mcp/doorward/audit/verify"
)

const origin = "mcp.example.com/audit"

// journal is a log in files with one key.
type journal struct {
	*audit.Segments
	t    testing.TB
	dir  string
	key  note.Signer
	vkey string
}

func newJournal(t testing.TB) *journal {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	key, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	return openJournal(t, key, public)
}

func openJournal(t testing.TB, key note.Signer, vkey string) *journal {
	t.Helper()
	dir := t.TempDir()
	s, err := audit.OpenSegments(dir, time.Now, audit.SegmentOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &journal{s, t, dir, key, vkey}
}

// add keeps n records after those that are there. What they say hangs on the word.
func (j *journal) add(n int, word string) {
	j.t.Helper()
	size := j.size()
	leaves := make([][]byte, n)
	for i := range leaves {
		leaves[i] = fmt.Appendf(nil, "%s %d", word, size+int64(i))
	}
	if _, err := j.Append(context.Background(), leaves); err != nil {
		j.t.Fatal(err)
	}
}

func (j *journal) size() int64 {
	j.t.Helper()
	size, err := j.Size(context.Background())
	if err != nil {
		j.t.Fatal(err)
	}
	return size
}

// sign publishes a checkpoint and gives it.
func (j *journal) sign() []byte {
	j.t.Helper()
	size := j.size()
	root := verify.EmptyRoot
	if size > 0 {
		var err error
		if root, err = tlog.TreeHash(size, j.Hashes(context.Background())); err != nil {
			j.t.Fatal(err)
		}
	}
	signed, err := note.Sign(&note.Note{Text: verify.Checkpoint{Origin: origin, Size: size, Root: root}.Text()}, j.key)
	if err != nil {
		j.t.Fatal(err)
	}
	if err := j.Publish(context.Background(), size, signed); err != nil {
		j.t.Fatal(err)
	}
	return signed
}

func (j *journal) verifier() note.Verifier {
	j.t.Helper()
	v, err := note.NewVerifier(j.vkey)
	if err != nil {
		j.t.Fatal(err)
	}
	return v
}

func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

func newWitnessKey(t testing.TB, name string) export.WitnessKey {
	t.Helper()
	k, err := export.NewWitnessKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
