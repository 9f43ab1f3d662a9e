package store_test

import (
	"database/sql"
	"errors"
	"testing"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/store"
)

// A log in PostgreSQL from which something was taken, or in which something was exchanged, is not gone on with.
func TestADamagedLogIsNotGoneOnWith(t *testing.T) {
	for what, text := range map[string]string{
		"whole":                             "",
		"the last records":                  "DELETE FROM audit_entries WHERE first = 20",
		"the last records and their number": "DELETE FROM audit_entries WHERE first = 20; UPDATE audit_head SET size = 20",
		"all hashes":                        "DELETE FROM audit_hashes",
		"the last hashes":                   "DELETE FROM audit_hashes WHERE first = (SELECT max(first) FROM audit_hashes)",
		"another hash":                      `UPDATE audit_hashes SET data = set_byte(data, 384, get_byte(data, 384) # 1) WHERE first = 18`, // of records 0 to 15
		"a checkpoint that is none":         `UPDATE audit_checkpoints SET note = 'x'`,
	} {
		t.Run(what, func(t *testing.T) {
			address := postgres(t)
			open := sequencers(t, address)
			l := open().(*store.Sequencer)
			if err := l.Check(t.Context()); err != nil {
				t.Fatalf("an empty one: %v", err)
			}
			for n := range 3 {
				if _, err := l.Append(t.Context(), leavesOf(n*10, 10)); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.Publish(t.Context(), 25, note(t, l, 25, 1)); err != nil {
				t.Fatal(err)
			}
			if text != "" {
				db, err := sql.Open("pgx", address+"&default_query_exec_mode=simple_protocol")
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = db.Close() }()
				if _, err := db.ExecContext(t.Context(), text); err != nil {
					t.Fatal(err)
				}
			}
			err := open().(*store.Sequencer).Check(t.Context())
			if errors.Is(err, audit.ErrDamaged) != (text != "") {
				t.Errorf("%v", err)
			}
		})
	}
}
