package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/audit/verify"
)

// Span is a range of records. To is the first that does not belong.
type Span struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// Retain deletes the bodies of records that are older than a time, up to the first that is held and the first whose outcome is
// missing. Their hashes stay: every proof of what is left holds, and so does the tree. The notice comes first, so that no body is ever missing without one.
func (j *Journal) Retain(ctx context.Context, before time.Time, held []Span) (dropped int64, err error) {
	from, to, err := j.older(ctx, before)
	if err != nil {
		return 0, fmt.Errorf("finding the records before %s: %w", stamp(before), err)
	}
	for _, h := range held {
		if h.To > from {
			to = min(to, h.From)
		}
	}
	marks, err := j.c.Checkpoints.Marks(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading the marks: %w", err)
	}
	for _, m := range marks {
		to = min(to, m.Floor)
	}
	if to <= from {
		return 0, nil
	}
	if to, err = j.droppable(ctx, from, to); err != nil || to <= from {
		return 0, err
	}
	root, err := tlog.TreeHash(to, j.c.Leaves.Hashes(ctx))
	if err != nil {
		return 0, fmt.Errorf("computing the tree of %d records: %w", to, err)
	}
	if _, err := j.Notice(ctx, verify.Retention, "", "", &verify.Note{From: from, To: to, Root: root.String()}); err != nil {
		return 0, err
	}
	if err := j.Checkpoint(ctx); err != nil { // what is deleted is under a checkpoint that says so
		return 0, err
	}
	gone, err := j.c.Leaves.Drop(ctx, to)
	if err != nil {
		return 0, fmt.Errorf("deleting the bodies of records: %w", err)
	}
	return max(gone-from, 0), nil
}

// older gives the first record that has a body, and the first that is not older than a time.
func (j *Journal) older(ctx context.Context, before time.Time) (from, to int64, err error) {
	size, err := j.c.Leaves.Size(ctx)
	if err != nil {
		return 0, 0, err
	}
	if from, err = j.search(ctx, 0, size, func(e *verify.Entry) bool { return e != nil }); err != nil {
		return 0, 0, err
	}
	to, err = j.search(ctx, from, size, func(e *verify.Entry) bool { return e == nil || e.Time >= stamp(before) })
	return from, to, err
}

// search is the first record in a range that is what is asked for: once one is, all after it are, as nearly as clocks are right.
func (j *Journal) search(ctx context.Context, from, to int64, is func(*verify.Entry) bool) (int64, error) {
	for from < to {
		middle := from + (to-from)/2
		leaves, err := j.c.Leaves.Read(ctx, middle, 1)
		if err != nil {
			return 0, err
		}
		if len(leaves) == 0 {
			return 0, errors.New("a record is missing")
		}
		var e *verify.Entry
		if leaves[0] != nil {
			read, err := verify.Decode(leaves[0])
			if err != nil {
				return 0, fmt.Errorf("record %d: %w", middle, err)
			}
			e = &read
		}
		if is(e) {
			to = middle
		} else {
			from = middle + 1
		}
	}
	return to, nil
}

// droppable is how far Drop would go: a store that deletes whole files says so, that no notice is written for nothing.
func (j *Journal) droppable(ctx context.Context, from, to int64) (int64, error) {
	d, ok := j.c.Leaves.(interface {
		Droppable(ctx context.Context, before int64) (int64, error)
	})
	if !ok {
		return to, nil
	}
	n, err := d.Droppable(ctx, to)
	return max(n, from), err
}

// Droppable is how far Drop would go: to the end of a segment.
func (s *Segments) Droppable(_ context.Context, before int64) (int64, error) {
	all, _, err := s.view()
	if err != nil {
		return 0, err
	}
	s.points.Lock()
	before = min(before, s.latest.size)
	s.points.Unlock()
	to := int64(0)
	for i, g := range all {
		if i > 0 && g.first > before {
			break
		}
		to = g.first
	}
	return to, nil
}
