package store

import (
	"context"
	"crypto/sha256"
	"time"
)

// Once marks id of kind as used, until a time from which on it is refused anyway, and reports whether it was new: one insert for
// each assertion and each proof, which all replicas share. It is durable before it answers, or a restart would take a
// stolen one once more.
func (db *DB) Once(ctx context.Context, now time.Time, kind, id string, until time.Time) (fresh bool, err error) {
	sum := sha256.Sum256([]byte(kind + "\x00" + id))
	err = db.change(ctx, func(tx tx) error {
		fresh, err = changed(tx.Exec(`INSERT INTO once (hash, until_) VALUES ($1, $2)
			ON CONFLICT (hash) DO UPDATE SET until_ = excluded.until_ WHERE once.until_ <= $3`, sum[:], millis(until), millis(now)))
		return err
	})
	return fresh, err
}
