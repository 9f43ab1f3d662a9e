package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/doorward-mcp/doorward/authserver"
)

// Pendings are authorization requests that wait for a person.
type Pendings struct{ db *DB }

var _ authserver.Pendings = Pendings{}

// pendingID is the key of a pending request: whoever reads the database cannot answer for the person.
func pendingID(id string) []byte {
	sum := sha256.Sum256([]byte(id))
	return sum[:]
}

// Begin is authserver.Pendings'.
func (s Pendings) Begin(ctx context.Context, _, until time.Time, p authserver.Pending) error {
	id := pendingID(p.ID)
	p.ID = ""
	return s.db.change(ctx, func(tx tx) error {
		_, err := tx.Exec("INSERT INTO pendings (id, data, until_) VALUES ($1, $2, $3)", id, text(p), millis(until))
		return err
	})
}

// Pending is authserver.Pendings'.
func (s Pendings) Pending(ctx context.Context, now time.Time, id string) (authserver.Pending, error) {
	return scanPending(id, s.db.row(ctx, "SELECT data FROM pendings WHERE id = $1 AND until_ > $2", pendingID(id), millis(now)))
}

func scanPending(id string, row *sql.Row) (p authserver.Pending, err error) {
	var data string
	if err := row.Scan(&data); err != nil {
		return p, none(err, authserver.ErrNotFound)
	}
	err = json.Unmarshal([]byte(data), &p)
	p.ID = id
	return p, err
}

// Answer is authserver.Pendings'.
func (s Pendings) Answer(ctx context.Context, now time.Time, id string, a authserver.Answer) error {
	return s.db.change(ctx, func(tx tx) error {
		p, err := scanPending(id, tx.QueryRow("SELECT data FROM pendings WHERE id = $1 AND until_ > $2"+s.db.dialect.lock, pendingID(id), millis(now)))
		if err != nil {
			return err
		}
		p = p.With(a)
		p.ID = ""
		_, err = tx.Exec("UPDATE pendings SET data = $1 WHERE id = $2", text(p), pendingID(id))
		return err
	})
}

// Take is authserver.Pendings'.
func (s Pendings) Take(ctx context.Context, now time.Time, id string) (p authserver.Pending, err error) {
	err = s.db.change(ctx, func(tx tx) error {
		p, err = scanPending(id, tx.QueryRow("DELETE FROM pendings WHERE id = $1 AND until_ > $2 RETURNING data", pendingID(id), millis(now)))
		return err
	})
	return p, err
}
