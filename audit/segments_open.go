package audit

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/internal/crash"
)

// OpenSegments opens the log in a directory, which it makes if there is none. What a crash leaves is put right: the last
// segment ends after its last whole record, and hashes.dat is made anew for the records that no checkpoint has. The error
// wraps ErrDamaged if the records are not those of the latest checkpoint.
func OpenSegments(dir string, now func() time.Time, o SegmentOptions) (*Segments, error) {
	if o.MaxBytes <= 0 {
		o.MaxBytes = 256 << 20
	}
	if o.MaxAge <= 0 {
		o.MaxAge = time.Hour
	}
	if o.open == nil {
		o.open = openDisk
	}
	if o.whole == 0 {
		o.whole = readWhole
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of the audit log: %w", err)
	}
	lock, err := holdLog(dir)
	if err != nil {
		return nil, err
	}
	s := &Segments{dir: dir, now: now, o: o, lock: lock, marks: loadMarks(dir)}
	if err := s.load(); err != nil {
		if s.last != nil {
			err = errors.Join(err, s.last.Close())
		}
		if s.hashes != nil {
			err = errors.Join(err, s.hashes.Close())
		}
		return nil, errors.Join(fmt.Errorf("opening the audit log in %s: %w", dir, err), lock.Unlock())
	}
	return s, nil
}

// holdLog takes the lock of a directory, which the system frees when the process ends, however it ends.
func holdLog(dir string) (*flock.Flock, error) {
	name := filepath.Join(dir, "lock")
	lock := flock.New(name, flock.SetPermissions(0o600))
	ok, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("locking the audit log in %s: %w", dir, err)
	}
	if !ok {
		holder := "another process"
		if b, err := os.ReadFile(name); err == nil && len(b) > 0 && len(b) < 100 {
			holder = strings.TrimSpace(string(b))
		}
		return nil, fmt.Errorf("the audit log in %s is open already, in %s, and one process at a time may write it", dir, holder)
	}
	// What cannot be written is only missing from the message that another process gets.
	_ = os.WriteFile(name, fmt.Appendf(nil, "process %d\n", os.Getpid()), 0o600)
	return lock, nil
}

var segmentName = regexp.MustCompile(`^seg-([0-9]{20})\.log$`)

// listSegments gives the segments of a directory in order, with their lengths.
func listSegments(dir string) ([]*segment, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []*segment
	for _, f := range files {
		m := segmentName.FindStringSubmatch(f.Name())
		if m == nil {
			continue
		}
		first, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("segment %s: %w", f.Name(), err)
		}
		info, err := f.Info()
		if err != nil {
			return nil, err
		}
		g := newSegment(dir, first)
		g.bytes = info.Size()
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b *segment) int { return cmp.Compare(a.first, b.first) })
	return all, nil
}

// load finds out what is there and puts right what a crash left.
func (s *Segments) load() (err error) {
	if s.latest, err = loadPoint(s.dir); err != nil {
		return err
	}
	if err := cutFrames(s.dir, "checkpoints.log"); err != nil {
		return err
	}
	if s.segments, err = listSegments(s.dir); err != nil {
		return err
	}
	if s.hashes, err = s.o.open(filepath.Join(s.dir, "hashes.dat")); err != nil {
		return err
	}
	if err := s.loadRecords(); err != nil {
		return err
	}
	if err := s.judge(); err != nil {
		return err
	}
	if err := s.openLast(); err != nil {
		return err
	}
	if err := s.hashes.Truncate(tlog.StoredHashCount(s.size) * tlog.HashSize); err != nil {
		return err
	}
	s.synced, s.began = s.latest.size, s.now()
	return syncDir(s.dir)
}

// openLast opens the last segment for appending, without its torn tail, and makes it durable.
func (s *Segments) openLast() error {
	if len(s.segments) == 0 {
		return nil
	}
	g := s.segments[len(s.segments)-1]
	file, err := s.o.open(g.path())
	if err != nil {
		return err
	}
	s.last = file
	if err := file.Truncate(g.bytes); err != nil {
		return err
	}
	crash.Point("audit torn tail cut")
	// A page that a process before this one could not write counts as written by now. So what no checkpoint has is written
	// again before it is synced.
	at, _, _ := g.start(max(s.latest.size, g.first))
	for b := make([]byte, readAway); at < g.bytes; {
		n, err := file.ReadAt(b[:min(int64(len(b)), g.bytes-at)], at)
		if n == 0 {
			return err
		}
		if _, err := file.WriteAt(b[:n], at); err != nil {
			return err
		}
		at += int64(n)
	}
	if err := file.Sync(); err != nil {
		return err
	}
	crash.Point("audit last segment synced")
	return nil
}

// cutFrames cuts what a crash left at the end of a file of frames.
func cutFrames(dir, name string) error {
	_, length, err := readFrames(dir, name)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, name)
	if info, err := os.Stat(path); err != nil || info.Size() == length {
		return nil
	}
	return os.Truncate(path, length)
}
