package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/audit/verify"
	"github.com/doorward-mcp/doorward/internal/crash"
)

// Sequencer keeps the audit log in PostgreSQL, where any number of processes append to one order: whoever has the one row of
// audit_head is next. A batch is one transaction.
//
// When the answer to a commit is lost, Append looks whether the batch is there before it says anything, and waits for the database as
// long as its context lasts. If that ends first, what came of the batch stays open: the same leaves given again are answered for and not
// kept twice, and others fail if the batch turns out to be kept.
type Sequencer struct {
	db     *DB
	hashes hashes

	mu      sync.Mutex // held while appending; guards unsure
	unsure  *batch     // whose commit had no answer; nil: none
	settled bool       // it is known that unsure is kept, though its caller was told otherwise
}

var (
	_ audit.Leaves      = (*Sequencer)(nil)
	_ audit.Checkpoints = (*Sequencer)(nil)
	_ audit.Sealed      = (*Sequencer)(nil)
)

// batch is what one transaction keeps.
type batch struct {
	id     string
	first  int64
	leaves int64
	frames []byte
	sums   []tlog.Hash // of the records
	digest [sha256.Size]byte
}

// Bounds of one batch in time: a transaction that takes longer has been forgotten by a process that has ended, or the database is too slow to log in.
const (
	appendTime = 20 * time.Second
	settlePace = 100 * time.Millisecond
)

var (
	errMany   = errors.New("appending to the audit log: the records of an earlier batch were kept after their writer was told that they might not be; it must be opened anew")
	errLeaf   = errors.New("appending to the audit log: a record is empty or too long")
	errNoEdge = errors.New("the head of the audit log does not fit its size")
)

// Sequencer is the audit log in this database; nil where the database is SQLite, beside which the log is files. There should
// be one in a process: it remembers what is open.
func (db *DB) Sequencer() *Sequencer {
	if db.writer != nil {
		return nil
	}
	return &Sequencer{db: db}
}

// Append is audit.Leaves'.
func (s *Sequencer) Append(ctx context.Context, leaves [][]byte) (first int64, err error) {
	b, err := newBatch(leaves)
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if open := s.unsure; open != nil {
		kept, err := s.settle(ctx)
		switch {
		case err != nil:
			return 0, err
		case kept && open.digest == b.digest:
			s.unsure = nil
			return open.first, nil
		case kept:
			return 0, errMany
		}
	}
	if len(leaves) == 0 {
		return s.Size(ctx)
	}
	sure, err := s.keep(ctx, b)
	if err == nil {
		return b.first, nil
	}
	if sure {
		return 0, fmt.Errorf("appending to the audit log: %w", err)
	}
	s.unsure, s.settled = b, false
	kept, lost := s.settle(ctx)
	if lost == nil && kept {
		s.unsure = nil
		return b.first, nil
	}
	return 0, fmt.Errorf("appending to the audit log: %w", errors.Join(err, lost))
}

// newBatch does what can be done before the row is held.
func newBatch(leaves [][]byte) (*batch, error) {
	b := &batch{id: rand.Text(), leaves: int64(len(leaves)), sums: make([]tlog.Hash, len(leaves))}
	size := 0
	for _, l := range leaves {
		if len(l) == 0 || len(l) > verify.MaxRecord {
			return nil, errLeaf
		}
		size += verify.FrameHead + len(l)
	}
	b.frames = make([]byte, 0, size)
	for i, l := range leaves {
		b.frames = verify.AppendFrame(b.frames, l)
		b.sums[i] = tlog.RecordHash(l)
	}
	b.digest = sha256.Sum256(b.frames)
	return b, nil
}

// takeHead holds the head until the transaction ends. Records are durable when a commit is answered, also where the database would rather
// answer sooner; and a process that goes away while it holds the head does not hold it for ever.
const takeHead = `SELECT size, edge, CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) ELSE '' END,
	set_config('idle_in_transaction_session_timeout', '10s', true) FROM audit_head WHERE one = 1 FOR UPDATE`

const keepBatch = `WITH e AS (INSERT INTO audit_entries (first, count_, batch, data) VALUES ($1, $2, $3, $4)),
	h AS (INSERT INTO audit_hashes (first, data) VALUES ($5, $6))
	UPDATE audit_head SET size = $7, edge = $8 WHERE one = 1`

// keep is the transaction of a batch. sure: after an error it is not kept. A caller who goes away does not break it off.
func (s *Sequencer) keep(ctx context.Context, b *batch) (sure bool, err error) {
	if err := s.db.mayChange(); err != nil {
		return true, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), appendTime)
	defer cancel()
	tx, err := s.db.read.BeginTx(ctx, nil)
	if err != nil {
		return true, err
	}
	undo := func(err error) (bool, error) { return true, errors.Join(err, tx.Rollback()) }
	var edge []byte
	var ignored string
	if err := tx.QueryRowContext(ctx, takeHead).Scan(&b.first, &edge, &ignored, &ignored); err != nil {
		return undo(err)
	}
	grown, err := grow(b.first, edge, b.sums)
	if err != nil {
		return undo(err)
	}
	if _, err := tx.ExecContext(ctx, keepBatch, b.first, b.leaves, b.id, b.frames, tlog.StoredHashCount(b.first), grown.stored, b.first+b.leaves, grown.edge); err != nil {
		return undo(err)
	}
	crash.Point("before a batch of the audit log is committed")
	defer crash.Point("after a batch of the audit log is committed")
	return false, tx.Commit()
}

// settle finds out whether the batch whose commit had no answer is kept. It takes the head for that: then the transaction has ended, one way or
// the other. An error leaves it open.
func (s *Sequencer) settle(ctx context.Context) (kept bool, err error) {
	if s.settled {
		return true, nil
	}
	for {
		kept, err = s.look(ctx, s.unsure)
		if err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return false, fmt.Errorf("it cannot be known yet whether the batch was kept: %w", err)
		case <-time.After(settlePace):
		}
	}
	s.settled = kept
	if !kept {
		s.unsure = nil
	}
	return kept, nil
}

func (s *Sequencer) look(ctx context.Context, b *batch) (kept bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, appendTime)
	defer cancel()
	tx, err := s.db.read.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer func() { _ = tx.Rollback() }()
	var size int64
	if err := tx.QueryRowContext(ctx, "SELECT size FROM audit_head WHERE one = 1 FOR UPDATE").Scan(&size); err != nil {
		return false, err
	}
	var n int
	err = tx.QueryRowContext(ctx, "SELECT count(*) FROM audit_entries WHERE first = $1 AND batch = $2", b.first, b.id).Scan(&n)
	return n > 0, err
}
