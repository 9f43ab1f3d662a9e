package audit_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/audit"
)

// Clear arguments are sealed in the vault where the level asks for it, without what is secret in them, and nowhere else.
func TestLevels(t *testing.T) {
	tr := newTrail(t).begin()
	tr.SetLevels(audit.Levels{{Methods: []string{"ping"}, Level: audit.LevelNone}, {Names: []string{"delete_user"}, Level: audit.LevelArgs}, {Names: []string{"read_user"}, Level: audit.LevelFull}})
	answered := func(_ context.Context, in audit.Intent) (audit.Outcome, error) {
		if !in.Full() {
			return audit.Outcome{}, nil
		}
		return audit.Outcome{Answer: []byte(`{"result":{"mail":"x@example.com","token":"t0k3n"}}`)}, nil
	}
	do := func(name, method, asked string) string {
		r := call(`{"id":42,"password":"hunter2"}`)
		r.Message.Operations[0].Name, r.Message.Operations[0].Method, r.Level = name, method, asked
		receipt, err := tr.Do(t.Context(), r, answered)
		if err != nil {
			t.Fatal(err)
		}
		return receipt.ID
	}
	for _, c := range []struct {
		name, method, asked string
		args, answer        bool
	}{{"delete_user", "tools/call", "", true, false}, {"read_user", "tools/call", "", true, true}, {"other", "tools/call", "", false, false}, {"other", "tools/call", "args", true, false},
		{"other", "tools/call", "full", true, true}, {"read_user", "tools/call", "metadata", true, true}} {
		id := do(c.name, c.method, c.asked)
		for record, want := range map[string]bool{id: c.args, audit.LevelFull.Of(id): c.answer} {
			clear, err := tr.opened(record)
			if (err == nil) != want {
				t.Errorf("%+v: %s: %v", c, record, err)
			}
			if err != nil {
				continue
			}
			text := string(clear.Value)
			if strings.Contains(text, "hunter2") || strings.Contains(text, "t0k3n") || !strings.Contains(text, "[secret]") || !json.Valid(clear.Value) {
				t.Errorf("%+v: the vault has %s", c, text)
			}
		}
	}
	before, _ := tr.entries()
	answers := 0
	for _, e := range before {
		if e.Answer != nil {
			answers++
		}
	}
	if answers != 3 { // of the calls at the level full
		t.Errorf("%d answers are committed to", answers)
	}
	do("", "ping", "")
	if after, _ := tr.entries(); len(after) != len(before) {
		t.Error("a ping has records")
	}
	tr.end()
}

// opened is what the vault has of a record, read as an auditor does.
func (tr *trail) opened(record string) (c audit.Clear, err error) {
	_, err = tr.Do(tr.t.Context(), audit.Record{Code: audit.ClearRead, Now: time.Now(), Caller: alice}, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		c, err = tr.db.Vault().Open(ctx, in, record)
		return audit.Outcome{}, err
	})
	return c, err
}
