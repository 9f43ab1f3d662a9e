package audit_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/doorward-mcp/doorward/audit"
)

// TestNothingDurableIsLostWhenThePowerFails: whatever sectors of what was not synced reach the disk, each record whose append
// was answered is there, under the tree that its checkpoint has, and the log opens without asking.
func TestNothingDurableIsLostWhenThePowerFails(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "log")
		if err != nil {
			r.Fatal(err)
		}
		c, p := newClock(), &audit.Power{}
		o := audit.SegmentOptions{MaxBytes: rapid.Int64Range(200, 4000).Draw(r, "MaxBytes")}
		open := func() *audit.Segments {
			s, err := audit.OpenSegments(dir, c.now, p.With(o))
			if err != nil {
				r.Fatal(err)
			}
			return s
		}
		s := open()
		defer func() { _ = s.Close() }()
		var real, want [][]byte // real has every body, want nil for the dropped ones
		published, gone := 0, int64(0)
		r.Repeat(map[string]func(*rapid.T){
			"append": func(r *rapid.T) {
				n := rapid.IntRange(1, 20).Draw(r, "records")
				batch := leaves(len(real), len(real)+n)
				appendAll(t, s, batch...)
				real, want = append(real, batch...), append(want, batch...)
			},
			"publish": func(r *rapid.T) {
				published = rapid.IntRange(published, len(real)).Draw(r, "size")
				publish(t, s, real[:published])
			},
			"drop": func(r *rapid.T) {
				first, err := s.Drop(t.Context(), rapid.Int64Range(0, int64(published)).Draw(r, "before"))
				if err != nil {
					r.Fatal(err)
				}
				for ; gone < first; gone++ {
					want[gone] = nil
				}
			},
			"power fails": func(r *rapid.T) {
				lost := rapid.IntRange(0, 10).Draw(r, "tenths lost")
				draw := rapid.IntRange(0, 9)
				if rapid.Bool().Draw(r, "during an append") {
					// Its answer never comes: the records may be there or not.
					ctx, cancel := context.WithCancel(t.Context())
					p.Stop()
					_, _ = s.Append(ctx, leaves(len(real), len(real)+5))
					cancel()
				}
				abandon(s)
				if err := p.Fail(func() bool { return draw.Draw(r, "sector") < lost }); err != nil {
					r.Fatal(err)
				}
				s = open()
				n := int(size(t, s))
				if n < len(real) || n > len(real)+5 {
					r.Fatalf("%d records are there, %d were answered for", n, len(real))
				}
				more := leaves(len(real), n)
				real, want = append(real, more...), append(want, more...)
			},
			"": func(*rapid.T) { holds(t, s, want, real) },
		})
	})
}

// abandon ends a log as the death of its process does, except for what was written.
func abandon(s *audit.Segments) { _ = s.Close() }

// FuzzSegment: whatever a last segment has, the log opens with the whole records that it begins with, and goes on.
func FuzzSegment(f *testing.F) {
	var good []byte
	for _, one := range leaves(0, 4) {
		good = append(good, frame(one)...)
	}
	f.Add(good)
	f.Add(good[:len(good)-3])
	f.Add(append(bytes.Clone(good), 0, 0, 0, 0, 0, 0, 0, 0))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "seg-00000000000000000000.log"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		s := openSegments(t, dir, audit.SegmentOptions{})
		all, err := s.Read(t.Context(), 0, int(size(t, s)))
		if err != nil {
			t.Fatal(err)
		}
		var again []byte
		for _, one := range all {
			again = append(again, frame(one)...)
		}
		if !bytes.HasPrefix(b, again) {
			t.Errorf("of %q there is %q", b, again)
		}
		appendAll(t, s, leaf(7))
		more := append(all, leaf(7))
		holds(t, s, more, more)
	})
}

// FuzzCheckpoint: what is no checkpoint of the log's records is not published.
func FuzzCheckpoint(f *testing.F) {
	all := leaves(0, 3)
	for n := range 4 {
		f.Add(checkpoint(all[:n], root(f, all[:n])))
	}
	f.Add([]byte("a\n-1\n\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := openSegments(t, t.TempDir(), audit.SegmentOptions{})
		appendAll(t, s, all...)
		for n := range int64(4) {
			err := s.Publish(t.Context(), n, b)
			want := root(t, all[:n]).String()
			if err == nil && !bytes.Contains(b, []byte("\n"+string(rune('0'+n))+"\n"+want+"\n")) {
				t.Errorf("%q was published as the tree of size %d", b, n)
			}
		}
		if _, err := s.Latest(t.Context()); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	})
}
