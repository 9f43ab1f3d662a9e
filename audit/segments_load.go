package audit

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/audit/verify"
)

// readWhole is how many bytes of segments before the last one are read when the log is opened, newest first, besides those
// that must be. Of older ones the first and the last record are held against their hashes; Verify reads everything.
const readWhole = 64 << 20

// loadRecords reads the segments that no checkpoint vouches for, and of the others as much as shows that none is missing.
func (s *Segments) loadRecords() error {
	if len(s.segments) == 0 {
		return nil
	}
	trusted := s.trusted()
	dropped := s.segments[0].first
	if dropped > s.latest.size {
		return fmt.Errorf("%w: records from index 0 up to %d are gone, and the latest checkpoint is of %d", ErrDamaged, dropped, s.latest.size)
	}
	from, budget := len(s.segments)-1, s.o.whole
	for from > 0 && s.segments[from].first > trusted {
		from--
	}
	for from > 0 && budget >= s.segments[from-1].bytes {
		from--
		budget -= s.segments[from].bytes
	}
	for i, g := range s.segments[:from] {
		if err := s.checkEnds(g, s.segments[i+1].first); err != nil {
			return err
		}
	}
	// Without a checkpoint's word, everything that has a body is hashed anew; the hashes of what has none must be there.
	start := max(trusted, dropped)
	e, err := edgeOf(start, s.hashesBelow(start))
	if err != nil {
		return fmt.Errorf("%w: hashes.dat lacks hashes of records before index %d, whose bodies were deleted: %w", ErrDamaged, start, err)
	}
	s.edge = e
	for i, g := range s.segments[from:] {
		if err := s.loadSegment(g, from+i == len(s.segments)-1); err != nil {
			return err
		}
		if next := from + i + 1; next < len(s.segments) && s.segments[next].first != g.first+g.records {
			return fmt.Errorf("%w: records from index %d up to %d are missing: %s comes after %s", ErrDamaged, g.first+g.records, s.segments[next].first, s.segments[next].name(), g.name())
		}
	}
	last := s.segments[len(s.segments)-1]
	s.size = last.first + last.records
	return nil
}

// hashesBelow reads stored hashes of the tree of a size.
func (s *Segments) hashesBelow(size int64) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		return readHashes(s.hashes, tlog.StoredHashCount(size), indexes)
	})
}

// trusted is the size of the tree whose stored hashes need not be made anew: that of the latest checkpoint, if they give its root.
func (s *Segments) trusted() int64 {
	root, err := tlog.TreeHash(s.latest.size, s.hashesBelow(s.latest.size))
	if err != nil || root != s.latest.root {
		return 0
	}
	return s.latest.size
}

// checkEnds holds the first and the last record of a segment against their hashes.
func (s *Segments) checkEnds(g *segment, next int64) error {
	f, err := os.Open(g.path())
	if err != nil {
		return err
	}
	defer f.Close()
	sc := scanner{from: f, end: g.bytes, buffered: 4096}
	head, err := sc.next(false)
	if err != nil {
		return fmt.Errorf("%w: record %d in %s: %w", ErrDamaged, g.first, g.name(), err)
	}
	tail, err := lastFrame(f, g.bytes)
	if err != nil {
		return fmt.Errorf("%w: record %d, the last one in %s: %w", ErrDamaged, next-1, g.name(), err)
	}
	for index, record := range map[int64][]byte{g.first: head, next - 1: tail} {
		have, err := s.hashesBelow(next).ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
		if err != nil {
			return err
		}
		if have[0] != tlog.RecordHash(record) {
			return fmt.Errorf("%w: record %d in %s is another one than its hash says, or records before it are missing", ErrDamaged, index, g.name())
		}
	}
	return nil
}

// lastFrame finds the frame that ends where the file ends.
func lastFrame(f io.ReaderAt, size int64) ([]byte, error) {
	b := make([]byte, min(size, verify.FrameHead+verify.MaxRecord))
	if _, err := f.ReadAt(b, size-int64(len(b))); err != nil && err != io.EOF {
		return nil, err
	}
	for at := len(b) - verify.FrameHead - 1; at >= 0; at-- {
		if record, rest, err := verify.Frame(b[at:]); err == nil && len(rest) == 0 {
			return record, nil
		}
	}
	return nil, verify.ErrFrame
}

// loadSegment goes through a segment and hashes the records that come after edge.
func (s *Segments) loadSegment(g *segment, last bool) error {
	f, err := os.Open(g.path())
	if err != nil {
		return err
	}
	defer f.Close()
	var b []byte
	first := s.edge.size
	write := func() error {
		_, err := s.hashes.WriteAt(b, tlog.StoredHashCount(first)*tlog.HashSize)
		b, first = b[:0], s.edge.size
		return err
	}
	sc := scanner{from: f, end: g.bytes, buffered: readAway}
	for {
		record, err := sc.next(false)
		if err == io.EOF {
			break
		}
		if errors.Is(err, verify.ErrFrame) && last {
			g.bytes = g.read // a torn tail
			break
		}
		if errors.Is(err, verify.ErrFrame) {
			return fmt.Errorf("%w: record %d in %s at byte %d: %w", ErrDamaged, g.first+g.records, g.name(), g.read, err)
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", g.name(), err)
		}
		if g.first+g.records == s.edge.size {
			b = s.edge.add(b, tlog.RecordHash(record))
		}
		g.passed(sc.at)
		if len(b) >= readAway {
			if err := write(); err != nil {
				return err
			}
		}
	}
	return write()
}

// judge holds what was found against the latest checkpoint.
func (s *Segments) judge() error {
	if s.size < s.latest.size {
		return fmt.Errorf("%w: records from index %d on are missing, and the latest checkpoint is of %d: restore them, or run `doorward audit repair`, which leaves a notice of the gap",
			ErrDamaged, s.size, s.latest.size)
	}
	root, err := tlog.TreeHash(s.latest.size, s.hashesBelow(s.size))
	if err != nil {
		return fmt.Errorf("%w: hashes.dat: %w", ErrDamaged, err)
	}
	if s.latest.note != nil && root != s.latest.root {
		return fmt.Errorf("%w: the first %d records are other ones than the latest checkpoint has, or were ordered otherwise: `doorward audit verify` finds where; restore them, or run `doorward audit repair`",
			ErrDamaged, s.latest.size)
	}
	return nil
}
