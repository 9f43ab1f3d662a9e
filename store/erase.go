package store

import (
	"context"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/token"
)

// Erase is login.People's. What remains is the revocation of the tokens that are still out, until the last of them has expired: it has
// the subject in it. Requests that wait for the person are found by the subject in their text, and whoever else's text has it asks again.
func (s People) Erase(ctx context.Context, in audit.Intent, p token.Principal) error {
	err := s.db.act(ctx, in, func(tx tx, now time.Time) error {
		for _, text := range []string{
			"DELETE FROM sessions WHERE issuer = $1 AND subject = $2",
			"DELETE FROM consents WHERE issuer = $1 AND subject = $2",
			"DELETE FROM grants WHERE issuer = $1 AND subject = $2",
			"DELETE FROM links WHERE subject IN (SELECT subject FROM people WHERE issuer = $1 AND subject = $2)",
			"DELETE FROM people WHERE issuer = $1 AND subject = $2",
		} {
			if _, err := tx.Exec(text, p.Issuer, p.Subject); err != nil {
				return err
			}
		}
		for _, text := range []string{`DELETE FROM pendings WHERE data LIKE $1 ESCAPE '\'`, `DELETE FROM devices WHERE data LIKE $1 ESCAPE '\'`} {
			if _, err := tx.Exec(text, "%"+literal(p.Subject)+"%"); err != nil {
				return err
			}
		}
		return addRevocation(tx, token.Revocation{Subject: p, NotBefore: now.Add(time.Second), Until: now.Add(longest)})
	})
	if err != nil {
		return err
	}
	return s.db.revoked.load(ctx)
}

// literal is a text in JSON, as a pattern of LIKE that means nothing but itself.
func literal(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text(s))
}
