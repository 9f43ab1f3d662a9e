package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/audit"
)

// thinned is how far apart earlier checkpoints are kept, in milliseconds.
const thinned = 10_000

// Latest is audit.Checkpoints'.
func (s *Sequencer) Latest(ctx context.Context) (note []byte, err error) {
	err = s.db.row(ctx, "SELECT note FROM audit_checkpoints ORDER BY size DESC LIMIT 1").Scan(&note)
	return note, none(err, nil)
}

// Publish is audit.Checkpoints'. One whose root is not that of the records is refused. Another checkpoint of the same tree takes the
// place of the one before: it may have more signatures. Of earlier ones, one in ten seconds stays, by the clock of the database.
func (s *Sequencer) Publish(ctx context.Context, size int64, checkpoint []byte) error {
	stays, err := s.judge(ctx, size, checkpoint)
	if err != nil {
		return fmt.Errorf("publishing a checkpoint of size %d: %w", size, err)
	}
	return s.db.change(ctx, func(tx tx) error {
		added, err := changed(tx.Exec(`INSERT INTO audit_checkpoints (size, at_, stays, note)
			SELECT $1::bigint, `+s.db.dialect.now+`, $2::bigint, $3::bytea WHERE NOT EXISTS (SELECT 1 FROM audit_checkpoints WHERE size > $1::bigint)
			ON CONFLICT (size) DO UPDATE SET note = excluded.note, stays = excluded.stays`, size, flag(stays), checkpoint))
		if err != nil || !added {
			return err
		}
		_, err = tx.Exec(`DELETE FROM audit_checkpoints AS c WHERE c.stays = 0 AND c.size = (SELECT max(size) FROM audit_checkpoints WHERE size < $1)
			AND c.at_ < (SELECT b.at_ FROM audit_checkpoints b WHERE b.size < c.size ORDER BY b.size DESC LIMIT 1) + $2::bigint`, size, thinned)
		return err
	})
}

// judge holds the text of a checkpoint, whose signatures are judged elsewhere, against the tree. C2SP tlog-checkpoint: origin, size and
// root stand in its first lines. stays: the log signed it with two keys.
func (s *Sequencer) judge(ctx context.Context, size int64, checkpoint []byte) (stays bool, err error) {
	text, signatures, ok := strings.Cut(string(checkpoint), "\n\n")
	lines := strings.Split(text, "\n")
	if !ok || len(lines) < 3 || lines[1] != strconv.FormatInt(size, 10) {
		return false, errors.New("it is no checkpoint of that size")
	}
	root, err := tlog.TreeHash(size, s.Hashes(ctx))
	if err != nil {
		return false, err
	}
	if lines[2] != root.String() {
		return false, fmt.Errorf("its root is %q, that of the records is %s", lines[2], root)
	}
	return strings.Count("\n"+signatures, "\n— "+lines[0]+" ") > 1, nil
}

// Earlier are at most n checkpoints of trees larger than after, the smallest first. Those who export the log ask for them.
func (s *Sequencer) Earlier(ctx context.Context, after int64, n int) (notes [][]byte, last int64, err error) {
	rows, err := s.db.read.QueryContext(ctx, "SELECT size, note FROM audit_checkpoints WHERE size > $1 ORDER BY size LIMIT $2", after, n)
	if err != nil {
		return nil, after, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	last = after
	for rows.Next() {
		var note []byte
		if err := rows.Scan(&last, &note); err != nil {
			return nil, after, err
		}
		notes = append(notes, note)
	}
	return notes, last, rows.Err()
}

// Mark is audit.Checkpoints'.
func (s *Sequencer) Mark(ctx context.Context, m audit.Mark) error {
	return s.db.change(ctx, func(tx tx) error {
		_, err := tx.Exec(`INSERT INTO audit_marks (node, boot, floor_, seen) VALUES ($1, $2, $3, $4)
			ON CONFLICT (node) DO UPDATE SET boot = excluded.boot, floor_ = excluded.floor_, seen = excluded.seen`, m.Node, m.Boot, m.Floor, millis(m.Seen))
		return err
	})
}

// Marks is audit.Checkpoints'.
func (s *Sequencer) Marks(ctx context.Context) (all []audit.Mark, err error) {
	rows, err := s.db.read.QueryContext(ctx, "SELECT node, boot, floor_, seen FROM audit_marks ORDER BY node")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var m audit.Mark
		var seen int64
		if err := rows.Scan(&m.Node, &m.Boot, &m.Floor, &seen); err != nil {
			return nil, err
		}
		m.Seen = fromMillis(seen)
		all = append(all, m)
	}
	return all, rows.Err()
}

// logKeys is the row of the keys that sign checkpoints.
const logKeys = "log"

// LoadKeys are the keys that sign, sealed by whoever saved them; nil if none were saved.
func (s *Sequencer) LoadKeys(ctx context.Context) (sealed []byte, err error) {
	err = s.db.row(ctx, "SELECT sealed FROM audit_keys WHERE name = $1", logKeys).Scan(&sealed)
	return sealed, none(err, nil)
}

// SaveKeys replaces the sealed keys by others, if they still are old; nil: if there are none. The error is audit.ErrKeysChanged if
// another process was quicker.
func (s *Sequencer) SaveKeys(ctx context.Context, old, sealed []byte) error {
	return s.db.change(ctx, func(tx tx) error {
		var r sql.Result
		var err error
		if old == nil {
			r, err = tx.Exec("INSERT INTO audit_keys (name, sealed) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", logKeys, sealed)
		} else {
			r, err = tx.Exec("UPDATE audit_keys SET sealed = $1 WHERE name = $2 AND sealed = $3", sealed, logKeys, old)
		}
		saved, err := changed(r, err)
		if err == nil && !saved {
			err = audit.ErrKeysChanged
		}
		return err
	})
}
