package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/mod/sumdb/tlog"
)

// SegmentOptions bound a segment. Zero fields have the values that stand beside them.
type SegmentOptions struct {
	MaxBytes int64         // 256 MB; a batch that is larger is a segment by itself
	MaxAge   time.Duration // one hour by the clock that was handed in

	open  func(name string) (disk, error) // tests put faults here
	whole int64                           // tests say readWhole here; 0: that
}

// Segments are Leaves, Checkpoints and Sealed in the files of one directory, which one process has for itself:
//
//	seg-<index>.log   frames of package verify; the name has the index of the first record, in 20 digits
//	hashes.dat        the stored hashes of package tlog, 32 bytes each
//	checkpoint        the newest checkpoint
//	checkpoints.log   frames of earlier ones, at most one in ten seconds
//	marks.json        how far each process had come
//	log.keys          the signing keys, sealed
//	log.pub           their verifier keys, for people to read and pin
//	lock              held while a process has the log open
//
// A batch is durable by one write and one sync of one segment. hashes.dat is synced before a checkpoint is published, so that
// what stands under a checkpoint need not be read again when the log is opened; the rest is made anew from the segments.
type Segments struct {
	dir  string
	now  func() time.Time
	o    SegmentOptions
	lock *flock.Flock

	write  sync.Mutex // one append, rotation or drop at a time; guards what follows
	last   disk       // of the last segment; nil: there is none yet
	began  time.Time  // when the last segment began, or was opened
	edge   edge
	broken error // why nothing can be appended any more
	frames []byte
	hashed []byte

	mu       sync.RWMutex // guards what follows: what readers see
	segments []*segment   // in order; the slice is never changed, only replaced
	size     int64        // durable records
	closed   bool

	hashes disk

	points sync.Mutex // one checkpoint, mark or blob of keys at a time; guards what follows
	latest point
	kept   time.Time // when a checkpoint was last put into checkpoints.log
	synced int64     // size of the tree whose stored hashes are durable
	marks  map[string]Mark
}

var (
	_ Leaves      = (*Segments)(nil)
	_ Checkpoints = (*Segments)(nil)
	_ Sealed      = (*Segments)(nil)
)

// Size is how many records are durable.
func (s *Segments) Size(context.Context) (int64, error) {
	_, size, err := s.view()
	return size, err
}

// Hashes reads stored hashes of records that are durable.
func (s *Segments) Hashes(context.Context) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		_, size, err := s.view()
		if err != nil {
			return nil, err
		}
		return readHashes(s.hashes, tlog.StoredHashCount(size), indexes)
	})
}

// Drop deletes whole segments that end before an index and under the latest checkpoint, and never the last one.
func (s *Segments) Drop(_ context.Context, before int64) (int64, error) {
	s.write.Lock()
	defer s.write.Unlock()
	s.points.Lock()
	before = min(before, s.latest.size) // only a checkpoint says what the hashes of deleted bodies have to be
	s.points.Unlock()

	all, _, err := s.view()
	if err != nil {
		return 0, err
	}
	for len(all) > 1 && all[1].first <= before {
		s.show(all[1:])
		if err := dropFile(s.dir, all[0].name()); err != nil {
			s.show(all)
			return all[0].first, fmt.Errorf("dropping audit records: %w", err)
		}
		all = all[1:]
	}
	if len(all) == 0 {
		return 0, nil
	}
	return all[0].first, nil
}

// Close gives the log up. A batch that is being appended is waited for.
func (s *Segments) Close() error {
	s.write.Lock()
	defer s.write.Unlock()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.broken = fs.ErrClosed

	s.points.Lock() // a checkpoint that is being published is waited for
	defer s.points.Unlock()
	err := s.hashes.Close()
	if s.last != nil {
		err = errors.Join(err, s.last.Close())
	}
	return errors.Join(err, s.lock.Unlock())
}

// view is what there is to read at this moment.
func (s *Segments) view() ([]*segment, int64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, 0, fmt.Errorf("reading the audit log: %w", fs.ErrClosed)
	}
	return s.segments, s.size, nil
}

// show replaces the segments that readers see.
func (s *Segments) show(all []*segment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.segments = slices.Clone(all)
}
