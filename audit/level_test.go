package audit_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/audit"
)

// A ping alone may have no record, whatever the rules say of other calls.
func TestOnlyAPingHasNoRecord(t *testing.T) {
	tr := newTrail(t).begin()
	tr.SetLevels(audit.Levels{{Level: audit.LevelNone}})
	for method, want := range map[string]int{"ping": 0, "tools/call": 2, "": 2} {
		before, _ := tr.entries()
		r := call(`{}`)
		r.Message.Operations[0].Method = method
		if _, err := tr.Do(t.Context(), r, nothing); err != nil {
			t.Fatal(err)
		}
		if after, _ := tr.entries(); len(after)-len(before) != want {
			t.Errorf("%q has %d records, not %d", method, len(after)-len(before), want)
		}
	}
	tr.end()
}

// What is read waits for its intent, as a call does; of a list nobody waits.
func TestAReadWaitsForItsIntent(t *testing.T) {
	tr := newTrail(t)
	f := tr.fillable()
	tr.begin()
	f.set(errDisk, nil)
	for code, runs := range map[audit.Code]bool{audit.Read: false, audit.Introspected: false, audit.Listed: true} {
		ran := false
		_, err := tr.Do(t.Context(), audit.Record{Code: code, Now: time.Now(), Caller: alice}, func(context.Context, audit.Intent) (audit.Outcome, error) {
			ran = true
			return audit.Outcome{}, nil
		})
		if ran != runs || errors.Is(err, audit.ErrFull) == runs {
			t.Errorf("%s: ran %t, %v", code, ran, err)
		}
	}
	f.set(nil, nil)
	tr.end()
}
