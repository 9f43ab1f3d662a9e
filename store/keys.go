package store

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"crypto/ecdsa"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/token"
)

// Keys are our signing keys, sealed.
type Keys struct{ db *DB }

var _ authserver.Keys = Keys{}

// Keys is authserver.Keys'.
func (s Keys) Keys(ctx context.Context, now time.Time) (keys []token.Key, err error) {
	rows, err := s.db.read.QueryContext(ctx, "SELECT id, sealed, shown, used, until_ FROM signing_keys WHERE until_ = 0 OR until_ > $1", millis(now))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var k token.Key
		var sealed []byte
		var shown, used, until int64
		if err := rows.Scan(&k.ID, &sealed, &shown, &used, &until); err != nil {
			return nil, err
		}
		k.Shown, k.Used, k.Until = fromMillis(shown), fromMillis(used), fromMillis(until)
		if k.Private, err = s.open(k.ID, sealed); err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, rows.Err()
}

func (s Keys) open(id string, sealed []byte) (*ecdsa.PrivateKey, error) {
	der, err := s.db.box.Open(sealed, sealedFor("key", id))
	if err != nil {
		return nil, fmt.Errorf("opening signing key %s: %w", id, err)
	}
	k, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("reading signing key %s: %w", id, err)
	}
	private, ok := k.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("reading signing key %s: it is no ECDSA key", id)
	}
	return private, nil
}

// Add is authserver.Keys'.
func (s Keys) Add(ctx context.Context, in audit.Intent, k token.Key, retire time.Time) error {
	der, err := x509.MarshalPKCS8PrivateKey(k.Private)
	if err != nil {
		return err
	}
	sealed, err := s.db.box.Seal(der, sealedFor("key", k.ID))
	if err != nil {
		return err
	}
	return s.db.act(ctx, in, func(tx tx, _ time.Time) error {
		if _, err := tx.Exec("UPDATE signing_keys SET until_ = $1 WHERE until_ = 0", millis(retire)); err != nil {
			return err
		}
		_, err := tx.Exec("INSERT INTO signing_keys (id, sealed, shown, used, until_) VALUES ($1,$2,$3,$4,$5)", k.ID, sealed, millis(k.Shown), millis(k.Used), millis(k.Until))
		return err
	})
}
