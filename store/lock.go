package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/doorward-mcp/doorward/seal"
)

// ErrHeld is the error of a database that another process has opened for itself alone. Its text says which.
var ErrHeld = errors.New("another Doorward has this database open, and one process at a time may")

// ErrUnreachable is the error of a database server that does not answer, or lets us not in.
var ErrUnreachable = errors.New("the database server cannot be reached")

// ErrLost is the error of a change while the database is not held: the connection that held it broke. Nothing was changed.
var ErrLost = errors.New("the hold on the database was lost")

// lock keeps a database for one process. A crash frees it.
type lock struct {
	held    atomic.Bool
	lost    chan struct{} // closed when another process has it
	release func() error
}

func newLock(release func() error) *lock {
	l := &lock{lost: make(chan struct{}), release: release}
	l.held.Store(true)
	return l
}

func (l *lock) close() error { return l.release() }

// OpenAlone is Open for the one process that may serve from the database: what it keeps in memory, such as who asked how
// often, would be true of half the requests otherwise. The error is ErrHeld while another process has it.
func OpenAlone(ctx context.Context, address string, box *seal.Box) (*DB, error) {
	l, err := hold(ctx, address)
	if err != nil {
		return nil, err
	}
	db, err := Open(ctx, address, box)
	if err != nil {
		return nil, errors.Join(err, l.close())
	}
	db.alone = l
	return db, nil
}

// hold takes the lock of the database at address.
func hold(ctx context.Context, address string) (l *lock, err error) {
	if path, ok := strings.CutPrefix(address, "sqlite:"); ok {
		l, err = holdSQLite(path)
	} else if postgresAddress(address) {
		l, err = holdPostgres(ctx, address)
	} else {
		return nil, errAddress
	}
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	return l, nil
}

// Lost is closed when the hold of OpenAlone was lost for good: another process has the database, and this one must end. It
// is nil for a database that Open opened. While the hold can still come back, changes fail with ErrLost.
func (db *DB) Lost() <-chan struct{} {
	if db.alone == nil {
		return nil
	}
	return db.alone.lost
}

// mayChange is nil unless somebody else could be changing the database at the same time.
func (db *DB) mayChange() error {
	if db.alone != nil && !db.alone.held.Load() {
		return ErrLost
	}
	return nil
}
