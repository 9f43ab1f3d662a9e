package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/doorward-mcp/doorward/internal/crash"
)

// writer is the one connection that changes an SQLite database. Acts that wait are joined into one commit: what a
// commit costs is the disk's answer, which is the same for one act and for a hundred.
type writer struct {
	db     *sql.DB
	conn   *sql.Conn
	parsed map[string]*sql.Stmt // :: text → statement of conn; only the writer's goroutine has it
	jobs   chan job
	ending chan struct{} // closed when no act is taken any more
	done   chan struct{} // closed when the writer has ended
}

type job struct {
	ctx    context.Context
	fn     func(tx) error
	result chan error
}

const (
	joined     = 128              // acts in one commit, at most
	commitTime = 30 * time.Second // of one commit, at most
)

func newWriter(ctx context.Context, db *sql.DB) (*writer, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	w := &writer{db, conn, map[string]*sql.Stmt{}, make(chan job), make(chan struct{}), make(chan struct{})}
	go w.run()
	return w, nil
}

func (w *writer) close() {
	close(w.ending)
	<-w.done
}

// do hands fn to the writer and waits for the commit. A caller that goes away before its act begins takes it along;
// after that the act is finished.
func (w *writer) do(ctx context.Context, fn func(tx) error) error {
	j := job{ctx, fn, make(chan error, 1)}
	select {
	case w.jobs <- j:
		return <-j.result
	case <-w.ending:
		return sql.ErrConnDone
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *writer) run() {
	defer close(w.done)
	defer func() { _ = errors.Join(w.conn.Close(), w.db.Close()) }()
	for {
		select {
		case first := <-w.jobs:
			w.commit(w.waiting(first))
		case <-w.ending:
			return
		}
	}
}

// waiting is first and what else waits by now.
func (w *writer) waiting(first job) []job {
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
	ctx, cancel := context.WithTimeout(context.Background(), commitTime)
	defer cancel()
	t := writing{ctx, w}
	if _, err := t.Exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	for i, j := range batch {
		if errs[i] = j.ctx.Err(); errs[i] != nil {
			continue
		}
		var err error
		if errs[i], err = t.savepoint(j.fn); err != nil {
			return errors.Join(err, t.rollback())
		}
	}
	crash.Point("before commit")
	defer crash.Point("after commit")
	if _, err := t.Exec("COMMIT"); err != nil {
		return errors.Join(err, t.rollback())
	}
	return nil
}

// migrate applies a text of schema if it has not been applied.
func (w *writer) migrate(ctx context.Context, version int, text string) (done bool, err error) {
	err = w.do(ctx, func(t tx) error {
		var have int
		if err := t.QueryRow("PRAGMA user_version").Scan(&have); err != nil || have >= version {
			return err
		}
		done = true
		_, err := w.conn.ExecContext(ctx, text+fmt.Sprintf(";PRAGMA user_version = %d", version))
		return err
	})
	return done, err
}

// writing is the transaction that is open on the writer's connection. Its statements are parsed once.
type writing struct {
	ctx context.Context
	w   *writer
}

func (t writing) statement(text string) (*sql.Stmt, error) {
	if s, ok := t.w.parsed[text]; ok {
		return s, nil
	}
	s, err := t.w.conn.PrepareContext(t.ctx, text)
	if err == nil {
		t.w.parsed[text] = s
	}
	return s, err
}

// Exec is a tx's.
func (t writing) Exec(text string, args ...any) (sql.Result, error) {
	s, err := t.statement(text)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(t.ctx, args...)
}

// QueryRow is a tx's.
func (t writing) QueryRow(text string, args ...any) *sql.Row {
	s, err := t.statement(text)
	if err != nil { // the same error comes with the row
		return t.w.conn.QueryRowContext(t.ctx, text, args...)
	}
	return s.QueryRowContext(t.ctx, args...)
}

// savepoint runs fn; its error undoes what it did and nothing else. err is a fault of the transaction itself.
func (t writing) savepoint(fn func(tx) error) (failed, err error) {
	if _, err := t.Exec("SAVEPOINT act"); err != nil {
		return nil, err
	}
	if failed = fn(t); failed != nil {
		if _, err := t.Exec("ROLLBACK TO act"); err != nil {
			return failed, err
		}
	}
	_, err = t.Exec("RELEASE act")
	return failed, err
}

// rollback ends the transaction without its changes, also when its time is up.
func (t writing) rollback() error {
	_, err := t.w.conn.ExecContext(context.WithoutCancel(t.ctx), "ROLLBACK")
	return err
}
