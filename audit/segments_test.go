package audit_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/audit"
)

// clock is handed in as the time.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func openSegments(t testing.TB, dir string, o audit.SegmentOptions) *audit.Segments {
	t.Helper()
	s, err := audit.OpenSegments(dir, newClock().now, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// leaf is a record whose length hangs on its index.
func leaf(i int) []byte { return fmt.Appendf(nil, "record %d %s", i, strings.Repeat("x", i*7%60)) }

func leaves(from, to int) [][]byte {
	var all [][]byte
	for i := from; i < to; i++ {
		all = append(all, leaf(i))
	}
	return all
}

func appendAll(t testing.TB, s *audit.Segments, all ...[]byte) {
	t.Helper()
	if _, err := s.Append(t.Context(), all); err != nil {
		t.Fatal(err)
	}
}

func size(t testing.TB, s *audit.Segments) int64 {
	t.Helper()
	n, err := s.Size(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// root is computed from scratch, by package tlog alone.
func root(t testing.TB, all [][]byte) tlog.Hash {
	t.Helper()
	var stored []tlog.Hash
	read := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var out []tlog.Hash
		for _, i := range indexes {
			out = append(out, stored[i])
		}
		return out, nil
	})
	for i, one := range all {
		more, err := tlog.StoredHashes(int64(i), one, read)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, more...)
	}
	h, err := tlog.TreeHash(int64(len(all)), read)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// holds asserts that a log has exactly these records, and their tree. Nil stands for a body that is gone; real are all bodies.
func holds(t testing.TB, s *audit.Segments, want, real [][]byte) {
	t.Helper()
	if n := size(t, s); n != int64(len(want)) {
		t.Fatalf("the log has %d records, want %d", n, len(want))
	}
	have, err := s.Read(t.Context(), 0, len(want)+10)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.EqualFunc(have, want, func(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }) {
		t.Fatalf("the log has other records: %q, want %q", have, want)
	}
	h, err := tlog.TreeHash(int64(len(want)), s.Hashes(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	if w := root(t, real); h != w {
		t.Fatalf("the tree has root %v, from scratch it is %v", h, w)
	}
}

// note is a checkpoint as far as Segments read it.
func checkpoint(all [][]byte, h tlog.Hash) []byte {
	return fmt.Appendf(nil, "example.com/audit\n%d\n%s\n\n— example.com/audit AAAA\n", len(all), h)
}

func publish(t testing.TB, s *audit.Segments, all [][]byte) {
	t.Helper()
	if err := s.Publish(t.Context(), int64(len(all)), checkpoint(all, root(t, all))); err != nil {
		t.Fatal(err)
	}
}

func segmentFiles(t testing.TB, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "seg-*.log"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// snapshot is the content of a directory; restore brings it back.
func snapshot(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, f := range files {
		if out[f.Name()], err = os.ReadFile(filepath.Join(dir, f.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func restore(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range maps.All(files) {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestSegmentsKeepTheExactBytesInOrder(t *testing.T) {
	dir := t.TempDir()
	s := openSegments(t, dir, audit.SegmentOptions{})
	all := leaves(0, 300)
	for i := 0; i < len(all); {
		n := min(1+i%17, len(all)-i)
		first, err := s.Append(t.Context(), all[i:i+n])
		if err != nil || first != int64(i) {
			t.Fatalf("appended at %d, %v; want %d", first, err, i)
		}
		i += n
	}
	holds(t, s, all, all)
	for _, from := range []int64{0, 1, 63, 64, 65, 255, 299} {
		got, err := s.Read(t.Context(), from, 1)
		if err != nil || len(got) != 1 || !bytes.Equal(got[0], all[from]) {
			t.Errorf("record %d is %q, %v", from, got, err)
		}
	}
	if got, err := s.Read(t.Context(), 300, 5); err != nil || len(got) != 0 {
		t.Errorf("after the end there is %q, %v", got, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), all[:1]); err == nil {
		t.Error("a log that was closed takes records")
	}
	holds(t, openSegments(t, dir, audit.SegmentOptions{}), all, all)
}

func TestSegmentsRefuseRecordsThatNobodyCouldRead(t *testing.T) {
	s := openSegments(t, t.TempDir(), audit.SegmentOptions{})
	for name, bad := range map[string][]byte{"empty": {}, "too long": make([]byte, 256<<10+1)} {
		if _, err := s.Append(t.Context(), [][]byte{leaf(0), bad}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Append(ctx, leaves(0, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	holds(t, s, nil, nil)
}

// A crash may leave any part of the last batch, and hashes.dat with or without its hashes.
func TestSegmentsCutATornTailAtEveryByte(t *testing.T) {
	dir := t.TempDir()
	s := openSegments(t, dir, audit.SegmentOptions{})
	before, batch := leaves(0, 5), leaves(5, 9)
	appendAll(t, s, before...)
	publish(t, s, before)
	name := filepath.Base(segmentFiles(t, dir)[0])
	durable := len(snapshot(t, dir)[name])
	appendAll(t, s, batch...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files := snapshot(t, dir)
	all := append(slices.Clone(before), batch...)
	whole := files[name]
	for cut := durable; cut <= len(whole); cut++ {
		for _, zeros := range []int{0, 300} { // a file system may have made the file longer than what it wrote
			torn := maps.Clone(files)
			torn[name] = append(slices.Clone(whole[:cut]), make([]byte, zeros)...)
			d := restore(t, torn)
			s := openSegments(t, d, audit.SegmentOptions{})
			n := int(size(t, s))
			if n < 5 || cut == len(whole) && n != 9 {
				t.Fatalf("cut at %d: %d records are left", cut, n)
			}
			holds(t, s, all[:n], all[:n])
			appendAll(t, s, leaf(100))
			more := append(slices.Clone(all[:n]), leaf(100))
			holds(t, s, more, more)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			holds(t, openSegments(t, d, audit.SegmentOptions{}), more, more)
		}
	}
}

func TestSegmentsOpenWithAnyHashesFile(t *testing.T) {
	dir := t.TempDir()
	s := openSegments(t, dir, audit.SegmentOptions{MaxBytes: 500})
	all := leaves(0, 40)
	for i := 0; i < 30; i += 3 {
		appendAll(t, s, all[i:i+3]...)
	}
	publish(t, s, all[:30])
	appendAll(t, s, all[30:]...)
	_ = s.Close()
	files := snapshot(t, dir)
	full := files["hashes.dat"]
	damaged := map[string][]byte{"as it was": full, "deleted": nil, "empty": {}, "longer": append(slices.Clone(full), make([]byte, 999)...)}
	for cut := 0; cut < len(full); cut += 16 {
		damaged[fmt.Sprintf("cut at %d", cut)] = full[:cut]
	}
	edge := slices.Clone(full)
	at := tlog.StoredHashIndex(4, 0) * tlog.HashSize // a subtree that the checkpoint's root is made of
	edge[at] ^= 1
	damaged["a flipped bit under the checkpoint's root"] = edge
	hole := slices.Clone(full)
	clear(hole[tlog.StoredHashCount(30)*tlog.HashSize:])
	damaged["zeros after the checkpoint"] = hole
	for name, b := range damaged {
		t.Run(name, func(t *testing.T) {
			files := maps.Clone(files)
			files["hashes.dat"] = b
			if b == nil {
				delete(files, "hashes.dat")
			}
			d := restore(t, files)
			s := openSegments(t, d, audit.SegmentOptions{MaxBytes: 500})
			holds(t, s, all, all)
			if have := snapshot(t, d)["hashes.dat"]; !bytes.Equal(have, full) {
				t.Error("hashes.dat is not as it was")
			}
		})
	}
}

func TestSegmentsRefuseToOpen(t *testing.T) {
	dir := t.TempDir()
	s := openSegments(t, dir, audit.SegmentOptions{MaxBytes: 300})
	all := leaves(0, 40)
	for i := range all {
		appendAll(t, s, all[i])
	}
	publish(t, s, all[:35])
	_ = s.Close()
	files := snapshot(t, dir)
	var segments []string
	for _, name := range segmentFiles(t, dir) {
		segments = append(segments, filepath.Base(name))
	}
	if len(segments) < 6 {
		t.Fatalf("%d segments do not show much", len(segments))
	}
	last := segments[len(segments)-1]
	for name, c := range map[string]struct {
		harm func(map[string][]byte)
		want []string // in the error
	}{
		"a segment in the middle is missing": {func(f map[string][]byte) { delete(f, segments[2]) }, []string{segments[1], segments[3]}},
		"a frame in the middle is bad":       {func(f map[string][]byte) { f[segments[1]][10] ^= 1 }, []string{segments[1], "record"}},
		"a segment lost its end":             {func(f map[string][]byte) { f[segments[2]] = f[segments[2]][:20] }, []string{segments[2]}},
		"the last segments are missing": {func(f map[string][]byte) {
			for _, g := range segments[3:] {
				delete(f, g)
			}
		}, []string{"missing", "repair"}},
		"all segments are missing": {func(f map[string][]byte) {
			for _, g := range segments {
				delete(f, g)
			}
		}, []string{"index 0", "35", "repair"}},
		"an older state was brought back": {func(f map[string][]byte) {
			delete(f, last)
			f[segments[len(segments)-2]] = nil
		}, []string{"missing"}},
		"another record under a good frame": {func(f map[string][]byte) {
			f[segments[0]] = bytes.Clone(f[segments[0]])
			reframe(f[segments[0]])
			delete(f, "hashes.dat")
		}, []string{"35", "other ones"}},
		"the checkpoint has another root": {func(f map[string][]byte) { f["checkpoint"] = checkpoint(all[:35], tlog.Hash{1}) }, []string{"35"}},
		"the checkpoint is none":          {func(f map[string][]byte) { f["checkpoint"] = []byte("hello") }, []string{"checkpoint"}},
		"the first segments are gone, and so is the checkpoint": {func(f map[string][]byte) {
			delete(f, segments[0])
			delete(f, "checkpoint")
		}, []string{"index 0"}},
		"the first segments are gone, and so are the hashes": {func(f map[string][]byte) {
			delete(f, segments[0])
			delete(f, "hashes.dat")
		}, []string{"hashes.dat"}},
	} {
		t.Run(name, func(t *testing.T) {
			harmed := map[string][]byte{}
			for n, b := range files {
				harmed[n] = bytes.Clone(b)
			}
			c.harm(harmed)
			_, err := audit.OpenSegments(restore(t, harmed), newClock().now, audit.SegmentOptions{MaxBytes: 300})
			if err == nil {
				t.Fatal("opened")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("the error does not say %q: %v", w, err)
				}
			}
			if !errors.Is(err, audit.ErrDamaged) && name != "the checkpoint is none" {
				t.Errorf("not ErrDamaged: %v", err)
			}
		})
	}
}

// Of a large log, only the ends of older segments are looked at. That shows each segment that is missing, cut, or another one.
func TestALargeLogIsNotReadWhole(t *testing.T) {
	dir, o := t.TempDir(), audit.ReadLittle(audit.SegmentOptions{MaxBytes: 300})
	s := openSegments(t, dir, o)
	all := leaves(0, 40)
	for i := range all {
		appendAll(t, s, all[i])
	}
	publish(t, s, all[:38])
	_ = s.Close()
	files := snapshot(t, dir)
	s = openSegments(t, restore(t, files), o)
	holds(t, s, all, all)
	var segments []string
	for _, name := range segmentFiles(t, dir) {
		segments = append(segments, filepath.Base(name))
	}
	for name, harm := range map[string]func(map[string][]byte){
		"a segment is missing": func(f map[string][]byte) { delete(f, segments[2]) },
		"one lost its end":     func(f map[string][]byte) { f[segments[2]] = f[segments[2]][:len(f[segments[2]])-1] },
		"one lost its last record": func(f map[string][]byte) {
			f[segments[2]] = f[segments[2]][:bytes.LastIndex(f[segments[2]], []byte("record"))-8]
		},
		"one is empty":                   func(f map[string][]byte) { f[segments[2]] = nil },
		"one is another one":             func(f map[string][]byte) { f[segments[2]] = f[segments[3]] },
		"one begins with another record": func(f map[string][]byte) { reframe(f[segments[2]]) },
	} {
		harmed := map[string][]byte{}
		for n, b := range files {
			harmed[n] = bytes.Clone(b)
		}
		harm(harmed)
		_, err := audit.OpenSegments(restore(t, harmed), newClock().now, o)
		if !errors.Is(err, audit.ErrDamaged) || !strings.Contains(err.Error(), segments[2]) && !strings.Contains(err.Error(), segments[1]) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What is bad in the middle is found when it is read, by its index.
	harmed := maps.Clone(files)
	harmed[segments[1]] = bytes.Clone(files[segments[1]])
	harmed[segments[1]][70] ^= 1
	s = openSegments(t, restore(t, harmed), o)
	if _, err := s.Read(t.Context(), 0, 40); err == nil || !strings.Contains(err.Error(), segments[1]) || !strings.Contains(err.Error(), "record") {
		t.Errorf("a bad record was read: %v", err)
	}
}

// reframe changes the first record of a segment and makes its CRC right again.
func reframe(b []byte) {
	n := binary.BigEndian.Uint32(b)
	other := bytes.Clone(b[8 : 8+n])
	other[0] ^= 1
	copy(b, frame(other))
}
