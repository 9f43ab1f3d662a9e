package audit_test

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/audit"
)

// A batch that could not be made durable is not there: not for readers, not after the log is opened anew. The next one goes on
// where it would have stood.
func TestABatchThatFailsIsNotKept(t *testing.T) {
	for name, fault := range map[string]audit.Faults{
		"the disk is full":                        {Name: ".log", Write: syscall.ENOSPC},
		"the disk is full after a part":           {Name: ".log", Write: syscall.ENOSPC, Short: 31},
		"the disk is full for hashes":             {Name: "hashes.dat", Write: syscall.ENOSPC, Short: 40},
		"a full disk is found by another segment": {Name: "00012.log", Write: syscall.ENOSPC, Short: 20},
	} {
		t.Run(name, func(t *testing.T) {
			dir, f := t.TempDir(), &audit.Faults{}
			s := openSegments(t, dir, f.With(audit.SegmentOptions{MaxBytes: 600}))
			all := leaves(0, 24)
			appendAll(t, s, all[:12]...)
			*f = fault
			for range 3 {
				if _, err := s.Append(t.Context(), all[12:18]); !errors.Is(err, syscall.ENOSPC) {
					t.Fatalf("the error is %v", err)
				}
				holds(t, s, all[:12], all[:12])
			}
			holds(t, openCopy(t, dir), all[:12], all[:12])
			*f = audit.Faults{}
			appendAll(t, s, all[12:]...)
			holds(t, s, all, all)
			holds(t, openCopy(t, dir), all, all)
		})
	}
}

// openCopy opens what another process would find after a crash now.
func openCopy(t *testing.T, dir string) *audit.Segments {
	t.Helper()
	return openSegments(t, restore(t, snapshot(t, dir)), audit.SegmentOptions{})
}

// After a sync that failed, the disk may have anything, and a second sync of the same pages may say that it is well. So nothing
// is appended any more until the log is opened anew, which writes the tail again.
func TestNothingIsAppendedToADiskInAnUnknownState(t *testing.T) {
	for name, fault := range map[string]audit.Faults{
		"sync fails and goes on failing": {Name: ".log", Sync: syscall.EIO},
		"write fails and cannot be cut":  {Name: ".log", Write: syscall.EIO, Truncate: syscall.EIO, Short: 31},
	} {
		t.Run(name, func(t *testing.T) {
			dir, f := t.TempDir(), &audit.Faults{}
			s := openSegments(t, dir, f.With(audit.SegmentOptions{}))
			all := leaves(0, 9)
			appendAll(t, s, all[:3]...)
			*f = fault
			if _, err := s.Append(t.Context(), all[3:6]); !errors.Is(err, syscall.EIO) {
				t.Fatalf("the error is %v", err)
			}
			*f = audit.Faults{}
			if _, err := s.Append(t.Context(), all[3:6]); err == nil || !strings.Contains(err.Error(), "restart") {
				t.Fatalf("the error is %v", err)
			}
			holds(t, s, all[:3], all[:3])
			_ = s.Close()
			s = openSegments(t, dir, audit.SegmentOptions{})
			n := int(size(t, s))
			if n < 3 || n > 6 {
				t.Fatalf("%d records are there", n)
			}
			holds(t, s, all[:n], all[:n])
		})
	}
}

// What stands under a checkpoint is not read again when the log is opened, so its hashes are durable first.
func TestNoCheckpointBeforeItsHashesAreDurable(t *testing.T) {
	dir, f := t.TempDir(), &audit.Faults{}
	s := openSegments(t, dir, f.With(audit.SegmentOptions{}))
	all := leaves(0, 9)
	appendAll(t, s, all...)
	f.Name, f.Sync = "hashes.dat", syscall.EIO
	before := snapshot(t, dir)["hashes.dat"]
	if err := os.WriteFile(filepath.Join(dir, "hashes.dat"), append(slices.Clone(before[:len(before)-32]), make([]byte, 32)...), 0o600); err != nil {
		t.Fatal(err)
	}
	// The root is right, as the page is still in memory; here the hash of a leaf that it does not need is lost with its page.
	if err := s.Publish(t.Context(), 8, checkpoint(all[:8], root(t, all[:8]))); !errors.Is(err, syscall.EIO) {
		t.Fatalf("the error is %v", err)
	}
	if b, err := s.Latest(t.Context()); b != nil || err != nil {
		t.Errorf("a checkpoint %q was published, %v", b, err)
	}
	if !bytes.Equal(snapshot(t, dir)["hashes.dat"], before) {
		t.Error("the hashes were not written again")
	}
	*f = audit.Faults{}
	publish(t, s, all)
}

func TestRepair(t *testing.T) {
	dir := t.TempDir()
	s := openSegments(t, dir, audit.SegmentOptions{MaxBytes: 300})
	all := leaves(0, 40)
	for i := range all {
		appendAll(t, s, all[i])
		if i == 14 {
			publish(t, s, all[:15])
		}
	}
	publish(t, s, all[:35])
	_ = s.Close()
	files := snapshot(t, dir)
	var segments []string
	for _, name := range segmentFiles(t, dir) {
		segments = append(segments, filepath.Base(name))
	}
	last := len(segments) - 1
	for name, c := range map[string]struct {
		harm     func(map[string][]byte)
		from, to int64 // 0, 0: whatever the segment's length makes it
		nothing  bool
	}{
		"nothing is wrong":           {harm: func(map[string][]byte) {}, nothing: true},
		"a torn tail":                {harm: func(f map[string][]byte) { f[segments[last]] = f[segments[last]][:len(f[segments[last]])-1] }, nothing: true},
		"the last segments are gone": {harm: func(f map[string][]byte) { delete(f, segments[last]); delete(f, segments[last-1]) }, to: 35},
		"all segments are gone": {harm: func(f map[string][]byte) {
			for _, g := range segments {
				delete(f, g)
			}
		}, to: 35},
		"one in the middle is gone":    {harm: func(f map[string][]byte) { delete(f, segments[2]) }, to: 40},
		"a frame in the middle is bad": {harm: func(f map[string][]byte) { f[segments[2]][30] ^= 1 }, to: 40},
		"another record":               {harm: func(f map[string][]byte) { reframe(f[segments[0]]); delete(f, "hashes.dat") }, to: 35},
		"another root":                 {harm: func(f map[string][]byte) { f["checkpoint"] = checkpoint(all[:35], tlog.Hash{1}) }, from: 15, to: 35},
	} {
		t.Run(name, func(t *testing.T) {
			harmed := map[string][]byte{}
			for n, b := range maps.All(files) {
				harmed[n] = bytes.Clone(b)
			}
			c.harm(harmed)
			d := restore(t, harmed)
			r, aside, err := audit.RepairSegments(d, newClock().now)
			if err != nil {
				t.Fatal(err)
			}
			if c.nothing {
				if r.From != 0 || r.To != 0 || aside != nil {
					t.Errorf("repaired %+v, %q", r, aside)
				}
				return
			}
			if r.To != c.to || r.From >= r.To || c.from > 0 && r.From != c.from {
				t.Errorf("records from %d up to %d are said to be missing", r.From, r.To)
			}
			if !bytes.Equal(find(snapshot(t, d), harmed["checkpoint"]), harmed["checkpoint"]) {
				t.Error("the checkpoint that does not fit is gone")
			}
			s := openSegments(t, d, audit.SegmentOptions{})
			n := int(size(t, s))
			if int64(n) < r.From {
				t.Errorf("%d records are left of %d", n, r.From)
			}
			appendAll(t, s, leaf(99))
			if again, err := s.Read(t.Context(), int64(n), 1); err != nil || !bytes.Equal(again[0], leaf(99)) {
				t.Errorf("after repair, %q was appended, %v", again, err)
			}
		})
	}
}

// find gives what one of the files has of want.
func find(files map[string][]byte, want []byte) []byte {
	for _, b := range files {
		if bytes.Contains(b, want) {
			return want
		}
	}
	return nil
}
