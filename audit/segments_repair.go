package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/audit/verify"
)

// RepairSegments makes a log in files openable that OpenSegments refuses as damaged. The log then ends before the first
// record that is missing or cannot be read, and with the newest checkpoint that fits. What does not fit is put aside in the
// same directory and named; nothing is deleted. The caller appends the notice verify.Gap, so that nobody takes the log for
// whole; a witness will not sign it. The zero Note: nothing was wrong. It reads all records.
func RepairSegments(dir string, now func() time.Time) (gap verify.Note, aside []string, err error) {
	s, err := OpenSegments(dir, now, SegmentOptions{})
	if err == nil {
		return gap, nil, s.Close()
	}
	if !errors.Is(err, ErrDamaged) {
		return gap, nil, err
	}
	lock, err := holdLog(dir)
	if err != nil {
		return gap, nil, err
	}
	r := repair{dir: dir, stamp: now().UTC().Format("20060102T150405.000000000")}
	if err = r.run(); err != nil {
		err = fmt.Errorf("repairing the audit log in %s: %w", dir, err)
	}
	if err = errors.Join(err, lock.Unlock()); err != nil {
		return r.gap, r.aside, err
	}
	// What was repaired must open.
	if s, err = OpenSegments(dir, now, SegmentOptions{}); err != nil {
		return r.gap, r.aside, err
	}
	return r.gap, r.aside, s.Close()
}

// repair is one repairing.
type repair struct {
	dir   string
	stamp string // in the names of files that are put aside
	gap   verify.Note
	aside []string // files to which what no longer fits was moved
	end   int64    // index after the last record that was seen or must have been there
}

func (r *repair) run() error {
	points, err := r.checkpoints()
	if err != nil {
		return err
	}
	size, err := r.segments()
	if err != nil {
		return err
	}
	roots, err := r.rehash(points, size)
	if err != nil {
		return err
	}
	return r.choose(points, roots, size)
}

// checkpoints are all that there are, in the order in which they were published.
func (r *repair) checkpoints() ([]point, error) {
	points, err := loadPoints(r.dir)
	if err != nil {
		return nil, err
	}
	latest, err := loadPoint(r.dir)
	if err != nil {
		return nil, err
	}
	if latest.note != nil {
		points = append(points, latest)
	}
	for _, p := range points {
		r.end = max(r.end, p.size)
	}
	return points, nil
}

// segments ends the log before the first record that is missing or bad, and gives its size.
func (r *repair) segments() (int64, error) {
	all, err := listSegments(r.dir)
	if err != nil || len(all) == 0 {
		return 0, err
	}
	size := all[0].first
	for i, g := range all {
		if g.first != size {
			return size, r.asideFrom(all[i:])
		}
		whole, err := r.readSegment(g)
		if err != nil {
			return 0, err
		}
		size = g.first + g.records
		if !whole {
			if err := r.cut(g); err != nil {
				return 0, err
			}
			return size, r.asideFrom(all[i+1:])
		}
	}
	return size, nil
}

// readSegment goes through a segment and says whether all of it is good.
func (r *repair) readSegment(g *segment) (bool, error) {
	f, err := os.Open(g.path())
	if err != nil {
		return false, err
	}
	defer f.Close()
	sc := scanner{from: f, end: g.bytes, buffered: readAway}
	for sc.at < sc.end {
		_, err := sc.next(false)
		if errors.Is(err, verify.ErrFrame) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		g.passed(sc.at)
	}
	r.end = max(r.end, g.first+g.records)
	return true, nil
}

// cut ends a segment after its good records and puts the rest aside.
func (r *repair) cut(g *segment) error {
	b, err := os.ReadFile(g.path())
	if err != nil {
		return err
	}
	name := "lost-" + r.stamp + "-after-" + g.name()
	if err := replaceFile(r.dir, name, b[g.read:], true); err != nil {
		return err
	}
	r.aside = append(r.aside, name)
	if err := os.Truncate(g.path(), g.read); err != nil {
		return err
	}
	f, err := os.OpenFile(g.path(), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// asideFrom puts segments aside that follow what is missing.
func (r *repair) asideFrom(all []*segment) error {
	for _, g := range all {
		name := "lost-" + r.stamp + "-" + g.name()
		if err := os.Rename(g.path(), filepath.Join(r.dir, name)); err != nil {
			return err
		}
		r.aside = append(r.aside, name)
		if _, err := r.readMoved(g, name); err != nil {
			return err
		}
	}
	return syncDir(r.dir)
}

// readMoved counts the records of a segment that was put aside, for the range that is missing has to go beyond them.
func (r *repair) readMoved(g *segment, name string) (int64, error) {
	f, err := os.Open(filepath.Join(r.dir, name))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	sc := scanner{from: f, end: g.bytes, buffered: readAway}
	n := g.first
	for sc.at < sc.end {
		if _, err := sc.next(true); err != nil {
			break
		}
		n++
	}
	r.end = max(r.end, n)
	return n, nil
}

// rehash makes the hashes of all records anew that have a body, and gives the roots at the sizes of the checkpoints.
func (r *repair) rehash(points []point, size int64) (map[int64]tlog.Hash, error) {
	hashes, err := openDisk(filepath.Join(r.dir, "hashes.dat"))
	if err != nil {
		return nil, err
	}
	defer hashes.Close()
	s := &Segments{dir: r.dir, hashes: hashes}
	if s.segments, err = listSegments(r.dir); err != nil {
		return nil, err
	}
	if len(s.segments) > 0 {
		first := s.segments[0].first
		if s.edge, err = edgeOf(first, s.hashesBelow(first)); err != nil {
			return nil, fmt.Errorf("the hashes of records before index %d, whose bodies were deleted, are not there; restore hashes.dat: %w", first, err)
		}
	}
	for i, g := range s.segments {
		if err := s.loadSegment(g, i == len(s.segments)-1); err != nil {
			return nil, err
		}
	}
	roots := map[int64]tlog.Hash{}
	for _, p := range points {
		if p.size > size {
			continue
		}
		if roots[p.size], err = tlog.TreeHash(p.size, s.hashesBelow(size)); err != nil {
			return nil, err
		}
	}
	return roots, hashes.Sync()
}

// choose keeps the checkpoints that fit and puts the others aside.
func (r *repair) choose(points []point, roots map[int64]tlog.Hash, size int64) error {
	var fit, lost [][]byte
	var newest point
	for _, p := range points {
		if root, ok := roots[p.size]; !ok || root != p.root {
			lost = append(lost, p.note)
			continue
		}
		fit = append(fit, p.note)
		if p.size >= newest.size {
			newest = p
		}
	}
	r.gap.From = size
	if r.end > size {
		r.gap.To = r.end
	}
	for _, p := range points {
		if root, ok := roots[p.size]; ok && root != p.root { // from the last checkpoint that fits, nothing says what was there
			r.gap.From, r.gap.To = min(r.gap.From, newest.size), max(r.gap.To, p.size)
		}
	}
	if len(lost) == 0 {
		return nil
	}
	name := "lost-" + r.stamp + "-checkpoints.log"
	if err := appendFrames(r.dir, name, lost...); err != nil {
		return err
	}
	r.aside = append(r.aside, name)
	return r.rewrite(fit, newest)
}

// rewrite leaves only checkpoints that fit.
func (r *repair) rewrite(fit [][]byte, newest point) error {
	var b []byte
	for _, one := range fit {
		b = verify.AppendFrame(b, one)
	}
	if err := replaceFile(r.dir, "checkpoints.log", b, true); err != nil {
		return err
	}
	if newest.note != nil {
		return replaceFile(r.dir, "checkpoint", newest.note, true)
	}
	if err := os.Remove(filepath.Join(r.dir, "checkpoint")); err != nil && !os.IsNotExist(err) {
		return err
	}
	return syncDir(r.dir)
}
