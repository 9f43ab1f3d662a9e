package store

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/audit/verify"
)

// Size is audit.Leaves'.
func (s *Sequencer) Size(ctx context.Context) (size int64, err error) {
	err = s.db.row(ctx, "SELECT size FROM audit_head WHERE one = 1").Scan(&size)
	return size, err
}

// Read is audit.Leaves'. A body that is missing behind one that is there was not deleted by Drop: that is an error.
func (s *Sequencer) Read(ctx context.Context, from int64, n int) (leaves [][]byte, err error) {
	if from < 0 || n < 0 {
		return nil, fmt.Errorf("reading the audit log: %d records from %d", n, from)
	}
	size, err := s.Size(ctx)
	if err != nil || from >= size {
		return nil, err
	}
	end := from + min(int64(n), size-from)
	rows, err := s.db.read.QueryContext(ctx, `SELECT first, count_, data FROM audit_entries
		WHERE first < $2 AND first >= coalesce((SELECT max(first) FROM audit_entries WHERE first <= $1), 0) ORDER BY first`, from, end)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	leaves = make([][]byte, end-from)
	next := int64(-1) // the record behind the last one that was found
	for rows.Next() {
		var first, count int64
		var data []byte
		if err := rows.Scan(&first, &count, &data); err != nil {
			return nil, err
		}
		if next >= 0 && first != next {
			return nil, fmt.Errorf("reading the audit log: record %d is missing", next)
		}
		for next = first; next < first+count; next++ {
			record, rest, err := verify.Frame(data)
			if err != nil {
				return nil, fmt.Errorf("reading record %d of the audit log: %w", next, err)
			}
			if next >= from && next < end {
				leaves[next-from] = record
			}
			data = rest
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if next >= 0 && next < end {
		return nil, fmt.Errorf("reading the audit log: record %d is missing", next)
	}
	return leaves, nil
}

// Drop is audit.Leaves'. What is deleted by itself is a batch.
func (s *Sequencer) Drop(ctx context.Context, before int64) (gone int64, err error) {
	err = s.db.change(ctx, func(tx tx) error {
		if _, err := tx.Exec("DELETE FROM audit_entries WHERE first < $1 AND first + count_ <= $1", before); err != nil {
			return err
		}
		return tx.QueryRow("SELECT coalesce((SELECT min(first) FROM audit_entries), size) FROM audit_head WHERE one = 1").Scan(&gone)
	})
	return gone, err
}

// Droppable is how far Drop would go.
func (s *Sequencer) Droppable(ctx context.Context, before int64) (to int64, err error) {
	err = s.db.row(ctx, `SELECT coalesce((SELECT min(first) FROM audit_entries WHERE first + count_ > $1), least($1, size)) FROM audit_head WHERE one = 1`, before).Scan(&to)
	return to, err
}

// hashes remembers stored hashes of large subtrees, which every proof needs and which never change. The zero value is empty.
type hashes struct {
	mu    sync.Mutex          // guards known
	known map[int64]tlog.Hash // :: number → hash
}

const (
	knownLevel  = 6       // of the smallest subtree that is remembered: 64 records
	knownHashes = 1 << 16 // at most; one more begins anew
)

// Hashes is audit.Leaves'.
func (s *Sequencer) Hashes(ctx context.Context) tlog.HashReader {
	return tlog.HashReaderFunc(func(numbers []int64) ([]tlog.Hash, error) {
		all := make([]tlog.Hash, len(numbers))
		var ask []int64
		var where []int
		s.hashes.mu.Lock()
		for i, n := range numbers {
			h, ok := s.hashes.known[n]
			if all[i] = h; !ok {
				ask, where = append(ask, n), append(where, i)
			}
		}
		s.hashes.mu.Unlock()
		if len(ask) == 0 {
			return all, nil
		}
		read, err := s.readHashes(ctx, ask)
		if err != nil {
			return nil, fmt.Errorf("reading hashes of the audit log: %w", err)
		}
		s.hashes.mu.Lock()
		defer s.hashes.mu.Unlock()
		for i, h := range read {
			all[where[i]] = h
			s.hashes.keep(ask[i], h)
		}
		return all, nil
	})
}

// keep remembers one hash. The caller holds mu.
func (k *hashes) keep(n int64, h tlog.Hash) {
	if level, _ := tlog.SplitStoredHashIndex(n); level < knownLevel {
		return
	}
	if k.known == nil || len(k.known) >= knownHashes {
		k.known = map[int64]tlog.Hash{}
	}
	k.known[n] = h
}

// readHashes reads stored hashes in one question, in the order of their numbers' places.
func (s *Sequencer) readHashes(ctx context.Context, numbers []int64) (all []tlog.Hash, err error) {
	rows, err := s.db.read.QueryContext(ctx, `SELECT w.place, substr(h.data, ((w.number - h.first) * 32 + 1)::int, 32)
		FROM unnest($1::bigint[]) WITH ORDINALITY AS w (number, place),
		LATERAL (SELECT first, data FROM audit_hashes WHERE first <= w.number ORDER BY first DESC LIMIT 1) h`, numbers)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	all = make([]tlog.Hash, len(numbers))
	found := 0
	for rows.Next() {
		var place int64
		var data []byte
		if err := rows.Scan(&place, &data); err != nil {
			return nil, err
		}
		if len(data) != tlog.HashSize {
			return nil, fmt.Errorf("stored hash %d is missing", numbers[place-1])
		}
		all[place-1] = tlog.Hash(data)
		found++
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if found != len(numbers) {
		return nil, errors.New("a stored hash is missing")
	}
	return all, nil
}
