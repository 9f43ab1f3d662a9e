//go:build conformance

package conformance

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// An excuse is one line of excused.txt: a warning that we give on purpose, with the reason.
type excuse struct{ leg, revision, scenario, check, reason string }

// verdicts collects what each scenario showed, for the table at the end, and which excuses were needed.
type verdicts struct {
	excuses []excuse

	mu   sync.Mutex // guards the rest
	used map[excuse]bool
	rows []string
}

var judged = &verdicts{used: map[excuse]bool{}}

func TestMain(m *testing.M) {
	var err error
	if judged.excuses, err = readExcuses("excused.txt"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	status := m.Run()
	slices.Sort(judged.rows)
	table := strings.Join(judged.rows, "\n") + "\n"
	fmt.Print(table)
	if err := os.WriteFile(results+"/verdicts.txt", []byte(table), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(status)
}

// readExcuses reads lines of: leg, revision, scenario, check, then # and the reason, which may not be missing.
func readExcuses(name string) ([]excuse, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []excuse
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		what, reason, _ := strings.Cut(line, "#")
		words := strings.Fields(what)
		if reason = strings.TrimSpace(reason); len(words) != 4 || reason == "" {
			return nil, fmt.Errorf("%s: %q is not: leg revision scenario check # reason", name, line)
		}
		all = append(all, excuse{words[0], words[1], words[2], words[3], reason})
	}
	return all, nil
}

// excused says whether a warning is one that we give on purpose.
func (v *verdicts) excused(r run, c check) bool {
	for _, e := range v.excuses {
		if e.leg == r.leg && e.revision == r.revision && e.scenario == r.scenario && e.check == c.ID {
			v.mu.Lock()
			v.used[e] = true
			v.mu.Unlock()
			return true
		}
	}
	return false
}

// judge fails the test for what a required scenario may not show: a failure, a warning that is not excused, nothing at all.
func (v *verdicts) judge(t *testing.T, r run) {
	t.Helper()
	passed, excused := 0, 0
	for _, c := range r.checks {
		switch c.Status {
		case "SUCCESS":
			passed++
		case "FAILURE":
			t.Errorf("%s: %s %s", c.ID, c.Description, c.ErrorMessage)
		case "WARNING":
			if v.excused(r, c) {
				excused++
			} else {
				t.Errorf("%s: warning: %s %s", c.ID, c.Description, c.ErrorMessage)
			}
		case "SKIPPED":
			// Elsewhere it says that an optional capability was not declared; there, that nothing could be judged.
			if r.leg == "authorization" {
				t.Errorf("%s: skipped: %s", c.ID, c.ErrorMessage)
			}
		}
	}
	if passed == 0 {
		t.Errorf("nothing was checked")
	}
	// The suite's process fails for a warning too; with an excused one, what it says of the client itself still counts.
	ended := strings.Contains(r.output, "CLIENT EXITED WITH ERROR") || strings.Contains(r.output, "CLIENT TIMED OUT")
	if r.err != nil && (excused == 0 || ended) {
		t.Errorf("the suite: %v", r.err)
	}
	if t.Failed() {
		t.Logf("the suite wrote:\n%s", r.output)
	}
	v.row(r, t.Failed(), fmt.Sprintf("%d passed, %d warnings excused", passed, excused))
}

// show lists what a scenario that is not required showed. It never fails a test.
func (v *verdicts) show(r run, why string) {
	passed, failed := 0, 0
	for _, c := range r.checks {
		switch c.Status {
		case "SUCCESS":
			passed++
		case "FAILURE", "WARNING":
			failed++
		}
	}
	v.row(r, failed > 0 || passed == 0, fmt.Sprintf("%d passed, %d not; not required: %s", passed, failed, why))
}

func (v *verdicts) row(r run, failed bool, what string) {
	mark := "ok  "
	if failed {
		mark = "FAIL"
		if strings.Contains(what, "not required") {
			mark = "no  "
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.rows = append(v.rows, fmt.Sprintf("%-13s %s  %s %-48s %s", r.leg, r.revision, mark, r.scenario, what))
}

// stale fails for excuses of a leg and revision that nothing needed: the reason has gone.
func (v *verdicts) stale(t *testing.T, leg, revision string) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, e := range v.excuses {
		if e.leg == leg && e.revision == revision && !v.used[e] {
			t.Errorf("excused.txt: %s %s %s %s is not needed: take it out", e.leg, e.revision, e.scenario, e.check)
		}
	}
}
