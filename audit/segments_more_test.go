package audit_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/audit/verify"
)

func frame(record []byte) []byte { return verify.AppendFrame(nil, record) }

func TestABatchStaysInOneSegment(t *testing.T) {
	dir := t.TempDir()
	s := openSegments(t, dir, audit.SegmentOptions{MaxBytes: 400})
	all := leaves(0, 60)
	appendAll(t, s, all[:5]...)
	appendAll(t, s, all[5:50]...) // larger than a segment
	appendAll(t, s, all[50:]...)
	files := segmentFiles(t, dir)
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimLeft(strings.TrimSuffix(strings.TrimPrefix(filepath.Base(f), "seg-"), ".log"), "0"))
	}
	if !slices.Equal(names, []string{"", "5", "50"}) {
		t.Errorf("segments begin at %q", names)
	}
	holds(t, s, all, all)
	_ = s.Close()
	holds(t, openSegments(t, dir, audit.SegmentOptions{}), all, all)
}

// A clock that is stepped makes segments shorter at most: no record is lost or moved, and age counts what was seen to pass.
func TestSegmentsWithAClockThatIsStepped(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	s, err := audit.OpenSegments(dir, c.now, audit.SegmentOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	all := leaves(0, 6)
	for i, step := range []time.Duration{0, 59 * time.Minute, -72 * time.Hour, 59 * time.Minute, 2 * time.Minute, 30 * 24 * time.Hour} {
		c.step(step)
		appendAll(t, s, all[i])
		want := []int{1, 1, 1, 1, 2, 3}[i]
		if n := len(segmentFiles(t, dir)); n != want {
			t.Errorf("after step %d there are %d segments, want %d", i, n, want)
		}
	}
	holds(t, s, all, all)
}

func TestASecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := openSegments(t, dir, audit.SegmentOptions{})
	_, err := audit.OpenSegments(dir, newClock().now, audit.SegmentOptions{})
	if err == nil || !strings.Contains(err.Error(), "one process") {
		t.Errorf("a second one opened the log: %v", err)
	}
	if _, _, err := audit.RepairSegments(dir, newClock().now); err == nil {
		t.Error("a log that is open was repaired")
	}
	_ = s.Close()
	openSegments(t, dir, audit.SegmentOptions{})
}

func TestAFileThatWasOnlyMadeIsNothing(t *testing.T) {
	dir := t.TempDir()
	s := openSegments(t, dir, audit.SegmentOptions{})
	all := leaves(0, 3)
	appendAll(t, s, all...)
	_ = s.Close()
	if err := os.WriteFile(filepath.Join(dir, "seg-00000000000000000003.log"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s = openSegments(t, dir, audit.SegmentOptions{})
	holds(t, s, all, all)
	appendAll(t, s, leaf(3))
	all = leaves(0, 4)
	holds(t, s, all, all)
}

func TestDropKeepsHashesAndTheLastSegment(t *testing.T) {
	dir := t.TempDir()
	s := openSegments(t, dir, audit.SegmentOptions{MaxBytes: 300})
	all := leaves(0, 30)
	for _, one := range all {
		appendAll(t, s, one)
	}
	if gone, err := s.Drop(t.Context(), 30); err != nil || gone != 0 {
		t.Errorf("without a checkpoint everything before %d was dropped, %v", gone, err)
	}
	publish(t, s, all[:20])
	gone, err := s.Drop(t.Context(), 30)
	if err != nil || gone == 0 || gone > 20 {
		t.Fatalf("everything before %d was dropped, %v", gone, err)
	}
	want := slices.Concat(make([][]byte, gone), all[gone:])
	holds(t, s, want, all)
	publish(t, s, all)
	if gone, err = s.Drop(t.Context(), 30); err != nil || gone >= 30 {
		t.Fatalf("everything before %d was dropped, %v", gone, err)
	}
	if n := len(segmentFiles(t, dir)); n != 1 {
		t.Errorf("%d segments are left", n)
	}
	_ = s.Close()
	holds(t, openSegments(t, dir, audit.SegmentOptions{}), slices.Concat(make([][]byte, gone), all[gone:]), all)
}

// A reader sees each record whole or as dropped, whatever goes on beside it.
func TestReadingWhileRecordsComeAndGo(t *testing.T) {
	s := openSegments(t, t.TempDir(), audit.SegmentOptions{MaxBytes: 1000})
	const many = 600
	all := leaves(0, many)
	var work sync.WaitGroup
	for range 3 {
		work.Go(func() {
			for {
				n := size(t, s)
				got, err := s.Read(t.Context(), 0, int(n))
				if err != nil {
					t.Errorf("reading: %v", err)
					return
				}
				n = size(t, s) // what was dropped meanwhile was old by then
				for i, b := range got {
					if b == nil && int64(i) >= n-130 || b != nil && !bytes.Equal(b, all[i]) {
						t.Errorf("record %d of %d is %q", i, n, b)
						return
					}
				}
				if n > 0 {
					if _, err := tlog.TreeHash(n, s.Hashes(t.Context())); err != nil {
						t.Errorf("hashing: %v", err)
					}
				}
				if n == many {
					return
				}
			}
		})
	}
	for i := 0; i < many; i += 10 {
		appendAll(t, s, all[i:i+10]...)
		if i%100 == 50 {
			publish(t, s, all[:i])
			if _, err := s.Drop(t.Context(), int64(i-400)); err != nil {
				t.Error(err)
			}
		}
	}
	work.Wait()
}

func TestPublishKeepsTheNewestAndThinsTheEarlier(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	s, err := audit.OpenSegments(dir, c.now, audit.SegmentOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	all := leaves(0, 50)
	for i := range all {
		appendAll(t, s, all[i])
		publish(t, s, all[:i+1])
		c.step(time.Second)
	}
	publish(t, s, all[:10])
	if b, err := s.Latest(t.Context()); err != nil || !bytes.Equal(b, checkpoint(all, root(t, all))) {
		t.Errorf("the newest checkpoint is %q, %v", b, err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "checkpoints.log"))
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	for ; len(b) > 0; kept++ {
		if _, b, err = verify.Frame(b); err != nil {
			t.Fatal(err)
		}
	}
	if kept != 5 {
		t.Errorf("of 50 checkpoints in 50 seconds %d earlier ones are kept", kept)
	}
	for name, bad := range map[string][]byte{
		"of other records":     checkpoint(all, tlog.Hash{1}),
		"of another size":      checkpoint(all[:49], root(t, all[:49])),
		"none":                 []byte("example.com/audit\n50\n"),
		"of what is not there": checkpoint(leaves(0, 51), root(t, leaves(0, 51))),
	} {
		if err := s.Publish(t.Context(), 50, bad); err == nil {
			t.Errorf("%s: published", name)
		}
	}
}

func TestTheCheckpointOfAHandoverIsNotThinned(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	s, err := audit.OpenSegments(dir, c.now, audit.SegmentOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	all := leaves(0, 4)
	appendAll(t, s, all...)
	publish(t, s, all[:1])
	publish(t, s, all[:2]) // the first one is kept: nothing was kept before
	both := append(checkpoint(all[:3], root(t, all[:3])), "— example.com/audit BBBB\n"...)
	if err := s.Publish(t.Context(), 3, both); err != nil {
		t.Fatal(err)
	}
	publish(t, s, all)
	b, _ := os.ReadFile(filepath.Join(dir, "checkpoints.log"))
	if !bytes.Contains(b, both) {
		t.Error("the checkpoint that two keys signed is not kept")
	}
	if bytes.Contains(b, checkpoint(all[:2], root(t, all[:2]))) {
		t.Error("a checkpoint is kept that is not ten seconds from the one before")
	}
}

func TestMarksAndKeysSurvive(t *testing.T) {
	dir := t.TempDir()
	s := openSegments(t, dir, audit.SegmentOptions{})
	m := audit.Mark{Node: "a", Boot: "1", Floor: 7, Seen: newClock().now()}
	for _, one := range []audit.Mark{{Node: "b"}, {Node: "a", Boot: "0"}, m} {
		if err := s.Mark(t.Context(), one); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.SaveKeys(t.Context(), nil, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveKeys(t.Context(), nil, []byte("two")); !errors.Is(err, audit.ErrKeysChanged) {
		t.Errorf("keys of another process were written over: %v", err)
	}
	_ = s.Close()
	s = openSegments(t, dir, audit.SegmentOptions{})
	if all, err := s.Marks(t.Context()); err != nil || len(all) != 2 || all[0] != m {
		t.Errorf("marks are %v, %v", all, err)
	}
	if b, err := s.LoadKeys(t.Context()); err != nil || string(b) != "one" {
		t.Errorf("keys are %q, %v", b, err)
	}
	for name := range snapshot(t, dir) {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
}

// TestSegmentsAgainstAModel: whatever is appended, published, dropped and opened anew, the log has what a slice has.
func TestSegmentsAgainstAModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "log")
		if err != nil {
			r.Fatal(err)
		}
		c := newClock()
		o := audit.SegmentOptions{MaxBytes: rapid.Int64Range(50, 2000).Draw(r, "MaxBytes")}
		open := func() *audit.Segments {
			s, err := audit.OpenSegments(dir, c.now, o)
			if err != nil {
				r.Fatal(err)
			}
			return s
		}
		s := open()
		defer func() { _ = s.Close() }()
		var real, want [][]byte
		var gone, published int64
		r.Repeat(map[string]func(*rapid.T){
			"append": func(r *rapid.T) {
				batch := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 1, 200), 1, 20).Draw(r, "batch")
				appendAll(t, s, batch...)
				real, want = append(real, batch...), append(want, batch...)
			},
			"publish": func(r *rapid.T) {
				n := rapid.IntRange(0, len(real)).Draw(r, "size")
				publish(t, s, real[:n])
				published = max(published, int64(n))
			},
			"drop": func(r *rapid.T) {
				before := rapid.Int64Range(0, int64(len(real))).Draw(r, "before")
				first, err := s.Drop(t.Context(), before)
				if err != nil || first > max(gone, min(before, published)) || first < gone {
					r.Fatalf("dropped before %d: all before %d gone, %v", before, first, err)
				}
				for i := gone; i < first; i++ {
					want[i] = nil
				}
				gone = first
			},
			"reopen": func(r *rapid.T) {
				if err := s.Close(); err != nil {
					r.Fatal(err)
				}
				s = open()
			},
			"time": func(r *rapid.T) { c.step(time.Duration(rapid.IntRange(-100, 100).Draw(r, "minutes")) * time.Minute) },
			"": func(r *rapid.T) {
				holds(t, s, want, real)
				if len(real) == 0 {
					return
				}
				i := rapid.IntRange(0, len(real)-1).Draw(r, "index")
				n := rapid.IntRange(0, 300).Draw(r, "n")
				got, err := s.Read(t.Context(), int64(i), n)
				if err != nil || !slices.EqualFunc(got, want[i:min(i+n, len(want))], bytes.Equal) {
					r.Fatalf("%d records from %d on: %q, %v", n, i, got, err)
				}
			},
		})
	})
}

// TestADiskThatIsReallyFull runs in a process of its own, whose files may not grow beyond a limit.
func TestADiskThatIsReallyFull(t *testing.T) {
	if dir := os.Getenv("DOORWARD_TEST_FULL"); dir != "" {
		fullDisk(t, dir)
		return
	}
	if !canLimit {
		t.Skip("this system cannot limit the size of files")
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestADiskThatIsReallyFull$", "-test.v")
	cmd.Env = append(os.Environ(), "DOORWARD_TEST_FULL="+dir)
	if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("PASS: TestADiskThatIsReallyFull")) {
		t.Fatalf("%v\n%s", err, out)
	}
	all := leaves(0, 110)
	holds(t, openSegments(t, dir, audit.SegmentOptions{}), all, all)
}

func fullDisk(t *testing.T, dir string) {
	s := openSegments(t, dir, audit.SegmentOptions{})
	all := leaves(0, 110)
	appendAll(t, s, all[:10]...)
	limit(t, 3000)
	n, failed := 10, 0
	for failed < 3 {
		if _, err := s.Append(t.Context(), all[n:n+10]); err != nil {
			failed++
			holds(t, s, all[:n], all[:n])
			continue
		}
		n += 10
		if n == 110 {
			t.Fatal("the limit was never reached")
		}
	}
	limit(t, 1<<30)
	for ; n < 110; n += 10 {
		appendAll(t, s, all[n:n+10]...)
	}
	holds(t, s, all, all)
}
