package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// Consents are what people agreed to.
type Consents struct{ db *DB }

var _ authserver.Consents = Consents{}

// Consent is authserver.Consents'.
func (s Consents) Consent(ctx context.Context, now time.Time, p token.Principal, c oauth.Client, resource string) (oauth.Scopes, error) {
	var scopes string
	err := s.db.row(ctx, "SELECT scopes FROM consents WHERE issuer = $1 AND subject = $2 AND client = $3 AND resource = $4 AND fingerprint = $5 AND until_ > $6",
		p.Issuer, p.Subject, c.ID, resource, consentedTo(c), millis(now)).Scan(&scopes)
	if err = none(err, nil); err != nil {
		return nil, err
	}
	return oauth.ParseScopes(scopes)
}

// Remember is authserver.Consents'. What was agreed to before for the same client stays, if the client is the same still.
func (s Consents) Remember(ctx context.Context, in audit.Intent, until time.Time, p token.Principal, c oauth.Client, resource string, scopes oauth.Scopes) error {
	have, err := s.Consent(ctx, in.Now(), p, c, resource)
	if err != nil {
		return err
	}
	return s.db.act(ctx, in, func(tx tx, _ time.Time) error {
		_, err := tx.Exec(`INSERT INTO consents (issuer, subject, client, resource, scopes, fingerprint, until_) VALUES ($1,$2,$3,$4,$5,$6,$7)
			ON CONFLICT (issuer, subject, client, resource) DO UPDATE SET scopes = excluded.scopes, fingerprint = excluded.fingerprint, until_ = excluded.until_`,
			p.Issuer, p.Subject, c.ID, resource, have.Union(scopes).String(), consentedTo(c), millis(until))
		return err
	})
}

// Approved is authserver.Consents'.
func (s Consents) Approved(ctx context.Context, now time.Time, p token.Principal, client string) (bool, error) {
	var n int
	err := s.db.row(ctx, "SELECT count(*) FROM grants WHERE issuer = $1 AND subject = $2 AND client = $3 AND revoked = 0 AND idle_until > $4",
		p.Issuer, p.Subject, client, millis(now)).Scan(&n)
	return n > 0, err
}

// consentedTo is what of a client the person agreed to: consent is void when its name, redirects or keys change.
func consentedTo(c oauth.Client) string {
	sum := sha256.Sum256([]byte(text([]any{c.Name, c.RedirectURIs, c.JWKSURI, string(c.JWKS)})))
	return hex.EncodeToString(sum[:])
}
