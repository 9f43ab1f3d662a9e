package store

import (
	"context"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/token"
)

// TakenBack is what a log says was taken back and a database that is older does not know.
type TakenBack struct {
	Grants, Tokens, Clients []string // ids, jti and client_id
	Sessions                bool     // everybody's: who signed out is not known
}

// TakeBack takes back again. What has ended stays ended, and what the database never had cannot be used either: tokens of it may be out.
func (db *DB) TakeBack(ctx context.Context, in audit.Intent, t TakenBack) error {
	err := db.act(ctx, in, func(tx tx, now time.Time) error {
		end := func(x token.Revocation) error {
			x.NotBefore, x.Until = now.Add(longest), now.Add(longest)
			return addRevocation(tx, x)
		}
		for _, id := range t.Grants {
			if _, err := tx.Exec("UPDATE grants SET revoked = $1 WHERE id = $2 AND revoked = 0", millis(now), id); err != nil {
				return err
			}
			if err := end(token.Revocation{Grant: id}); err != nil {
				return err
			}
		}
		for _, id := range t.Tokens {
			if err := end(token.Revocation{ID: id}); err != nil {
				return err
			}
		}
		for _, id := range t.Clients {
			if err := removeClient(tx, now, id); err != nil {
				return err
			}
		}
		if t.Sessions {
			_, err := tx.Exec("DELETE FROM sessions")
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	return db.revoked.load(ctx)
}

func removeClient(tx tx, now time.Time, id string) error {
	for _, text := range []string{"DELETE FROM consents WHERE client = $1", "DELETE FROM clients WHERE id = $1 AND source <> 'listed'"} {
		if _, err := tx.Exec(text, id); err != nil {
			return err
		}
	}
	if _, err := tx.Exec("UPDATE grants SET revoked = $1 WHERE client = $2 AND revoked = 0", millis(now), id); err != nil {
		return err
	}
	// A client may have come back since under its id, as a metadata document can: it begins anew.
	return addRevocation(tx, token.Revocation{Client: id, NotBefore: now.Add(clocks), Until: now.Add(longest)})
}
