package store_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/audit"
)

// theLog is both of what a store of the log is.
type theLog interface {
	audit.Leaves
	audit.Checkpoints
}

// onLeaves runs one contract on every store of the log: what holds for files holds for PostgreSQL.
func onLeaves(t *testing.T, contract func(*testing.T, theLog, func() theLog)) {
	t.Run("files", func(t *testing.T) {
		dir := t.TempDir()
		var last *audit.Segments
		open := func() theLog {
			if last != nil {
				if err := last.Close(); err != nil {
					t.Fatal(err)
				}
			}
			s, err := audit.OpenSegments(dir, func() time.Time { return start }, audit.SegmentOptions{MaxBytes: 1000})
			if err != nil {
				t.Fatal(err)
			}
			last = s
			return s
		}
		t.Cleanup(func() { _ = last.Close() })
		contract(t, open(), open)
	})
	t.Run("postgres", func(t *testing.T) {
		open := sequencers(t, postgres(t))
		contract(t, open(), open)
	})
}

func leavesOf(from, n int) (all [][]byte) {
	for i := range n {
		all = append(all, []byte(fmt.Sprintf(`{"v":1,"id":"%d","pad":"%s"}`, from+i, strings.Repeat("x", (from+i)%97))))
	}
	return all
}

// The tree and the bytes are those that package tlog gives for the leaves, however they were split into batches.
func TestTheLogIsOneTreeOverItsBytes(t *testing.T) {
	onLeaves(t, func(t *testing.T, l theLog, reopen func() theLog) {
		var all [][]byte
		var stored []tlog.Hash
		own := tlog.HashReaderFunc(func(numbers []int64) (h []tlog.Hash, err error) {
			for _, n := range numbers {
				h = append(h, stored[n])
			}
			return h, nil
		})
		for _, n := range []int{1, 1, 2, 3, 1, 255, 256, 257, 5, 1024, 1, 7} {
			batch := leavesOf(len(all), n)
			first, err := l.Append(t.Context(), batch)
			if err != nil || first != int64(len(all)) {
				t.Fatalf("appending %d after %d: first %d, %v", n, len(all), first, err)
			}
			for _, b := range batch {
				h, err := tlog.StoredHashes(int64(len(all)), b, own)
				if err != nil {
					t.Fatal(err)
				}
				all, stored = append(all, b), append(stored, h...)
			}
			want, err := tlog.TreeHash(int64(len(all)), own)
			if err != nil {
				t.Fatal(err)
			}
			got, err := tlog.TreeHash(int64(len(all)), l.Hashes(t.Context()))
			if err != nil || got != want {
				t.Fatalf("tree of %d: %s, want %s, %v", len(all), got, want, err)
			}
			if n == 257 {
				l = reopen()
			}
		}
		if size, err := l.Size(t.Context()); err != nil || size != int64(len(all)) {
			t.Errorf("size %d, %v", size, err)
		}
		for _, at := range []struct{ from, n, want int }{{0, 10, 10}, {0, 100_000, len(all)}, {6, 3, 3}, {len(all) - 1, 5, 1}, {len(all), 5, 0}, {len(all) + 5, 5, 0}, {500, 600, 600}, {3, 0, 0}} {
			got, err := l.Read(t.Context(), int64(at.from), at.n)
			if err != nil || len(got) != at.want {
				t.Fatalf("reading %d from %d: %d, %v", at.n, at.from, len(got), err)
			}
			for i, b := range got {
				if !bytes.Equal(b, all[at.from+i]) {
					t.Fatalf("record %d is %q", at.from+i, b)
				}
			}
		}
		every := make([]int64, len(stored))
		for i := range every {
			every[i] = int64(i)
		}
		for range 2 { // the second time some come from memory
			got, err := l.Hashes(t.Context()).ReadHashes(every)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(stored, got); diff != "" {
				t.Fatalf("stored hashes (-want +got)\n%s", diff)
			}
		}
		if _, err := l.Hashes(t.Context()).ReadHashes([]int64{int64(len(stored))}); err == nil {
			t.Error("a hash was read that is not there")
		}
	})
}

func TestWhatCannotBeARecordIsRefusedWhole(t *testing.T) {
	onLeaves(t, func(t *testing.T, l theLog, _ func() theLog) {
		for what, leaves := range map[string][][]byte{"an empty one": {[]byte("a"), {}}, "one too long": {[]byte("a"), bytes.Repeat([]byte("x"), 256<<10+1)}} {
			if _, err := l.Append(t.Context(), leaves); err == nil {
				t.Errorf("%s was kept", what)
			}
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		_, lost := l.Append(gone, leavesOf(0, 1))
		if size, err := l.Size(t.Context()); err != nil || lost != nil && size != 0 {
			t.Errorf("size %d, %v, after %v", size, err, lost)
		}
	})
}

// Bodies that were dropped are nil; the tree and the proofs stay.
func TestDroppedBodiesLeaveTheTree(t *testing.T) {
	onLeaves(t, func(t *testing.T, l theLog, reopen func() theLog) {
		for n := range 20 {
			if _, err := l.Append(t.Context(), leavesOf(n*10, 10)); err != nil {
				t.Fatal(err)
			}
		}
		before, err := tlog.TreeHash(200, l.Hashes(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		gone, err := l.Drop(t.Context(), 55)
		if err != nil || gone > 55 {
			t.Fatalf("gone %d, %v", gone, err)
		}
		l = reopen()
		after, err := tlog.TreeHash(200, l.Hashes(t.Context()))
		if err != nil || after != before {
			t.Errorf("tree %s, was %s, %v", after, before, err)
		}
		got, err := l.Read(t.Context(), 0, 200)
		if err != nil || len(got) != 200 {
			t.Fatal(len(got), err)
		}
		for i, b := range got {
			if (b == nil) != (int64(i) < gone) {
				t.Errorf("record %d: %q, with %d gone", i, b, gone)
			}
		}
		if first, err := l.Append(t.Context(), leavesOf(200, 1)); err != nil || first != 200 {
			t.Errorf("appending after it: %d, %v", first, err)
		}
	})
}

// note is a checkpoint as far as a store looks at one, with a number of signatures of the log's own.
func note(t *testing.T, l theLog, size int64, signatures int) []byte {
	t.Helper()
	root, err := tlog.TreeHash(size, l.Hashes(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	return []byte(fmt.Sprintf("example.com/audit\n%d\n%s\n\n%s", size, root, strings.Repeat("— example.com/audit AAAA\n", signatures)))
}

func TestCheckpointsOnlyGrow(t *testing.T) {
	onLeaves(t, func(t *testing.T, l theLog, reopen func() theLog) {
		if b, err := l.Latest(t.Context()); b != nil || err != nil {
			t.Fatalf("of an empty log: %q, %v", b, err)
		}
		if _, err := l.Append(t.Context(), leavesOf(0, 50)); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct{ size, want int64 }{{10, 10}, {20, 20}, {15, 20}, {50, 50}, {49, 50}} {
			if err := l.Publish(t.Context(), c.size, note(t, l, c.size, 1)); err != nil {
				t.Fatal(err)
			}
			if b, err := l.Latest(t.Context()); err != nil || !bytes.Equal(b, note(t, l, c.want, 1)) {
				t.Errorf("after %d: %q, %v", c.size, b, err)
			}
		}
		both := note(t, l, 50, 2)
		if err := l.Publish(t.Context(), 50, both); err != nil {
			t.Fatal(err)
		}
		for what, c := range map[string]struct {
			size int64
			text []byte
		}{"another size": {49, both}, "another root": {50, bytes.Replace(note(t, l, 49, 1), []byte("49"), []byte("50"), 1)}, "no checkpoint": {50, []byte("50")}} {
			if err := l.Publish(t.Context(), c.size, c.text); err == nil {
				t.Errorf("%s was published", what)
			}
		}
		if b, err := reopen().Latest(t.Context()); err != nil || !bytes.Equal(b, both) {
			t.Errorf("at the end: %q, %v", b, err)
		}
	})
}

func TestMarksAreTheLastOfEachNode(t *testing.T) {
	onLeaves(t, func(t *testing.T, l theLog, _ func() theLog) {
		want := []audit.Mark{{Node: "a", Boot: "2", Floor: 9, Seen: start.Add(time.Second)}, {Node: "b", Boot: "1", Floor: 4, Seen: start}}
		for _, m := range []audit.Mark{{Node: "a", Boot: "1", Floor: 3, Seen: start}, want[1], want[0]} {
			if err := l.Mark(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		got, err := l.Marks(t.Context())
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got)\n%s", err, diff)
		}
	})
}
