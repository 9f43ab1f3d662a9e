package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/internal/crash"
	"github.com/doorward-mcp/doorward/seal"
)

// DB is one database. It is safe for concurrent use.
type DB struct {
	read        *sql.DB  // for reading; on PostgreSQL for everything
	parsed      sync.Map // :: text → *sql.Stmt of read: SQLite takes longer to parse a query than to answer it
	box         *seal.Box
	dialect     dialect
	writer      *writer // nil: each act has a transaction of its own
	revoked     *Revocations
	definitions *Definitions
	vault       *Vault
	alone       *lock // nil: other processes may have it open too
}

// dialect is all that differs between databases.
type dialect struct {
	lock    string // ends a SELECT whose row is about to be changed
	now     string // the database's clock, in milliseconds since 1970
	scrub   string // removes what was deleted from the files, as far as they are not read at the moment
	migrate func(ctx context.Context, db *sql.DB, version int, text string) (done bool, err error)
}

// ErrUnreadable is the error of a database that is damaged, or is none of ours.
var ErrUnreadable = errors.New("not a database of Doorward, or a damaged one")

// Open opens the database at address: postgres://… or sqlite:PATH. It makes what is missing of the tables and reads the
// revocations. Close ends it.
func Open(ctx context.Context, address string, box *seal.Box) (*DB, error) {
	var db *DB
	var err error
	if path, ok := strings.CutPrefix(address, "sqlite:"); ok {
		db, err = openSQLite(ctx, path)
	} else if postgresAddress(address) {
		db, err = openPostgres(address)
	} else {
		return nil, errAddress
	}
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	db.box = box
	db.revoked, db.definitions, db.vault = newRevocations(db), newDefinitions(db), &Vault{db: db}
	if err := db.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the database: %w", err), db.Close())
	}
	return db, nil
}

// errAddress never repeats the address: it may have a password in it.
var errAddress = errors.New("opening the database: its address begins neither with sqlite: nor with postgres://")

func postgresAddress(address string) bool {
	return strings.HasPrefix(address, "postgres://") || strings.HasPrefix(address, "postgresql://")
}

func (db *DB) prepare(ctx context.Context) error {
	for n, text := range schema {
		if _, err := db.dialect.migrate(ctx, db.read, n+1, text); err != nil {
			return err
		}
	}
	if err := db.definitions.load(ctx); err != nil {
		return err
	}
	return db.revoked.load(ctx)
}

// Close waits for acts under way and closes the database.
func (db *DB) Close() error {
	if db.writer != nil {
		db.writer.close()
	}
	err := db.read.Close()
	if db.alone != nil {
		err = errors.Join(err, db.alone.close())
	}
	return err
}

// act runs one change in one transaction. Intent.Now panics for an act without a record.
func (db *DB) act(ctx context.Context, in audit.Intent, change func(tx, time.Time) error) error {
	now := in.Now()
	return db.change(ctx, func(tx tx) error { return change(tx, now) })
}

// tx is what an act may do. *sql.Tx is one.
type tx interface {
	Exec(text string, args ...any) (sql.Result, error)
	QueryRow(text string, args ...any) *sql.Row
}

var _ tx = (*sql.Tx)(nil)

// row reads one row. Text is parsed once.
func (db *DB) row(ctx context.Context, text string, args ...any) *sql.Row {
	if s, ok := db.parsed.Load(text); ok {
		return s.(*sql.Stmt).QueryRowContext(ctx, args...)
	}
	s, err := db.read.PrepareContext(ctx, text)
	if err != nil { // the same error comes with the row
		return db.read.QueryRowContext(ctx, text, args...)
	}
	if other, loaded := db.parsed.LoadOrStore(text, s); loaded {
		_ = s.Close()
		s = other.(*sql.Stmt)
	}
	return s.QueryRowContext(ctx, args...)
}

// change runs fn in one transaction, which is durable when it returns nil. An error of fn undoes it.
func (db *DB) change(ctx context.Context, fn func(tx) error) error {
	if err := db.mayChange(); err != nil {
		return err
	}
	if db.writer != nil {
		return db.writer.do(ctx, fn)
	}
	tx, err := db.read.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	crash.Point("before commit")
	defer crash.Point("after commit")
	return tx.Commit()
}

// none turns the absence of a row into the role's own error.
func none(err, absent error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return absent
	}
	return err
}

// changed reports whether a statement touched a row.
func changed(r sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}

// millis is how times are kept; 0 is the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// text is v as JSON, for members that are never searched.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("store: a value of strings cannot fail to encode: " + err.Error())
	}
	return string(b)
}
