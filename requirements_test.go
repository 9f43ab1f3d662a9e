package doorward_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRequirements holds the lists of testdata/requirements to the tests: each id stands in a test, or in untested.txt with
// its reason, and never in both without one.
func TestRequirements(t *testing.T) {
	named := map[string]bool{}
	id := regexp.MustCompile(`[A-Z0-9]+(?:-[A-Z0-9]+)+`)
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "results" || d.Name() != "." && strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, "_test.go") && !strings.HasSuffix(name, ".test.js") && !strings.Contains(name, "testdata/script") {
			return nil
		}
		b, err := os.ReadFile(name)
		for _, n := range id.FindAllString(string(b), -1) {
			named[n] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[string]string{}
	for _, line := range entries(t, "testdata/requirements/untested.txt") {
		n, why, ok := strings.Cut(line, ": ")
		if !ok || len(why) < 10 {
			t.Errorf("untested.txt: %q has no reason", line)
		}
		reasons[n] = why
	}
	listed := map[string]bool{}
	for _, role := range []string{"authorization-server", "resource-server", "gateway"} {
		for _, n := range entries(t, "testdata/requirements/"+role+".txt") {
			listed[n] = true
			if !named[n] && reasons[n] == "" {
				t.Errorf("%s: %s stands in no test", role, n)
			}
		}
	}
	for n := range reasons {
		if !listed[n] {
			t.Errorf("untested.txt: %s is no requirement of the lists", n)
		}
	}
}

// entries are the lines of a file that say something.
func entries(t *testing.T, name string) (all []string) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			all = append(all, line)
		}
	}
	return all
}
