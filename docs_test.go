package doorward_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// notDone is the one answer that the pages accept in place of a name: work that is owed, and said to be.
const notDone = "not done"

// evidence is what the pages may name: everything in the tree that can fail.
type evidence struct {
	tests   map[string]string // :: "package TestName" → the text of its body, for its sub-tests' names
	scripts map[string]bool   // :: file name below cmd/doorward/testdata/script
	browser map[string]bool   // :: name of a browser test
	patches map[string]string // :: name of a sabotage patch → the test that its header names
}

// gather reads the tests of the product, of interop, the scripts, the browser tests and the patches.
func gather(t *testing.T) evidence {
	t.Helper()
	e := evidence{tests: map[string]string{}, scripts: map[string]bool{}, browser: map[string]bool{}, patches: map[string]string{}}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "results" || d.Name() != "." && strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		name = filepath.ToSlash(name)
		in := path.Dir(name)
		switch {
		case strings.HasSuffix(name, "_test.go") && !strings.Contains(name, "testdata/"):
			return e.readTests(name)
		case in == "cmd/doorward/testdata/script" && strings.HasSuffix(name, ".txt"):
			e.scripts[path.Base(name)] = true
		case in == "testdata/browser" && strings.HasSuffix(name, ".test.js"):
			return e.readBrowser(name)
		case in == "testdata/sabotage" && strings.HasSuffix(name, ".patch"):
			return e.readPatch(name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (e evidence) readTests(name string) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	f, err := parser.ParseFile(token.NewFileSet(), name, b, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if ok && fn.Recv == nil && isTest(fn.Name.Name) {
			// Cases of a table often stand outside of the function: the whole file is where a sub-test's name may be.
			e.tests[path.Dir(name)+" "+fn.Name.Name] = string(b)
		}
	}
	return nil
}

func isTest(name string) bool {
	return strings.HasPrefix(name, "Test") && name != "TestMain" || strings.HasPrefix(name, "Fuzz") || strings.HasPrefix(name, "Example")
}

var browserTest = regexp.MustCompile("(?m)^\\s*(?:test|it)\\(\\s*(?:'([^']+)'|\"([^\"]+)\"|`([^`$]+)`)")

func (e evidence) readBrowser(name string) error {
	b, err := os.ReadFile(name)
	for _, m := range browserTest.FindAllStringSubmatch(string(b), -1) {
		e.browser[m[1]+m[2]+m[3]] = true
	}
	return err
}

var patchTest = regexp.MustCompile(`(?m)\ATest: (?:\./)?(\S+) (\S+)\nAttack: \S`)

func (e evidence) readPatch(name string) error {
	b, err := os.ReadFile(name)
	test := ""
	if m := patchTest.FindStringSubmatch(string(b)); m != nil {
		test = m[1] + " " + m[2]
	}
	e.patches[strings.TrimSuffix(path.Base(name), ".patch")] = test
	return err
}

// has says what is wrong with one name as the pages write it; empty: it exists.
func (e evidence) has(name string) string {
	kind, rest, _ := strings.Cut(name, " ")
	switch kind {
	case "script":
		if !e.scripts[rest] {
			return "no such script in cmd/doorward/testdata/script"
		}
		return ""
	case "browser":
		if !e.browser[rest] {
			return "no such test in testdata/browser"
		}
		return ""
	case "sabotage":
		if _, ok := e.patches[rest]; !ok {
			return "no such patch in testdata/sabotage"
		}
		return ""
	}
	test, sub, _ := strings.Cut(rest, "/")
	text, ok := e.tests[kind+" "+test]
	if !ok {
		return "no such test"
	}
	if sub != "" && !namesCase(text, sub) {
		return "the test's file names no such case"
	}
	return ""
}

// namesCase says whether a file has a string literal that go test would turn into the sub-test's name. Each part of a
// deeper name is looked for by itself.
func namesCase(text, sub string) bool {
	for part := range strings.SplitSeq(sub, "/") {
		spelt := strings.ReplaceAll(part, "_", " ")
		if !strings.Contains(text, strconv.Quote(part)) && !strings.Contains(text, strconv.Quote(spelt)) &&
			!strings.Contains(text, "`"+part+"`") && !strings.Contains(text, "`"+spelt+"`") {
			return false
		}
	}
	return true
}

// A row is one line of a table, with the line's number.
type row struct {
	line  int
	cells []string
}

// rows reads every table of a page whose header is the given one. A row of another width is a fault of the page.
func rows(t *testing.T, page string, header ...string) []row {
	t.Helper()
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var all []row
	inside, found := false, false
	for n, line := range strings.Split(string(b), "\n") {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			inside = false
			continue
		}
		cells := strings.Split(strings.ReplaceAll(strings.Trim(line, "|"), `\|`, "\x00"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(strings.ReplaceAll(cells[i], "\x00", "|"))
		}
		switch {
		case slices.Equal(cells, header):
			inside, found = true, true
		case !inside || strings.Trim(cells[0], "-: ") == "":
		case len(cells) != len(header):
			t.Errorf("%s:%d: a row of %d cells; the table has %d", page, n+1, len(cells), len(header))
		default:
			all = append(all, row{n + 1, cells})
		}
	}
	if !found {
		t.Fatalf("%s has no table with the header %s", page, strings.Join(header, " | "))
	}
	return all
}

// names takes a cell apart: several names stand in code quotes, or one name stands alone.
func names(cell string) []string {
	if !strings.Contains(cell, "`") {
		return []string{cell}
	}
	var all []string
	for i, part := range strings.Split(cell, "`") {
		if i%2 == 1 {
			all = append(all, part)
		}
	}
	return all
}

// TestProofPage holds docs/proof.md to the tree: each promise names tests that exist, or says that it is not done.
func TestProofPage(t *testing.T) {
	e := gather(t)
	open := 0
	for _, r := range rows(t, "docs/proof.md", "promise", "test") {
		if r.cells[1] == notDone {
			open++
			continue
		}
		for _, name := range names(r.cells[1]) {
			if fault := e.has(name); fault != "" {
				t.Errorf("docs/proof.md:%d: %q: %q: %s", r.line, r.cells[0], name, fault)
			}
		}
	}
	t.Logf("%d promises are not done", open)
}

// TestAccidentsOfPolicy holds the table of accidents in docs/policy.md to the tree.
func TestAccidentsOfPolicy(t *testing.T) {
	e := gather(t)
	for _, r := range rows(t, "docs/policy.md", "accident", "what comes of it", "test") {
		for _, name := range names(r.cells[2]) {
			if fault := e.has(name); fault != "" {
				t.Errorf("docs/policy.md:%d: %q: %q: %s", r.line, r.cells[0], name, fault)
			}
		}
	}
}

// TestThreatsPage holds docs/threats.md to the tree: each attack names the test that tries it, and the patch that takes
// the check away or why there is none, or says that it is not done. A patch names the same test as its attack.
func TestThreatsPage(t *testing.T) {
	e := gather(t)
	named := map[string]bool{}
	open := 0
	for _, r := range rows(t, "docs/threats.md", "attack", "where it is stopped", "test", "sabotage patch") {
		attack, where, test, patch := r.cells[0], r.cells[1], r.cells[2], r.cells[3]
		if attack == "" || where == "" {
			t.Errorf("docs/threats.md:%d: an attack and where it is stopped, neither may be empty", r.line)
		}
		if test == notDone || patch == notDone {
			open++
		}
		for _, name := range names(test) {
			if fault := e.has(name); test != notDone && fault != "" {
				t.Errorf("docs/threats.md:%d: %q: %q: %s", r.line, attack, name, fault)
			}
		}
		if why, none := strings.CutPrefix(patch, "none:"); none || patch == notDone {
			if none && strings.TrimSpace(why) == "" {
				t.Errorf("docs/threats.md:%d: %q: none, without a reason", r.line, attack)
			}
			continue
		}
		for _, name := range names(patch) {
			fails, ok := e.patches[name]
			named[name] = true
			if !ok {
				t.Errorf("docs/threats.md:%d: %q: no patch %q in testdata/sabotage", r.line, attack, name)
			} else if !slices.Contains(names(test), fails) {
				t.Errorf("docs/threats.md:%d: %q: patch %s makes %q fail, which the row does not name", r.line, attack, name, fails)
			}
		}
	}
	t.Logf("%d attacks are not done", open)
	for name, test := range e.patches {
		if fault := e.has(test); fault != "" {
			t.Errorf("testdata/sabotage/%s.patch: begins with Test: and Attack:, and names a test: %q: %s", name, test, fault)
		}
		if !named[name] {
			t.Errorf("testdata/sabotage/%s.patch stands in no row of docs/threats.md", name)
		}
	}
}
