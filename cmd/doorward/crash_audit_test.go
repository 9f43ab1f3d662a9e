package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/doorward-mcp/doorward/audit/verify"
)

// trail is what the audit log of a life must have.
type trail struct {
	up       *recorder      // the upstream
	tools    atomic.Int64   // that were called, each by a name of its own
	acts     map[string]int // :: code → acts that were answered
	receipts []string       // of calls that were answered
	pin      string         // verifier key, of the first process that said that it serves
	database bool           // the log is in a database
	unknown  int            // calls that a later process closed

	owed         map[string]int // acts that were answered when the last process was killed
	owedReceipts int            // and calls
	owedCalls    int            // that had reached the upstream
}

// answered notes that an act was.
func (r *trail) answered(code string) {
	if r.acts == nil {
		r.acts = map[string]int{}
	}
	r.acts[code]++
}

// tool is the name of a tool that nobody has called before: so the log shows which call is which.
func (r *trail) tool() string {
	return fmt.Sprintf("tool-%d", r.tools.Add(1))
}

// left looks at what a killed process has left, before another one puts anything right.
func (l *life) left() {
	l.t.Helper()
	l.owed, l.owedReceipts, l.owedCalls = maps.Clone(l.acts), len(l.receipts), len(l.up.calls())
	if l.database {
		return // nobody is there to be asked
	}
	dir := filepath.Join(l.data(), "audit")
	if _, err := os.Stat(filepath.Join(dir, "checkpoint")); err != nil {
		return // it had signed nothing yet
	}
	l.sound(dir)
	l.forwarded(recordsIn(l.t, dir))
}

// data is the data directory, also of a process that has not said where it is.
func (l *life) data() string { return l.args[slices.Index(l.args, "--data")+1] }

// proves holds the log against everything that was answered, while a process runs.
func (l *life) proves() {
	l.t.Helper()
	dir := filepath.Join(l.ready.Data, "audit")
	if l.database {
		dir = filepath.Join(l.t.TempDir(), "copy")
		if out, err := exec.Command(l.program, "audit", "export", "--data", l.ready.Data, dir).CombinedOutput(); err != nil {
			l.t.Fatalf("exporting the log: %v\n%s", err, out)
		}
	}
	l.pinned(dir)
	l.sound(dir)
	all := recordsIn(l.t, dir)
	l.forwarded(all)
	l.paired(all)
	done, receipts := map[string]int{}, map[string]bool{}
	for _, e := range all {
		if e.Phase == verify.Outcome && e.Result == "done" {
			done[e.Code]++
			receipts[e.ID] = true
		}
	}
	acts, calls := l.acts, l.receipts
	if l.database { // a copy ends with the newest checkpoint, which the last moment is not under
		acts, calls = l.owed, l.receipts[:l.owedReceipts]
	}
	for code, n := range acts {
		if done[code] < n {
			l.t.Errorf("%d acts %s were answered, and the log has %d", n, code, done[code])
		}
	}
	for _, id := range calls {
		if !receipts[id] {
			l.t.Errorf("a call was answered with the receipt %s, and the log has no outcome of it", id)
		}
	}
}

// pinned pins the key that it sees first.
func (l *life) pinned(dir string) {
	l.t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "log.pub"))
	if err != nil {
		l.t.Fatal(err)
	}
	if key, _, _ := strings.Cut(string(b), "\n"); l.pin == "" {
		l.pin = key
	}
}

// sound has the built program verify the log.
func (l *life) sound(dir string) {
	l.t.Helper()
	key := []string{"--unpinned"}
	if l.pin != "" {
		key = []string{"--key", l.pin}
	}
	if out, err := exec.Command(l.program, append([]string{"audit", "verify", dir}, key...)...).CombinedOutput(); err != nil {
		l.t.Errorf("doorward audit verify: %v\n%s", err, out)
	}
}

// forwarded fails if a call has reached the upstream without its intent.
func (l *life) forwarded(all []verify.Entry) {
	l.t.Helper()
	intents := map[string]bool{}
	for _, e := range all {
		if e.Phase == verify.Intent && len(e.Calls) == 1 {
			intents[e.Calls[0].Name] = true
		}
	}
	calls := l.up.calls()
	if l.database {
		calls = calls[:l.owedCalls]
	}
	for _, r := range calls {
		var m struct{ Params struct{ Name string } }
		if err := json.Unmarshal([]byte(r.Body), &m); err != nil || m.Params.Name == "" {
			l.t.Fatalf("the upstream got %q", r.Body)
		}
		if !intents[m.Params.Name] {
			l.t.Errorf("%s was forwarded, and the log has no intent", m.Params.Name)
		}
	}
}

// paired fails if an act of an ended process has no outcome, or two.
func (l *life) paired(all []verify.Entry) {
	l.t.Helper()
	outcomes, boot := map[string]int{}, ""
	l.unknown = 0
	for _, e := range all {
		switch {
		case e.Code == verify.Started:
			boot = e.Boot
		case e.Phase == verify.Outcome:
			outcomes[e.ID]++
			if e.Result == "unknown" && e.Code == "mcp.called" {
				l.unknown++
			}
		}
	}
	for _, e := range all {
		if n := outcomes[e.ID]; e.Phase == verify.Intent && n != 1 && (e.Boot != boot || n > 1) {
			l.t.Errorf("%s %s of an ended process has %d outcomes", e.Code, e.ID, n)
		}
	}
}
