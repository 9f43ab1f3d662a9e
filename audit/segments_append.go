package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/audit/verify"
	"github.com/doorward-mcp/doorward/internal/crash"
)

// bufferKept is how large a buffer may be to be kept for the next batch.
const bufferKept = 4 << 20

// Append keeps a batch: one write, one sync. After an error none of it is kept, and the next batch may succeed (a full disk has
// space again); where even that cannot be made sure, everything fails until the log is opened anew. ctx is asked only before
// anything is written.
func (s *Segments) Append(ctx context.Context, leaves [][]byte) (int64, error) {
	s.write.Lock()
	defer s.write.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if s.broken != nil {
		return 0, fmt.Errorf("appending audit records: %w", s.broken)
	}
	if len(leaves) == 0 {
		return s.edge.size, nil
	}
	next, err := s.encode(leaves)
	if err != nil {
		return 0, err
	}
	if err := s.makeRoom(int64(len(s.frames))); err != nil {
		return 0, fmt.Errorf("beginning an audit segment: %w", err)
	}
	if err := s.put(); err != nil {
		return 0, err
	}
	first := s.edge.size
	s.edge = next
	s.grow(leaves)
	return first, nil
}

// encode fills frames and hashed, and gives the edge of the tree that has the batch.
func (s *Segments) encode(leaves [][]byte) (edge, error) {
	if cap(s.frames) > bufferKept {
		s.frames, s.hashed = nil, nil
	}
	s.frames, s.hashed = s.frames[:0], s.hashed[:0]
	next := s.edge
	for _, leaf := range leaves {
		if len(leaf) == 0 || len(leaf) > verify.MaxRecord {
			return edge{}, fmt.Errorf("appending audit records: one of %d bytes, which must be 1 to %d", len(leaf), verify.MaxRecord)
		}
		s.frames = verify.AppendFrame(s.frames, leaf)
		s.hashed = next.add(s.hashed, tlog.RecordHash(leaf))
	}
	return next, nil
}

// makeRoom begins another segment if the last one is too old, or has no room for so many bytes.
func (s *Segments) makeRoom(bytes int64) error {
	now := s.now()
	if now.Before(s.began) { // the clock was set back: an age is never more than what was seen to pass
		s.began = now
	}
	all, _, err := s.view()
	if err != nil {
		return err
	}
	if s.last != nil {
		had := all[len(all)-1].length()
		if had == 0 || had+bytes <= s.o.MaxBytes && now.Sub(s.began) < s.o.MaxAge {
			return nil
		}
	}
	next := newSegment(s.dir, s.edge.size)
	file, err := s.begin(next)
	if err != nil {
		return err
	}
	old := s.last
	s.last, s.began = file, now
	s.show(append(all[:len(all):len(all)], next))
	if old != nil {
		// Everything in it was synced.
		_ = old.Close()
	}
	return nil
}

// begin makes the file of a segment, whose name is durable when it returns.
func (s *Segments) begin(next *segment) (disk, error) {
	name := filepath.Join(s.dir, next.name())
	file, err := s.o.open(name)
	if err != nil {
		return nil, err
	}
	crash.Point("audit segment made")
	err = file.Truncate(0) // what an earlier attempt left
	if err == nil {
		err = syncDir(s.dir)
	}
	if err != nil {
		// A sync that failed is not asked again: the next attempt makes the name anew.
		return nil, errors.Join(err, file.Close(), os.Remove(name))
	}
	crash.Point("audit segment durable")
	return file, nil
}

// put writes frames and hashed after what is there.
func (s *Segments) put() error {
	all, size, err := s.view()
	if err != nil {
		return err
	}
	// The hashes go first: what is there of them after an error is written over.
	if _, err := s.hashes.WriteAt(s.hashed, tlog.StoredHashCount(size)*tlog.HashSize); err != nil {
		return fmt.Errorf("appending hashes of audit records: %w", err)
	}
	crash.Point("audit hashes written")
	at := all[len(all)-1].length()
	_, err = s.last.WriteAt(s.frames, at)
	if err == nil {
		crash.Point("audit batch written")
		err = s.last.Sync()
	}
	if err == nil {
		crash.Point("audit batch synced")
		return nil
	}
	err = fmt.Errorf("appending audit records: %w", err)
	// After a failed sync the system may take pages for written that are not, so they are never synced a second time: they are
	// cut off, and the next batch is written into new ones.
	undo := s.last.Truncate(at)
	if undo == nil {
		undo = s.last.Sync()
	}
	if undo != nil {
		s.broken = errors.Join(errors.New("what the disk holds is not known after an error; restart to open the log again"), err, undo)
		return s.broken
	}
	return err
}

// grow shows a batch to readers.
func (s *Segments) grow(leaves [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.segments[len(s.segments)-1].grow(leaves)
	s.size = s.edge.size
}
