package audit_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	fnote "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/audit/export"
	"github.com/doorward-mcp/doorward/audit/verify"
)

const origin = "mcp.example.com/audit"

// journal is a log in files, served as tiles.
type journal struct {
	*audit.Segments
	t       *testing.T
	signer  note.Signer
	key     note.Verifier
	fetcher *client.HTTPFetcher
}

func newJournal(t *testing.T, signer note.Signer, key note.Verifier) *journal {
	t.Helper()
	s, err := audit.OpenSegments(t.TempDir(), time.Now, audit.SegmentOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	tiles := &export.Tiles{Leaves: s, Checkpoints: s, Log: slog.New(slog.DiscardHandler), Auditor: func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer auditor" }}
	server := httptest.NewServer(http.StripPrefix("/audit/log", tiles))
	t.Cleanup(server.Close)
	at, err := url.Parse(server.URL + "/audit/log/")
	if err != nil {
		t.Fatal(err)
	}
	f, err := client.NewHTTPFetcher(at, server.Client())
	if err != nil {
		t.Fatal(err)
	}
	f.SetAuthorizationHeader("Bearer auditor")
	return &journal{s, t, signer, key, f}
}

func newKey(t *testing.T) (note.Signer, note.Verifier) {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	return signer, key
}

func record(word string, i int64) []byte { return fmt.Appendf(nil, `{"v":1,"id":"%s %d"}`, word, i) }

// grow appends records and publishes a checkpoint, which it gives.
func (j *journal) grow(n int, word string) []byte {
	j.t.Helper()
	ctx := context.Background()
	size, err := j.Size(ctx)
	if err != nil {
		j.t.Fatal(err)
	}
	leaves := make([][]byte, n)
	for i := range leaves {
		leaves[i] = record(word, size+int64(i))
	}
	if _, err := j.Append(ctx, leaves); err != nil {
		j.t.Fatal(err)
	}
	size += int64(n)
	root, err := tlog.TreeHash(size, j.Hashes(ctx))
	if err != nil {
		j.t.Fatal(err)
	}
	signed, err := note.Sign(&note.Note{Text: verify.Checkpoint{Origin: origin, Size: size, Root: root}.Text()}, j.signer)
	if err != nil {
		j.t.Fatal(err)
	}
	if err := j.Publish(ctx, size, signed); err != nil {
		j.t.Fatal(err)
	}
	return signed
}

// steps are sizes around the edges of tiles.
var steps = []int{1, 1, 5, 248, 1, 1, 255, 256, 1000, 3}

// TestTesseraFollowsTheLog has Tessera's client follow the log through every step, and prove records of it.
func TestTesseraFollowsTheLog(t *testing.T) {
	signer, key := newKey(t)
	j := newJournal(t, signer, key)
	j.grow(steps[0], "record")
	tracker, err := client.NewLogStateTracker(t.Context(), j.fetcher.ReadTile, nil, key, origin, client.UnilateralConsensus(j.fetcher.ReadCheckpoint))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range steps[1:] {
		j.grow(n, "record")
		if _, _, _, err := tracker.Update(t.Context()); err != nil {
			t.Fatalf("a step of %d records: %v", n, err)
		}
		size, _ := j.Size(t.Context())
		if got := tracker.Latest(); got.Size != uint64(size) {
			t.Fatalf("Tessera has %d records of %d", got.Size, size)
		}
	}
	latest := tracker.Latest()
	pb, err := client.NewProofBuilder(t.Context(), latest.Size, j.fetcher.ReadTile)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []uint64{0, 1, 6, 255, 256, 511, 512, 1000, latest.Size - 1} {
		path, err := pb.InclusionProof(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		leaf := rfc6962.DefaultHasher.HashLeaf(record("record", int64(i)))
		if err := proof.VerifyInclusion(rfc6962.DefaultHasher, i, latest.Size, leaf, path, latest.Hash); err != nil {
			t.Errorf("record %d: %v", i, err)
		}
		// What we prove is what Tessera proves.
		newest, _ := j.Latest(t.Context())
		text, err := export.Proof(t.Context(), j, newest, int64(i))
		if err != nil {
			t.Fatal(err)
		}
		ours, err := verify.ParseProof(text)
		if err != nil || len(ours.Hashes) != len(path) {
			t.Fatalf("record %d: %v, %d hashes against %d", i, err, len(ours.Hashes), len(path))
		}
		for k := range path {
			if !bytes.Equal(path[k], ours.Hashes[k][:]) {
				t.Errorf("record %d: hash %d of the proof is another one", i, k)
			}
		}
	}
}

func TestTesseraReadsTheRecords(t *testing.T) {
	signer, key := newKey(t)
	j := newJournal(t, signer, key)
	j.grow(700, "record")
	size := func(context.Context) (uint64, error) { return 700, nil }
	n := int64(0)
	unbundle := func(b []byte) ([][]byte, error) {
		var bundle api.EntryBundle
		err := bundle.UnmarshalText(b)
		return bundle.Entries, err
	}
	for e, err := range client.Entries(client.EntryBundles(t.Context(), 1, size, j.fetcher.ReadEntryBundle, 0, 700), unbundle) {
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(e.Entry, record("record", n)) || e.Index != uint64(n) {
			t.Fatalf("record %d is %q", e.Index, e.Entry)
		}
		n++
	}
	if n != 700 {
		t.Errorf("%d records", n)
	}
	j.fetcher.SetAuthorizationHeader("Bearer somebody")
	if _, err := j.fetcher.ReadEntryBundle(t.Context(), 0, 0); err == nil {
		t.Error("somebody who is no auditor has read records")
	}
}

// TestTesseraFindsAFork puts another history behind the address.
func TestTesseraFindsAFork(t *testing.T) {
	signer, key := newKey(t)
	j, fork := newJournal(t, signer, key), newJournal(t, signer, key)
	seen := j.grow(300, "record")
	tracker, err := client.NewLogStateTracker(t.Context(), fork.fetcher.ReadTile, seen, key, origin, client.UnilateralConsensus(fork.fetcher.ReadCheckpoint))
	if err != nil && !strings.Contains(err.Error(), "404") {
		t.Fatal(err)
	}
	fork.grow(299, "record")
	fork.grow(30, "another record")
	if tracker, err = client.NewLogStateTracker(t.Context(), fork.fetcher.ReadTile, seen, key, origin, client.UnilateralConsensus(fork.fetcher.ReadCheckpoint)); err != nil {
		t.Fatal(err)
	}
	var inconsistent client.ErrInconsistency
	if _, _, _, err := tracker.Update(t.Context()); !errors.As(err, &inconsistent) {
		t.Errorf("Tessera says %v", err)
	}
}

// TestOthersAcceptCosignatures has a witness of ours cosign, and a verifier that we did not write look at it; and the other way.
func TestOthersAcceptCosignatures(t *testing.T) {
	signer, key := newKey(t)
	j := newJournal(t, signer, key)
	witness, err := export.NewWitnessKey(rand.Reader, "witness.example/w1")
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := fnote.NewVerifierForCosignatureV1(witness.Public())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	w, err := export.OpenWitness(export.WitnessConfig{Dir: t.TempDir(), Key: witness, Logs: []note.Verifier{key}, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(w)
	defer server.Close()
	policy, err := verify.ReadPolicy([]byte("witness w " + witness.Public() + " " + server.URL + "\nquorum w\n"))
	if err != nil {
		t.Fatal(err)
	}
	asked, err := export.NewWitnesses(export.WitnessesConfig{Policy: policy, Leaves: j, Checkpoints: j, Client: server.Client(), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range steps {
		j.grow(n, "record")
		if err := asked.Submit(t.Context()); err != nil {
			t.Fatal(err)
		}
		newest, err := j.Latest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n, err := note.Open(newest, note.VerifierList(key, theirs))
		if err != nil || len(n.Sigs) != 2 {
			t.Fatalf("%q: %v", newest, err)
		}
		if at, err := fnote.CoSigV1Timestamp(n.Sigs[1]); err != nil || !at.Equal(now) {
			t.Errorf("cosigned at %v: %v", at, err)
		}
	}
	// The other way: their signer, our verifier.
	private, public, err := note.GenerateKey(rand.Reader, "other.example/w")
	if err != nil {
		t.Fatal(err)
	}
	cosigner, err := fnote.NewSignerForCosignatureV1(private)
	if err != nil {
		t.Fatal(err)
	}
	public, err = fnote.VKeyToCosignatureV1(public)
	if err != nil {
		t.Fatal(err)
	}
	newest, _ := j.Latest(t.Context())
	opened, _ := note.Open(newest, note.VerifierList(key))
	signed, err := note.Sign(&note.Note{Text: opened.Text}, cosigner)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := verify.Cosigner(public)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify.OpenNote(signed, note.VerifierList(ours)); err != nil {
		t.Error(err)
	}
}
