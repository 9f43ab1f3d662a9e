package admin

import (
	"context"

	"golang.org/x/mod/sumdb/tlog"
)

// Signed is what of a log is signed, and by whom.
type Signed struct {
	Checkpoint []byte   `json:"checkpoint"` // the newest
	Earlier    [][]byte `json:"earlier"`    // the smallest tree first
	Verifiers  []string `json:"verifiers"`  // the keys of the log, the first one first
}

// Part is a part of a log, as it is asked for and as it is answered.
type Part struct {
	From   int64    `json:"from"`
	Count  int      `json:"count,omitempty"`
	Leaves [][]byte `json:"leaves,omitempty"` // exact bytes; null: the body was deleted
	Hashes []byte   `json:"hashes,omitempty"` // stored hashes, 32 bytes each
}

// Bounds of an answer.
const (
	leavesAtOnce = 500
	hashesAtOnce = 8192
)

// CopySigned gives the checkpoints and the keys.
func (l *AuditLog) CopySigned(ctx context.Context, _ struct{}) (s Signed, err error) {
	if s.Checkpoint, err = l.Checkpoints.Latest(ctx); err != nil {
		return s, err
	}
	if s.Verifiers, err = l.Verifiers(ctx); err != nil {
		return s, err
	}
	before, ok := l.Checkpoints.(interface {
		Earlier(ctx context.Context, after int64, n int) (notes [][]byte, last int64, err error)
	})
	for after := int64(-1); ok; {
		notes, last, err := before.Earlier(ctx, after, leavesAtOnce)
		if err != nil || len(notes) == 0 {
			return s, err
		}
		s.Earlier, after = append(s.Earlier, notes...), last
	}
	return s, nil
}

// CopyLeaves gives the exact bytes of records.
func (l *AuditLog) CopyLeaves(ctx context.Context, p Part) (_ Part, err error) {
	p.Leaves, err = l.Leaves.Read(ctx, p.From, min(max(p.Count, 1), leavesAtOnce))
	return p, err
}

// CopyHashes gives stored hashes, as package tlog numbers them.
func (l *AuditLog) CopyHashes(ctx context.Context, p Part) (Part, error) {
	numbers := make([]int64, min(max(p.Count, 1), hashesAtOnce))
	for i := range numbers {
		numbers[i] = p.From + int64(i)
	}
	hashes, err := l.Leaves.Hashes(ctx).ReadHashes(numbers)
	if err != nil {
		return p, err
	}
	p.Hashes = make([]byte, 0, len(hashes)*tlog.HashSize)
	for _, h := range hashes {
		p.Hashes = append(p.Hashes, h[:]...)
	}
	return p, nil
}
