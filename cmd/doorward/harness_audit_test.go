package main

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/audit/verify"
)

// segments are the files of an audit log, in order.
func segmentsIn(t testing.TB, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "seg-*.log"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (s *server) segments() []string {
	s.t.Helper()
	return segmentsIn(s.t, filepath.Join(s.ready.Data, "audit"))
}

// entries are the records of the audit log, oldest first, once those of lists and floods have been written too.
func (s *server) entries() []verify.Entry {
	s.t.Helper()
	time.Sleep(100 * time.Millisecond) // twice as long as any record waits for company
	return recordsIn(s.t, filepath.Join(s.ready.Data, "audit"))
}

// recordsIn are the records of the log in a directory, oldest first.
func recordsIn(t testing.TB, dir string) (all []verify.Entry) {
	t.Helper()
	for _, name := range segmentsIn(t, dir) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for len(b) > 0 {
			record, rest, err := verify.Frame(b)
			if errors.Is(err, verify.ErrFrame) { // a batch that is being written
				break
			}
			e, err := verify.Decode(record)
			if err != nil {
				t.Fatalf("audit record %s: %v", record, err)
			}
			all, b = append(all, e), rest
		}
	}
	return all
}

// audited are the records with their members in words, without what the log says of itself. An outcome has what its intent has.
func (s *server) audited() (all []map[string]any) {
	s.t.Helper()
	intents := map[string]map[string]any{}
	for _, e := range s.entries() {
		r := flat(e)
		switch e.Phase {
		case verify.Notice:
			continue
		case verify.Intent:
			intents[e.ID] = r
		case verify.Outcome:
			whole := maps.Clone(intents[e.ID])
			if whole == nil {
				s.t.Fatalf("an outcome without its intent: %v", r)
			}
			maps.Copy(whole, r)
			r = whole
		}
		all = append(all, r)
	}
	return all
}

func flat(e verify.Entry) map[string]any {
	r := map[string]any{"time": e.Time, "msg": e.Code, "id": e.ID, "phase": e.Phase}
	set := func(name, value string) {
		if value != "" {
			r[name] = value
		}
	}
	for name, value := range map[string]string{"request": e.Request, "client_id": e.Client, "grant": e.Grant, "about": e.About, "name": e.Name, "server": e.Server, "revision": e.Proto,
		"net": e.Net, "result": e.Result, "reason": e.Reason, "trace": e.Trace, "task": e.Task, "detail": e.Sealed} {
		set(name, value)
	}
	if e.Subject != nil {
		r["sub"] = e.Subject.Pseudonym
	}
	if len(e.Tokens) > 0 {
		set("jti", e.Tokens[0].ID)
	}
	var ops []string
	for _, c := range e.Calls {
		ops = append(ops, strings.TrimSpace(c.Method+" "+c.Name))
	}
	set("operations", strings.Join(ops, ", "))
	if p := e.Policy; p != nil {
		set("verdict", p.Verdict)
		set("rules", strings.Join(p.Rules, ", "))
		set("bundle", p.Bundle)
		set("obligations", strings.Join(p.Obligations, ", "))
		var shadows []string
		for _, d := range p.Shadow {
			shadows = append(shadows, strings.TrimSpace(strings.Join(append([]string{d.Verdict, d.Code, d.Bundle}, d.Rules...), " ")))
		}
		set("shadow", strings.Join(shadows, "; "))
	}
	if e.Count > 1 {
		r["count"] = float64(e.Count)
	}
	return r
}
