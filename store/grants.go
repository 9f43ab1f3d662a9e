package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/grant"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// Grants are completed authorizations, a row each.
type Grants struct{ db *DB }

var _ authserver.Grants = Grants{}

const grantColumns = `id, issuer, subject, client, confidential, resources, scopes, acr, groups_, signed_in, key_, code, redirect, challenge,
	code_until, redeemed, epoch, generation, rotated, secret, idle_until, until_, revoked, more`

// more is what of a grant is never searched: one column, as JSON.
type more struct {
	Name    string      `json:"name,omitempty"`
	Nonce   string      `json:"nonce,omitempty"`
	Task    *token.Task `json:"task,omitempty"`
	Bound   bool        `json:"bound,omitempty"`
	Device  bool        `json:"device,omitempty"`
	CodeKey string      `json:"code_key,omitempty"`
}

// Approve is authserver.Grants'.
func (s Grants) Approve(ctx context.Context, in audit.Intent, p authserver.Pending, g grant.Grant) error {
	secret, err := s.db.box.Seal(g.Secret, sealedFor("grant", g.ID))
	if err != nil {
		return err
	}
	return s.db.act(ctx, in, func(tx tx, now time.Time) error {
		if err := ended(tx.Exec("DELETE FROM pendings WHERE id = $1 AND until_ > $2", pendingID(p.ID), millis(now))); err != nil {
			return err
		}
		if p.Device != nil {
			if err := ended(tx.Exec("DELETE FROM devices WHERE code = $1 AND until_ > $2 AND declined = 0", p.Device.CodeHash[:], millis(now))); err != nil {
				return err
			}
		}
		_, err := tx.Exec("INSERT INTO grants ("+grantColumns+") VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22,$23,$24)",
			g.ID, g.Subject.Issuer, g.Subject.Subject, g.Client, flag(g.Confidential), text(g.Resources), g.Scopes.String(), g.ACR, text(g.Groups),
			millis(g.Signed), g.Key, g.CodeHash[:], g.Redirect, g.Challenge, millis(g.CodeUntil), millis(g.Redeemed), g.Epoch, g.Generation,
			millis(g.Rotated), secret, millis(g.IdleUntil), millis(g.Until), millis(g.Revoked),
			text(more{g.Name, g.Nonce, g.Task, g.Bound, g.Device, g.CodeKey}))
		if err != nil {
			return err
		}
		_, err = tx.Exec("UPDATE clients SET used = $1 WHERE id = $2", millis(now), g.Client)
		return err
	})
}

// Redeem is authserver.Grants'.
func (s Grants) Redeem(ctx context.Context, in audit.Intent, c grant.Code) (grant.Grant, grant.Verdict, error) {
	hash := c.Hash()
	return s.judge(ctx, in, "code = $1", hash[:], func(g grant.Grant, now time.Time) (grant.Grant, grant.Verdict) { return g.Redeem(now, c) })
}

// Rotate is authserver.Grants'.
func (s Grants) Rotate(ctx context.Context, in audit.Intent, r grant.Refresh, l grant.Lifetimes) (grant.Grant, grant.Verdict, error) {
	return s.judge(ctx, in, "id = $1", r.Grant(), func(g grant.Grant, now time.Time) (grant.Grant, grant.Verdict) { return g.Rotate(now, r, l) })
}

// judge reads the row, asks, and writes what was said, in one transaction: the role decides, the store writes.
func (s Grants) judge(ctx context.Context, in audit.Intent, where string, key any, ask func(grant.Grant, time.Time) (grant.Grant, grant.Verdict)) (g grant.Grant, v grant.Verdict, err error) {
	err = s.db.act(ctx, in, func(tx tx, now time.Time) error {
		g, v = grant.Grant{}, grant.Refused
		kept, err := s.scan(tx.QueryRow("SELECT "+grantColumns+" FROM grants WHERE "+where+s.db.dialect.lock, key))
		if errors.Is(err, authserver.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		switch g, v = ask(kept, now); v {
		case grant.Good:
			_, err = tx.Exec("UPDATE grants SET redeemed = $1, generation = $2, rotated = $3, idle_until = $4, key_ = $5 WHERE id = $6",
				millis(g.Redeemed), g.Generation, millis(g.Rotated), millis(g.IdleUntil), g.Key, g.ID)
		case grant.Stolen:
			err = revokeGrant(tx, now, g.ID)
		}
		return err
	})
	if err == nil && v == grant.Stolen {
		err = s.db.revoked.load(ctx)
	}
	return g, v, err
}

// Revoke is authserver.Grants'.
func (s Grants) Revoke(ctx context.Context, in audit.Intent, id string) error {
	err := s.db.act(ctx, in, func(tx tx, now time.Time) error { return revokeGrant(tx, now, id) })
	if err != nil {
		return err
	}
	return s.db.revoked.load(ctx)
}

// longest is more than any access token lives, leeway included: how long the revocation of a grant is kept.
const longest = 25 * time.Hour

func revokeGrant(tx tx, now time.Time, id string) error {
	ended, err := changed(tx.Exec("UPDATE grants SET revoked = $1 WHERE id = $2 AND revoked = 0", millis(now), id))
	if err != nil || !ended { // it has ended before, with its row: whoever repeats himself makes no second one
		return err
	}
	// Nothing is issued under a grant that has ended, so every token of it is hit, also one of a replica whose clock is ahead.
	return addRevocation(tx, token.Revocation{Grant: id, NotBefore: now.Add(longest), Until: now.Add(longest)})
}

// Find is authserver.Grants'.
func (s Grants) Find(ctx context.Context, _ time.Time, n grant.Name) (grant.Grant, error) {
	if n.ID != "" {
		return s.scan(s.db.row(ctx, "SELECT "+grantColumns+" FROM grants WHERE id = $1", n.ID))
	}
	return s.scan(s.db.row(ctx, "SELECT "+grantColumns+" FROM grants WHERE code = $1", n.Code[:]))
}

// ended is ErrNotFound unless the statement touched a row: what it was to end has ended before.
func ended(r sql.Result, err error) error {
	done, err := changed(r, err)
	if err == nil && !done {
		return authserver.ErrNotFound
	}
	return err
}

func (s Grants) scan(row *sql.Row) (g grant.Grant, err error) {
	var confidential, signed, codeUntil, redeemed, rotated, idle, until, revoked int64
	var resources, scopes, groups, rest string
	var code, secret []byte
	err = row.Scan(&g.ID, &g.Subject.Issuer, &g.Subject.Subject, &g.Client, &confidential, &resources, &scopes, &g.ACR, &groups, &signed, &g.Key,
		&code, &g.Redirect, &g.Challenge, &codeUntil, &redeemed, &g.Epoch, &g.Generation, &rotated, &secret, &idle, &until, &revoked, &rest)
	if err != nil {
		return g, none(err, authserver.ErrNotFound)
	}
	g.Confidential, g.Signed, g.CodeUntil, g.Redeemed = confidential != 0, fromMillis(signed), fromMillis(codeUntil), fromMillis(redeemed)
	g.Rotated, g.IdleUntil, g.Until, g.Revoked = fromMillis(rotated), fromMillis(idle), fromMillis(until), fromMillis(revoked)
	copy(g.CodeHash[:], code)
	if err := errors.Join(json.Unmarshal([]byte(resources), &g.Resources), json.Unmarshal([]byte(groups), &g.Groups)); err != nil {
		return g, err
	}
	var m more
	if err := json.Unmarshal([]byte(rest), &m); err != nil {
		return g, err
	}
	g.Name, g.Nonce, g.Task, g.Bound, g.Device, g.CodeKey = m.Name, m.Nonce, m.Task, m.Bound, m.Device, m.CodeKey
	if g.Scopes, err = oauth.ParseScopes(scopes); err != nil {
		return g, err
	}
	g.Secret, err = s.db.box.Open(secret, sealedFor("grant", g.ID))
	return g, err
}

// sealedFor binds a ciphertext to its row, so that it opens in no other.
func sealedFor(kind, id string) []byte { return []byte("doorward/store/" + kind + "/" + id) }

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
