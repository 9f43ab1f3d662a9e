package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/registration"
)

// Clients are those that registered themselves.
type Clients struct{ db *DB }

var _ registration.Clients = Clients{}

const clientColumns = "id, metadata, secret, issued"

// Client is registration.Clients'.
func (s Clients) Client(ctx context.Context, _ time.Time, id string) (oauth.Client, error) {
	return scanClient(s.db.row(ctx, "SELECT "+clientColumns+" FROM clients WHERE id = $1", id))
}

func scanClient(row *sql.Row) (c oauth.Client, err error) {
	var metadata string
	var secret []byte
	var issued int64
	if err := row.Scan(&c.ID, &metadata, &secret, &issued); err != nil {
		return c, none(err, registration.ErrNotFound)
	}
	c.Source, c.Issued = oauth.Dynamic, fromMillis(issued)
	copy(c.SecretHash[:], secret)
	err = json.Unmarshal([]byte(metadata), &c.ClientMetadata)
	return c, err
}

// Register is registration.Clients'.
func (s Clients) Register(ctx context.Context, in audit.Intent, c oauth.Client, fingerprint string, unused int) (oauth.Client, error) {
	err := s.db.act(ctx, in, func(tx tx, now time.Time) error {
		same, err := scanClient(tx.QueryRow("SELECT "+clientColumns+" FROM clients WHERE fingerprint = $1", fingerprint))
		if err == nil {
			c = same
			return again(tx, now, c.ID)
		}
		if !errors.Is(err, registration.ErrNotFound) {
			return err
		}
		var n int
		if err := tx.QueryRow("SELECT count(*) FROM clients WHERE used = 0").Scan(&n); err != nil {
			return err
		}
		if n >= unused {
			return registration.ErrFull
		}
		done, err := changed(tx.Exec("INSERT INTO clients (id, fingerprint, metadata, secret, issued, used) VALUES ($1,$2,$3,$4,$5,0) ON CONFLICT (fingerprint) DO NOTHING",
			c.ID, sql.NullString{String: fingerprint, Valid: fingerprint != ""}, text(c.ClientMetadata), c.SecretHash[:], millis(now)))
		if err != nil || done {
			return err
		}
		c, err = scanClient(tx.QueryRow("SELECT "+clientColumns+" FROM clients WHERE fingerprint = $1", fingerprint))
		return err
	})
	return c, err
}

// again starts the time of an unused client anew: somebody has just been given its id.
func again(tx tx, now time.Time, id string) error {
	_, err := tx.Exec("UPDATE clients SET issued = $1 WHERE id = $2 AND used = 0", millis(now), id)
	return err
}
