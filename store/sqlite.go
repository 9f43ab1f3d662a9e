package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"github.com/doorward-mcp/doorward/internal/crash"
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
	q := url.Values{"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)"}}
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
	return &DB{read: read, dialect: dialect{migrate: func(ctx context.Context, _ *sql.DB, version int, text string) (bool, error) {
		return migrateSQLite(ctx, write, version, text)
	}}, writer: newWriter(write)}, nil
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

// migrateSQLite applies a text of schema if it has not been applied.
func migrateSQLite(ctx context.Context, db *sql.DB, version int, text string) (bool, error) {
	var have int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&have); err != nil || have >= version {
		return false, err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	if _, err := tx.ExecContext(ctx, text+fmt.Sprintf(";PRAGMA user_version = %d", version)); err != nil {
		return false, errors.Join(err, tx.Rollback())
	}
	return true, tx.Commit()
}

// damaged names the file and the next step where SQLite says that it cannot be read.
func damaged(path string, err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) && (e.Code()&0xff == sqlitelib.SQLITE_CORRUPT || e.Code()&0xff == sqlitelib.SQLITE_NOTADB) || errors.Is(err, ErrUnreadable) {
		return fmt.Errorf("%w: %s (%w); put a backup in its place, or move it away to start anew", ErrUnreadable, path, err)
	}
	return fmt.Errorf("%s: %w", path, err)
}

// writer is the one connection that changes an SQLite database. Acts that wait are joined into one commit: what a
// commit costs is the disk's answer, which is the same for one act and for a hundred.
type writer struct {
	db   *sql.DB
	jobs chan job      // never closed: whoever still sends when the end comes gets errEnded
	stop chan struct{} // closed when no more jobs are taken
	done chan struct{} // closed when the writer has ended
}

var errEnded = errors.New("the database has been closed")

type job struct {
	ctx    context.Context
	fn     func(*sql.Tx) error
	result chan error
}

const joined = 128 // acts in one commit, at most

func newWriter(db *sql.DB) *writer {
	w := &writer{db, make(chan job), make(chan struct{}), make(chan struct{})}
	go w.run()
	return w
}

func (w *writer) close() {
	close(w.stop)
	<-w.done
}

// do hands fn to the writer and waits for the commit. A caller that goes away before its act begins takes it along;
// after that the act is finished.
func (w *writer) do(ctx context.Context, fn func(*sql.Tx) error) error {
	j := job{ctx, fn, make(chan error, 1)}
	select {
	case w.jobs <- j:
		return <-j.result
	case <-w.stop:
		return errEnded
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *writer) run() {
	defer close(w.done)
	defer w.db.Close()
	for {
		select {
		case first := <-w.jobs:
			w.commit(w.join(first))
		case <-w.stop:
			return
		}
	}
}

// join is first and what else waits.
func (w *writer) join(first job) []job {
	batch := append(make([]job, 0, 8), first)
	for len(batch) < joined {
		select {
		case j := <-w.jobs:
			batch = append(batch, j)
		default:
			return batch
		}
	}
	return batch
}

// commit runs a batch in one transaction, each act in a savepoint of its own, and answers when it is durable.
func (w *writer) commit(batch []job) {
	errs := make([]error, len(batch))
	err := w.transact(batch, errs)
	for i, j := range batch {
		if err != nil && errs[i] == nil {
			errs[i] = err
		}
		j.result <- errs[i]
	}
}

func (w *writer) transact(batch []job, errs []error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for i, j := range batch {
		if errs[i] = j.ctx.Err(); errs[i] != nil {
			continue
		}
		if errs[i], err = savepoint(ctx, tx, j.fn); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	crash.Point("before commit")
	defer crash.Point("after commit")
	return tx.Commit()
}

// savepoint runs fn; its error undoes what it did and nothing else. err is a fault of the transaction itself.
func savepoint(ctx context.Context, tx *sql.Tx, fn func(*sql.Tx) error) (failed, err error) {
	if _, err := tx.ExecContext(ctx, "SAVEPOINT act"); err != nil {
		return nil, err
	}
	failed = fn(tx)
	end := "RELEASE act"
	if failed != nil {
		end = strings.Join([]string{"ROLLBACK TO act", end}, ";")
	}
	_, err = tx.ExecContext(ctx, end)
	return failed, err
}
