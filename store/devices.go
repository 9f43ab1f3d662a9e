package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/doorward-mcp/doorward/authserver"
)

// Devices are device authorization requests that wait for a person.
type Devices struct{ db *DB }

var _ authserver.Devices = Devices{}

// Begin is authserver.Devices'.
func (s Devices) Begin(ctx context.Context, _ time.Time, d authserver.Device) error {
	return s.db.change(ctx, func(tx tx) error {
		_, err := tx.Exec("INSERT INTO devices (code, user_code, data, interval_, polled, declined, until_) VALUES ($1,$2,$3,$4,0,0,$5)",
			d.CodeHash[:], d.UserCode, text(d), d.Interval.Milliseconds(), millis(d.Until))
		return err
	})
}

// Find is authserver.Devices'.
func (s Devices) Find(ctx context.Context, now time.Time, userCode string) (authserver.Device, error) {
	d, _, err := scanDevice(s.db.row(ctx, "SELECT data, interval_, polled, declined, until_ FROM devices WHERE user_code = $1 AND until_ > $2 AND declined = 0", userCode, millis(now)))
	return d, err
}

// Poll is authserver.Devices'.
func (s Devices) Poll(ctx context.Context, now time.Time, code [32]byte) (d authserver.Device, soon bool, err error) {
	err = s.db.change(ctx, func(tx tx) error {
		var polled time.Time
		d, polled, err = scanDevice(tx.QueryRow("SELECT data, interval_, polled, declined, until_ FROM devices WHERE code = $1"+s.db.dialect.lock, code[:]))
		if err != nil {
			return err
		}
		if soon = now.Sub(polled) < d.Interval; soon {
			d.Interval += authserver.SlowDown
		}
		_, err = tx.Exec("UPDATE devices SET polled = $1, interval_ = $2 WHERE code = $3", millis(now), d.Interval.Milliseconds(), code[:])
		return err
	})
	return d, soon, err
}

// Decline is authserver.Devices'.
func (s Devices) Decline(ctx context.Context, now time.Time, code [32]byte) error {
	return s.db.change(ctx, func(tx tx) error {
		return ended(tx.Exec("UPDATE devices SET declined = 1 WHERE code = $1 AND until_ > $2", code[:], millis(now)))
	})
}

func scanDevice(row *sql.Row) (d authserver.Device, polled time.Time, err error) {
	var data string
	var interval, at, declined, until int64
	if err := row.Scan(&data, &interval, &at, &declined, &until); err != nil {
		return d, polled, none(err, authserver.ErrNotFound)
	}
	err = json.Unmarshal([]byte(data), &d)
	d.Interval, d.Declined, d.Until = time.Duration(interval)*time.Millisecond, declined != 0, fromMillis(until)
	return d, fromMillis(at), errors.Join(err)
}
