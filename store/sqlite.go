package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"

	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// applicationID marks a file as ours. https://sqlite.org/fileformat.html, section 1.3.17; the letters DWRD.
const applicationID = 0x44575244

// openSQLite opens or makes the file at path, 0600. Every commit is on the disk before it is answered.
func openSQLite(ctx context.Context, path string) (*DB, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	q := url.Values{"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "secure_delete(1)"}}
	read, err := sql.Open("sqlite", "file:"+path+"?"+q.Encode())
	if err != nil {
		return nil, err
	}
	read.SetMaxOpenConns(4)
	read.SetMaxIdleConns(4)
	q.Set("_txlock", "immediate")
	write, err := sql.Open("sqlite", "file:"+path+"?"+q.Encode())
	if err != nil {
		return nil, errors.Join(err, read.Close())
	}
	write.SetMaxOpenConns(1)
	if err := claim(ctx, write); err != nil {
		return nil, errors.Join(damaged(path, err), read.Close(), write.Close())
	}
	w, err := newWriter(ctx, write)
	if err != nil {
		return nil, errors.Join(err, read.Close(), write.Close())
	}
	return &DB{read: read, dialect: dialect{now: "CAST(unixepoch('subsec') * 1000 AS INTEGER)", scrub: "PRAGMA wal_checkpoint(TRUNCATE)", migrate: func(ctx context.Context, _ *sql.DB, version int, text string) (bool, error) {
		return w.migrate(ctx, version, text)
	}}, writer: w}, nil
}

// claim marks a new file as ours and refuses one that is somebody else's.
func claim(ctx context.Context, db *sql.DB) error {
	var id, version, tables int64
	if err := db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return err
	}
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return err
	}
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	switch {
	case id == 0 && tables == 0:
		_, err := db.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID))
		return err
	case id != applicationID:
		return fmt.Errorf("%w: another program made this file", ErrUnreadable)
	case version > int64(len(schema)):
		return fmt.Errorf("a newer Doorward made this database (version %d, this one knows %d): run that one", version, len(schema))
	}
	return nil
}

// damaged names the file and the next step where SQLite says that it cannot be read.
func damaged(path string, err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) && (e.Code()&0xff == sqlitelib.SQLITE_CORRUPT || e.Code()&0xff == sqlitelib.SQLITE_NOTADB) || errors.Is(err, ErrUnreadable) {
		return fmt.Errorf("%w: %s (%w); put a backup in its place, or move it away to start anew", ErrUnreadable, path, err)
	}
	return fmt.Errorf("%s: %w", path, err)
}
