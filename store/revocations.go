package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/token"
)

// Revocations are rows, and the set of them that this process has read. Other replicas see a new one within a second.
type Revocations struct {
	db  *DB
	set atomic.Pointer[loaded]

	mu      sync.Mutex // held while reading; guards changed
	changed chan struct{}
}

// loaded is what was read, and when.
type loaded struct {
	set     *token.Revocations
	counter int64
	asOf    time.Time
}

var _ authserver.Revoker = (*Revocations)(nil)

func newRevocations(db *DB) *Revocations {
	r := &Revocations{db: db, changed: make(chan struct{})}
	r.set.Store(&loaded{counter: -1})
	return r
}

// Revocations are read before Open returns.
func (db *DB) Revocations() *Revocations { return db.revoked }

// Revoke is authserver.Revoker's.
func (r *Revocations) Revoke(ctx context.Context, in audit.Intent, x token.Revocation) error {
	err := r.db.act(ctx, in, func(tx tx, _ time.Time) error { return addRevocation(tx, x) })
	if err != nil {
		return err
	}
	return r.load(ctx)
}

// addRevocation writes a row, unless the same one stands there already: its id is the digest of what it says.
func addRevocation(tx tx, x token.Revocation) error {
	sum := sha256.Sum256([]byte(text(x)))
	added, err := changed(tx.Exec("INSERT INTO revocations (id, grant_, client, jti, issuer, subject, actor_issuer, actor_subject, not_before, until_) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10) ON CONFLICT (id) DO NOTHING",
		hex.EncodeToString(sum[:]), x.Grant, x.Client, x.ID, x.Subject.Issuer, x.Subject.Subject, x.Actor.Issuer, x.Actor.Subject, millis(x.NotBefore), millis(x.Until)))
	if err != nil || !added {
		return err
	}
	_, err = tx.Exec("UPDATE counters SET value = value + 1 WHERE name = 'revocations'")
	return err
}

// Follow reads what other processes revoked, until ctx ends. An error is told to failed; AsOf then stays where it was.
func (r *Revocations) Follow(ctx context.Context, failed func(error)) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := r.load(ctx); err != nil && ctx.Err() == nil {
				failed(err)
			}
		}
	}
}

// load reads the rows if a counter says that there are others than before.
func (r *Revocations) load(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := time.Now()
	old := r.set.Load()
	var counter int64
	if err := r.db.row(ctx, "SELECT value FROM counters WHERE name = 'revocations'").Scan(&counter); err != nil {
		return err
	}
	if counter == old.counter {
		r.set.Store(&loaded{old.set, counter, asked})
		return nil
	}
	all, err := r.all(ctx)
	if err != nil {
		return err
	}
	r.set.Store(&loaded{token.NewRevocations(all), counter, asked})
	close(r.changed)
	r.changed = make(chan struct{})
	return nil
}

func (r *Revocations) all(ctx context.Context) (all []token.Revocation, err error) {
	rows, err := r.db.read.QueryContext(ctx, "SELECT grant_, client, jti, issuer, subject, actor_issuer, actor_subject, not_before, until_ FROM revocations")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var x token.Revocation
		var notBefore, until int64
		if err := rows.Scan(&x.Grant, &x.Client, &x.ID, &x.Subject.Issuer, &x.Subject.Subject, &x.Actor.Issuer, &x.Actor.Subject, &notBefore, &until); err != nil {
			return nil, err
		}
		x.NotBefore, x.Until = fromMillis(notBefore), fromMillis(until)
		all = append(all, x)
	}
	return all, rows.Err()
}

// Revoked reports whether c has been taken back, as far as this process knows.
func (r *Revocations) Revoked(c token.Caller) bool { return r.set.Load().set.Hits(c) }

// AsOf is when the rows were last known to be all; the zero time: never.
func (r *Revocations) AsOf() time.Time { return r.set.Load().asOf }

// Changed is closed at the next change.
func (r *Revocations) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}
