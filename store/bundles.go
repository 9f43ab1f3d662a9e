package store

import (
	"context"
	"time"

	"github.com/doorward-mcp/doorward/audit"
)

// bundlesSchema is the policy bundles that were loaded: the one that decides, and the one before it.
const bundlesSchema = `
CREATE TABLE bundles (
	name    TEXT PRIMARY KEY,
	digest  TEXT NOT NULL,
	archive BYTEA NOT NULL
);
`

// Bundle is a policy bundle as it was loaded.
type Bundle struct {
	Digest  string
	Archive []byte
}

// The names of bundles.
const (
	bundleLive     = "live"
	bundlePrevious = "previous"
	bundleAside    = "aside" // its archive is empty: it is known by its digest alone
)

// Bundles are the bundles that are kept: the one that decides, the one before it, and the digest of one that was set aside. A
// Bundle without Digest is none.
type Bundles struct{ Live, Previous, Aside Bundle }

// Bundles reads what is kept.
func (db *DB) Bundles(ctx context.Context) (b Bundles, err error) {
	rows, err := db.read.QueryContext(ctx, "SELECT name, digest, archive FROM bundles")
	if err != nil {
		return b, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		var one Bundle
		if err := rows.Scan(&name, &one.Digest, &one.Archive); err != nil {
			return b, err
		}
		switch name {
		case bundleLive:
			b.Live = one
		case bundlePrevious:
			b.Previous = one
		case bundleAside:
			b.Aside = one
		}
	}
	return b, rows.Err()
}

// KeepBundle makes b the bundle that decides, and what did so the one before it. One that was set aside is forgotten, unless b is
// what takes its place.
func (db *DB) KeepBundle(ctx context.Context, in audit.Intent, b Bundle, aside bool) error {
	return db.act(ctx, in, func(tx tx, _ time.Time) error {
		if _, err := tx.Exec("DELETE FROM bundles WHERE name = $1", bundlePrevious); err != nil {
			return err
		}
		if _, err := tx.Exec("UPDATE bundles SET name = $1 WHERE name = $2", bundlePrevious, bundleLive); err != nil {
			return err
		}
		if _, err := tx.Exec("DELETE FROM bundles WHERE name = $1", bundleAside); err != nil {
			return err
		}
		if aside {
			var digest string
			if err := tx.QueryRow("SELECT digest FROM bundles WHERE name = $1", bundlePrevious).Scan(&digest); err != nil {
				return err
			}
			if _, err := tx.Exec("INSERT INTO bundles (name, digest, archive) VALUES ($1, $2, $3)", bundleAside, digest, []byte{}); err != nil {
				return err
			}
		}
		_, err := tx.Exec("INSERT INTO bundles (name, digest, archive) VALUES ($1, $2, $3)", bundleLive, b.Digest, b.Archive)
		return err
	})
}
