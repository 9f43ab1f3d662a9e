package store

import (
	"context"
	"errors"
	"time"

	"github.com/doorward-mcp/doorward/audit"
)

// trailSchema is what stands beside the log: how far somebody has read it, and what of it may not be deleted.
const trailSchema = `
CREATE TABLE audit_cursors (
	name  TEXT PRIMARY KEY,
	next_ BIGINT NOT NULL
);
CREATE TABLE audit_witnessed (
	one  BIGINT PRIMARY KEY,
	size BIGINT NOT NULL,
	note BYTEA NOT NULL
);
CREATE TABLE audit_holds (
	name   TEXT PRIMARY KEY,
	from_  BIGINT NOT NULL,
	to_    BIGINT NOT NULL,
	reason TEXT NOT NULL,
	at_    BIGINT NOT NULL
);
`

// Cursors are how far readers of the audit log have come, by name: exporters, and Applied. They are written without a record,
// for a record for each would never end.
type Cursors struct{ db *DB }

// Applied is the cursor up to which what the log says has been done is in this database.
const Applied = "applied"

// Cursors are those of this database.
func (db *DB) Cursors() Cursors { return Cursors{db} }

// LoadCursor is the index of the first record that a reader has not read; 0 for one that has read none.
func (c Cursors) LoadCursor(ctx context.Context, name string) (next int64, err error) {
	err = c.db.row(ctx, "SELECT next_ FROM audit_cursors WHERE name = $1", name).Scan(&next)
	return next, none(err, nil)
}

// SaveCursor keeps how far a reader has come. A cursor never goes back.
func (c Cursors) SaveCursor(ctx context.Context, name string, next int64) error {
	return c.db.change(ctx, func(tx tx) error {
		_, err := tx.Exec("INSERT INTO audit_cursors (name, next_) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET next_ = excluded.next_ WHERE audit_cursors.next_ < excluded.next_", name, next)
		return err
	})
}

// ResetCursors brings back every cursor that is beyond an index: the log was repaired, and other records come there.
func (c Cursors) ResetCursors(ctx context.Context, to int64) error {
	return c.db.change(ctx, func(tx tx) error {
		_, err := tx.Exec("UPDATE audit_cursors SET next_ = $1 WHERE next_ > $1", to)
		return err
	})
}

// Witnessed is the newest checkpoint that a quorum of witnesses has signed; nil: there is none.
func (s *Sequencer) Witnessed(ctx context.Context) (note []byte, err error) {
	err = s.db.row(ctx, "SELECT note FROM audit_witnessed WHERE one = 1").Scan(&note)
	return note, none(err, nil)
}

// KeepWitnessed keeps a checkpoint that a quorum has signed, unless there is one of a larger tree.
func (s *Sequencer) KeepWitnessed(ctx context.Context, size int64, checkpoint []byte) error {
	return s.db.change(ctx, func(tx tx) error {
		_, err := tx.Exec("INSERT INTO audit_witnessed (one, size, note) VALUES (1, $1, $2) ON CONFLICT (one) DO UPDATE SET size = excluded.size, note = excluded.note WHERE audit_witnessed.size <= excluded.size", size, checkpoint)
		return err
	})
}

// Hold is a range of records that may not be deleted.
type Hold struct {
	Name   string
	Span   audit.Span
	Reason string
	Since  time.Time
}

// ErrHold is the error of a hold whose name another one has.
var ErrHold = errors.New("there is a hold of this name")

// ErrNoHold is the error of a hold that there is not.
var ErrNoHold = errors.New("there is no hold of this name")

// Holds are all holds, by name.
func (db *DB) Holds(ctx context.Context) (all []Hold, err error) {
	rows, err := db.read.QueryContext(ctx, "SELECT name, from_, to_, reason, at_ FROM audit_holds ORDER BY name")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var h Hold
		var at int64
		if err := rows.Scan(&h.Name, &h.Span.From, &h.Span.To, &h.Reason, &at); err != nil {
			return nil, err
		}
		h.Since = fromMillis(at)
		all = append(all, h)
	}
	return all, rows.Err()
}

// Hold keeps records from being deleted. ErrHold: the name is taken.
func (db *DB) Hold(ctx context.Context, in audit.Intent, h Hold) error {
	return db.act(ctx, in, func(tx tx, now time.Time) error {
		added, err := changed(tx.Exec("INSERT INTO audit_holds (name, from_, to_, reason, at_) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (name) DO NOTHING", h.Name, h.Span.From, h.Span.To, h.Reason, millis(now)))
		if err == nil && !added {
			err = ErrHold
		}
		return err
	})
}

// Release ends a hold. ErrNoHold: there is none.
func (db *DB) Release(ctx context.Context, in audit.Intent, name string) error {
	return db.act(ctx, in, func(tx tx, _ time.Time) error {
		ended, err := changed(tx.Exec("DELETE FROM audit_holds WHERE name = $1", name))
		if err == nil && !ended {
			err = ErrNoHold
		}
		return err
	})
}
