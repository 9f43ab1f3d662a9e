//go:build conformance

package conformance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/audit/verify"
	"github.com/doorward-mcp/doorward/interop/installation"
)

// A record is what the audit log says of a request at the gateway.
type record struct {
	Code    string
	ID      string
	Phase   string // intent, outcome or refusal
	Request string
	Verdict string
	Sub     string
	Count   int // of a refusal of strangers: how many it stands for, if more than one
}

// recorded holds the audit log against what the forwarder sent: one decision for each request with a token, whose intent
// has its outcome, and one refusal for each request that was turned away before.
func recorded(t *testing.T, i installation.Installation, f *forwarder) {
	t.Helper()
	// Strangers' refusals are written at the end of their second; an answer may be out before its outcome is on disk.
	var faults []string
	for range 50 {
		if faults = f.unrecorded(t, i); len(faults) == 0 {
			t.Logf("the log holds one decision for each of %d requests with a token, and %d refusals without", len(f.judged), f.strange)
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("the audit log:\n  %s", strings.Join(faults, "\n  "))
}

// unrecorded says what the log lacks, or has too much.
func (f *forwarder) unrecorded(t *testing.T, i installation.Installation) (faults []string) {
	t.Helper()
	decided := map[string][]record{} // :: request → intents and refusals
	ended := map[string]int{}        // :: act → outcomes
	strange := 0
	for _, r := range records(t, i) {
		switch {
		case !strings.HasPrefix(r.Code, "mcp.") && r.Code != "request.refused":
		case r.Phase == "outcome":
			ended[r.ID]++
		case r.Sub == "" && r.Phase == "refusal":
			strange += max(r.Count, 1)
		default:
			decided[r.Request] = append(decided[r.Request], r)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range f.judged {
		if said := wrong(decided[id], ended); said != "" {
			faults = append(faults, "request "+id+": "+said)
		}
		delete(decided, id)
	}
	for id, all := range decided {
		faults = append(faults, fmt.Sprintf("request %s: recorded as %+v, and the forwarder did not send it", id, all))
	}
	if strange != f.strange {
		faults = append(faults, fmt.Sprintf("%d refusals of strangers are recorded, %d were given", strange, f.strange))
	}
	return faults
}

// wrong says what is wrong with the decisions about one request.
func wrong(all []record, ended map[string]int) string {
	if len(all) != 1 {
		return fmt.Sprintf("%d decisions: %+v", len(all), all)
	}
	switch r := all[0]; {
	case r.Phase == "refusal" && r.Verdict == "deny":
		return ""
	case r.Phase != "intent" || r.Verdict != "allow":
		return fmt.Sprintf("%s with verdict %q", r.Phase, r.Verdict)
	case ended[r.ID] != 1:
		return fmt.Sprintf("%s has %d outcomes", r.Code, ended[r.ID])
	}
	return ""
}

func records(t *testing.T, i installation.Installation) (all []record) {
	t.Helper()
	segments, err := filepath.Glob(filepath.Join(i.Data, "audit", "seg-*.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range segments {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for len(b) > 0 {
			leaf, rest, err := verify.Frame(b)
			if errors.Is(err, verify.ErrFrame) { // a batch that is being written
				break
			}
			e, err := verify.Decode(leaf)
			if err != nil {
				t.Fatalf("the audit log: %q: %v", leaf, err)
			}
			b = rest
			if e.Phase == verify.Notice {
				continue
			}
			r := record{Code: e.Code, ID: e.ID, Phase: e.Phase, Request: e.Request, Count: e.Count}
			if e.Policy != nil {
				r.Verdict = e.Policy.Verdict
			}
			if e.Subject != nil {
				r.Sub = e.Subject.Pseudonym
			}
			all = append(all, r)
		}
	}
	return all
}
