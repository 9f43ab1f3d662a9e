package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/seal"
	"github.com/doorward-mcp/doorward/store"
)

// One process has a database for itself. What a second one is told names the first; the end of the first frees it.
func TestOneProcessPerDatabase(t *testing.T) {
	for name, address := range map[string]func(*testing.T) string{
		"SQLite":     func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "a.db") },
		"PostgreSQL": func(t *testing.T) string { return postgres(t) },
	} {
		t.Run(name, func(t *testing.T) {
			box, at := newBox(t), address(t)
			first, err := store.OpenAlone(t.Context(), at, box)
			if err != nil {
				t.Fatal(err)
			}
			_, err = store.OpenAlone(t.Context(), at, box)
			if !errors.Is(err, store.ErrHeld) || !strings.Contains(err.Error(), fmt.Sprintf("process %d on ", os.Getpid())) || !strings.Contains(err.Error(), "since 20") {
				t.Errorf("a second one: %v", err)
			}
			select {
			case <-first.Lost():
				t.Error("the first lost its hold to one that was refused")
			default:
			}
			if err := change(t, first); err != nil {
				t.Error(err)
			}
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			second, err := store.OpenAlone(t.Context(), at, box)
			if err != nil {
				t.Fatalf("after the first has ended: %v", err)
			}
			if err := second.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A file that has two names is one database.
func TestOneProcessPerDatabaseByAnotherName(t *testing.T) {
	dir, box := t.TempDir(), newBox(t)
	first, err := store.OpenAlone(t.Context(), "sqlite:"+filepath.Join(dir, "a.db"), box)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Close() }()
	if err := os.Symlink(filepath.Join(dir, "a.db"), filepath.Join(dir, "b.db")); err != nil {
		t.Skip("no symbolic links here")
	}
	if _, err := store.OpenAlone(t.Context(), "sqlite:"+filepath.Join(dir, "b.db"), box); !errors.Is(err, store.ErrHeld) {
		t.Error(err)
	}
}

// The connection that holds a PostgreSQL database can break while the process lives on. Until it holds it again nothing is
// changed; when nobody else took it, it comes back.
func TestALostHoldComesBack(t *testing.T) {
	address := postgres(t)
	db, err := store.OpenAlone(t.Context(), address, newBox(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	before := breakHold(t, address)
	soon(t, "the hold comes back", func() bool { return holding(t, address) != 0 && holding(t, address) != before && change(t, db) == nil })
	select {
	case <-db.Lost():
		t.Error("nobody else took it")
	default:
	}
}

// When another process was quicker, the hold is lost for good, and nothing is changed ever again.
func TestAHoldIsLostToAnotherProcess(t *testing.T) {
	address := postgres(t)
	db, err := store.OpenAlone(t.Context(), address, newBox(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	other := make(chan *store.DB)
	go func() {
		for { // it asks again and again, as a process does that something starts anew
			o, err := store.OpenAlone(context.WithoutCancel(t.Context()), address, newBox(t))
			if err == nil || !errors.Is(err, store.ErrHeld) {
				other <- o
				return
			}
		}
	}()
	soon(t, "the other waits", func() bool { return waiting(t, address) })
	breakHold(t, address)
	o := <-other
	if o == nil {
		t.Fatal("the other did not open it")
	}
	defer func() { _ = o.Close() }()
	select {
	case <-db.Lost():
	case <-time.After(30 * time.Second):
		t.Fatal("it was not noticed")
	}
	if err := change(t, db); !errors.Is(err, store.ErrLost) {
		t.Errorf("a change by the one that lost it: %v", err)
	}
	if err := change(t, o); err != nil {
		t.Errorf("a change by the one that has it: %v", err)
	}
}

func newBox(t *testing.T) *seal.Box {
	t.Helper()
	box, err := seal.New(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// change makes a setting.
func change(t *testing.T, db *store.DB) error {
	t.Helper()
	log := audit.New(func(context.Context, audit.Entry) error { return nil })
	_, err := log.Do(t.Context(), audit.Record{Code: audit.Installed, Now: time.Now()}, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		_, err := db.Set(ctx, in, "test", "value")
		return audit.Outcome{}, err
	})
	return errors.Join(err, log.Close())
}

const holders = "FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'advisory' AND a.datname = current_database() AND a.application_name LIKE 'doorward, process %'"

func ask(t *testing.T, address, text string) (n int64) {
	t.Helper()
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := db.QueryRowContext(t.Context(), text).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// holding is the session that holds the database; 0: none.
func holding(t *testing.T, address string) int64 {
	return ask(t, address, "SELECT coalesce(max(a.pid), 0) "+holders+" AND l.granted")
}

func waiting(t *testing.T, address string) bool {
	return ask(t, address, "SELECT count(*) "+holders+" AND NOT l.granted") > 0
}

func breakHold(t *testing.T, address string) (session int64) {
	session = holding(t, address)
	if session == 0 || ask(t, address, fmt.Sprintf("SELECT pg_terminate_backend(%d)::int", session)) != 1 {
		t.Fatal("nobody holds the database")
	}
	return session
}

func soon(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what + ": it did not happen")
		}
	}
}
