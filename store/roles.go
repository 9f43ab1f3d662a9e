package store

import (
	"context"
	"errors"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/login"
)

// Authserver is this database as package authserver sees it.
func (db *DB) Authserver() authserver.Store {
	return authserver.Store{Pendings: Pendings{db}, Grants: Grants{db}, Consents: Consents{db}, Revoked: db.revoked, Keys: Keys{db}, Devices: Devices{db}, Once: db.Once}
}

// Login is this database as package login sees it.
func (db *DB) Login() login.Store {
	return login.Store{People: People{db}, Sessions: Sessions{db}, Links: Links{db}, Vault: db.vault}
}

// Clients is this database as package registration sees it.
func (db *DB) Clients() Clients { return Clients{db} }

// ErrUnset is the error of a setting that was never made.
var ErrUnset = errors.New("not set")

// Setting is a value of the installation that is made once.
func (db *DB) Setting(ctx context.Context, name string) (value string, err error) {
	err = db.row(ctx, "SELECT value FROM settings WHERE name = $1", name).Scan(&value)
	return value, none(err, ErrUnset)
}

// Set makes a setting. One that was made before stays: the value that is kept is returned.
func (db *DB) Set(ctx context.Context, in audit.Intent, name, value string) (kept string, err error) {
	err = db.act(ctx, in, func(tx tx, _ time.Time) error {
		if _, err := tx.Exec("INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", name, value); err != nil {
			return err
		}
		return tx.QueryRow("SELECT value FROM settings WHERE name = $1", name).Scan(&kept)
	})
	return kept, err
}

// Sweep removes what has ended. It changes nothing that anybody could still use, so it has no record.
func (db *DB) Sweep(ctx context.Context, now time.Time) error {
	return db.change(ctx, func(tx tx) error {
		for _, s := range []struct {
			text string
			at   time.Time
		}{
			{"DELETE FROM pendings WHERE until_ <= $1", now},
			{"DELETE FROM devices WHERE until_ <= $1", now},
			{"DELETE FROM once WHERE until_ <= $1", now},
			{"DELETE FROM links WHERE until_ <= $1", now},
			{"DELETE FROM sessions WHERE until_ <= $1 OR idle_until <= $1", now},
			{"DELETE FROM consents WHERE until_ <= $1", now},
			{"DELETE FROM revocations WHERE until_ <= $1", now},
			{"DELETE FROM audit_erased WHERE until_ <= $1", now},
			{"DELETE FROM signing_keys WHERE until_ > 0 AND until_ <= $1", now},
			// A grant is kept a day longer than it can be used: what is stolen later is still recognised.
			{"DELETE FROM grants WHERE idle_until <= $1", now.Add(-24 * time.Hour)},
			{"DELETE FROM grants WHERE redeemed = 0 AND code_until <= $1", now.Add(-24 * time.Hour)},
			{"DELETE FROM clients WHERE used = 0 AND waits = 0" + idle, now.Add(-unusedClient)},
			{"DELETE FROM clients WHERE used = 0 AND waits = 1" + idle, now.Add(-waitingClient)},
			{"DELETE FROM clients WHERE used > 0 AND used <= $1" + idle, now.Add(-usedClient)},
			{"UPDATE clients SET network = '' WHERE used > 0 AND used <= $1 AND network <> ''", now},
		} {
			if _, err := tx.Exec(s.text, millis(s.at)); err != nil {
				return err
			}
		}
		return nil
	})
}
