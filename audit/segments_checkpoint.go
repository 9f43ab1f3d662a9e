package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/internal/crash"
)

// thinned is how far apart earlier checkpoints are kept.
const thinned = 10 * time.Second

// Latest is the newest checkpoint.
func (s *Segments) Latest(context.Context) ([]byte, error) {
	s.points.Lock()
	defer s.points.Unlock()
	return bytes.Clone(s.latest.note), nil
}

// Publish keeps a checkpoint. One whose root is not that of the records is refused: the log could not be opened with it.
func (s *Segments) Publish(ctx context.Context, size int64, checkpoint []byte) error {
	s.points.Lock()
	defer s.points.Unlock()
	p, err := readPoint(checkpoint)
	if err != nil {
		return err
	}
	if p.size != size {
		return fmt.Errorf("publishing a checkpoint of size %d as one of size %d", p.size, size)
	}
	if p.size < s.latest.size {
		return nil
	}
	root, err := tlog.TreeHash(size, s.Hashes(ctx))
	if err != nil {
		return fmt.Errorf("publishing a checkpoint of size %d: %w", size, err)
	}
	if root != p.root {
		return fmt.Errorf("publishing a checkpoint of size %d: its root is %v, that of the records is %v", size, p.root, root)
	}
	if err := s.syncHashes(ctx, size); err != nil {
		return fmt.Errorf("publishing a checkpoint of size %d: %w", size, err)
	}
	if err := s.keepLatest(p); err != nil {
		return fmt.Errorf("keeping checkpoint %d: %w", s.latest.size, err)
	}
	if err := replaceFile(s.dir, "checkpoint", p.note, true); err != nil {
		return fmt.Errorf("publishing a checkpoint of size %d: %w", size, err)
	}
	s.latest = p
	return nil
}

// syncHashes makes the hashes under a checkpoint durable before the checkpoint is.
func (s *Segments) syncHashes(ctx context.Context, size int64) error {
	if size <= s.synced {
		return nil
	}
	_, now, err := s.view()
	if err != nil {
		return err
	}
	err = s.hashes.Sync()
	if err == nil {
		crash.Point("audit hashes synced")
		s.synced = now
		return nil
	}
	// Pages that failed count as written: the next attempt must find them written again.
	return errors.Join(err, s.rehash(ctx, s.synced, now))
}

// rehash writes the hashes of records again.
func (s *Segments) rehash(ctx context.Context, from, to int64) error {
	e, err := edgeOf(from, s.Hashes(ctx))
	if err != nil {
		return err
	}
	for from < to {
		all, err := s.Read(ctx, from, int(min(4096, to-from)))
		if err != nil {
			return err
		}
		var b []byte
		for i, leaf := range all {
			if leaf == nil {
				return fmt.Errorf("the body of record %d is gone", from+int64(i))
			}
			b = e.add(b, tlog.RecordHash(leaf))
		}
		if _, err := s.hashes.WriteAt(b, tlog.StoredHashCount(from)*tlog.HashSize); err != nil {
			return err
		}
		from += int64(len(all))
	}
	return nil
}

// keepLatest puts the newest checkpoint to the earlier ones before another takes its place. Where two keys of the log have
// signed, one has handed over to the other: that is always kept.
func (s *Segments) keepLatest(next point) error {
	if s.latest.note == nil || s.latest.size == next.size && next.signed >= s.latest.signed {
		return nil
	}
	now := s.now()
	if since := now.Sub(s.kept); s.latest.signed < 2 && since >= 0 && since < thinned {
		return nil
	}
	if err := appendFrames(s.dir, "checkpoints.log", s.latest.note); err != nil {
		return err
	}
	crash.Point("audit checkpoint kept")
	s.kept = now
	return nil
}
