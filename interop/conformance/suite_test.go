//go:build conformance

package conformance

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/interop/installation"
)

const (
	suite   = installation.Testdata + "/node_modules/@modelcontextprotocol/conformance"
	results = "../../results/conformance"

	everything = "everything" // all scenarios of a leg in one process: those of authorization hand on what they learnt
)

// A check is one finding of the suite, as checks.json holds it.
type check struct {
	ID           string
	Name         string
	Description  string
	Status       string // SUCCESS, FAILURE, WARNING, SKIPPED or INFO
	ErrorMessage string
	Details      json.RawMessage
}

// A run is what one scenario left behind.
type run struct {
	leg, revision, scenario string

	checks []check
	output string // of the suite itself
	err    error  // of its process
}

// A scenario is one that a revision asks for, or runs without counting and says why.
type scenario struct {
	name     string
	unscored string // extension, added-after-release or pending; empty for a required one
}

// required reads the suite's own frozen list of what a revision asks of a leg: client or server.
func required(t *testing.T, revision, leg string) []scenario {
	t.Helper()
	f, err := os.Open(filepath.Join(suite, "requirements", revision+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []scenario
	section, unscored := "", scenario{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := strings.TrimRight(lines.Text(), " ")
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch {
		case strings.HasSuffix(line, ":") && !strings.HasPrefix(line, " "):
			section = strings.TrimSuffix(line, ":")
		case section == leg && strings.HasPrefix(line, "  - "):
			all = append(all, scenario{name: strings.TrimPrefix(line, "  - ")})
		case section == "not_scored" && key == "- scenario":
			unscored = scenario{name: value}
		case section == "not_scored" && key == "leg" && value != leg:
			unscored = scenario{}
		case section == "not_scored" && key == "reason" && unscored.name != "":
			unscored.unscored = value
			all = append(all, unscored)
		}
	}
	// A list that shrank by a change of its form must not make everything pass.
	if n := len(slices.DeleteFunc(slices.Clone(all), func(s scenario) bool { return s.unscored != "" })); n < 15 {
		t.Fatalf("%s of %s asks for %d scenarios only: its form has changed", leg, revision, n)
	}
	return all
}

// conformance runs the suite on one scenario and reads what it found. The leg names the results: it is the suite's own
// word, or direct for a server without the gateway. The arguments are the suite's. A watch sees each line as it is written.
func conformance(ctx context.Context, leg, revision, name string, watch func(line string), args ...string) run {
	r := run{leg: leg, revision: revision, scenario: name}
	dir, err := filepath.Abs(filepath.Join(results, r.leg, revision, strings.ReplaceAll(name, "/", "_")))
	if err == nil {
		err = errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755))
	}
	if err != nil {
		r.err = err
		return r
	}
	args = slices.Concat([]string{filepath.Join(suite, "dist/index.js")}, args, []string{"--spec-version", revision, "--output-dir", dir})
	if name != everything {
		args = append(args, "--scenario", name)
	}
	cmd := exec.CommandContext(ctx, installation.Node(), args...)
	cmd.WaitDelay = 5 * time.Second
	out := &lineWriter{each: watch}
	cmd.Stdout, cmd.Stderr = out, out
	r.err = cmd.Run()
	r.output = out.String()
	r.checks, err = readChecks(dir)
	r.err = errors.Join(r.err, err)
	return r
}

// readChecks reads every checks.json below a directory. None at all is an error: nothing was judged.
func readChecks(dir string) ([]check, error) {
	var all []check
	found := false
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "checks.json" {
			return err
		}
		found = true
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var some []check
		if err := json.Unmarshal(b, &some); err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		all = append(all, some...)
		return nil
	})
	if err == nil && !found {
		err = fmt.Errorf("no checks.json under %s", dir)
	}
	return all, err
}

// lineWriter keeps what is written and hands each whole line to a function. The suite writes from one process,
// but to two streams.
type lineWriter struct {
	each func(string)

	mu      sync.Mutex // guards all and partial
	all     strings.Builder
	partial string
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all.Write(p)
	w.partial += string(p)
	for {
		line, rest, whole := strings.Cut(w.partial, "\n")
		if !whole {
			return len(p), nil
		}
		w.partial = rest
		if w.each != nil {
			w.each(line)
		}
	}
}

func (w *lineWriter) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.String()
}
