package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A bench is one copy of the tree, on which one patch at a time is applied.
type bench struct {
	dir  string
	lock *os.File
}

// A verdict is what became of one patch.
type verdict struct {
	seen   bool // the named test failed, by an assertion
	why    string
	output string // what to read when it was not seen
	took   time.Duration
}

// newBench copies the tree, but for what was built or installed, to a directory that it empties first.
func newBench(root string) (*bench, error) {
	b, err := claim()
	if err != nil {
		return nil, err
	}
	if err := b.copyTree(root); err != nil {
		b.remove()
		return nil, err
	}
	return b, nil
}

// claim takes the first directory that no other run holds. There are few of them and their names stay the same, so that
// the build cache knows what was built there before.
func claim() (*bench, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	for n := range 100 {
		dir := filepath.Join(cache, "doorward-sabotage", fmt.Sprint(n))
		if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
			return nil, err
		}
		lock, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			return &bench{dir, lock}, nil
		}
		lock.Close()
	}
	return nil, errors.New("a hundred other runs are under way")
}

func (b *bench) copyTree(root string) error {
	if err := os.RemoveAll(b.dir); err != nil {
		return err
	}
	skip := []string{".git", "bin", "node_modules", "results"}
	return filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		to := filepath.Join(b.dir, rel)
		switch {
		case d.IsDir() && slices.Contains(skip, d.Name()):
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(to, 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		return copyFile(name, to)
	})
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, info.Mode().Perm())
}

func (b *bench) remove() {
	os.RemoveAll(b.dir)
	b.lock.Close()
}

// judge tests without the patch, applies it, tests, and takes it back.
func (b *bench) judge(ctx context.Context, p patch) (v verdict) {
	start := time.Now()
	defer func() { v.took = time.Since(start) }()
	if how, out := b.test(ctx, p); how != passed {
		return verdict{why: "without the patch: " + string(how), output: out}
	}
	if out, err := b.git(ctx, "apply", p.path); err != nil {
		return verdict{why: "does not apply", output: out}
	}
	how, out := b.test(ctx, p)
	if back, err := b.git(ctx, "apply", "-R", p.path); err != nil {
		return verdict{why: "cannot be taken back", output: back}
	}
	if how != failed {
		return verdict{why: "with the patch: " + string(how), output: out}
	}
	return verdict{seen: true, why: p.attack}
}

func (b *bench) git(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = b.dir
	// The copy is no repository. One around it must not be taken for its own.
	cmd.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(b.dir))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// An outcome is how a named test ended.
type outcome string

const (
	passed   outcome = "the test passes"
	failed   outcome = "the test fails"
	unbuilt  outcome = "it does not compile"
	missing  outcome = "the test does not exist"
	skipped  outcome = "the test is skipped"
	panicked outcome = "the test panics or does not end, which is no assertion"
	other    outcome = "another test fails, not this one"
)

var panics = regexp.MustCompile(`(?m)^(panic: |fatal error: |\*\*\* Test killed)`)

// test runs the patch's test and reads the events of the go command.
func (b *bench) test(ctx context.Context, p patch) (outcome, string) {
	args := slices.Concat([]string{"test", "-json", "-timeout=5m", "-run=" + exactly(p.test)}, p.flags, []string{p.pkg})
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = b.dir
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	err := cmd.Run()

	how, text := missing, strings.Builder{}
	for d := json.NewDecoder(&out); d.More(); {
		var e struct{ Action, Test, Output, FailedBuild string }
		if err := d.Decode(&e); err != nil {
			return unbuilt, fmt.Sprintf("%v\n%s", err, &stderr)
		}
		text.WriteString(e.Output)
		switch {
		case e.Action == "build-fail" || e.FailedBuild != "":
			how = unbuilt
		case e.Test != p.test:
		case e.Action == "pass":
			how = passed
		case e.Action == "skip":
			how = skipped
		case e.Action == "fail":
			how = failed
		}
	}
	text.Write(stderr.Bytes())
	switch {
	case how == failed && panics.MatchString(text.String()):
		how = panicked
	case how == missing && text.Len() > 0 && strings.Contains(text.String(), "setup failed"):
		how = unbuilt
	case how == passed && err != nil:
		how = other
	}
	return how, text.String()
}

// exactly gives the pattern that matches one test, or one sub-test, by its whole name.
func exactly(test string) string {
	parts := strings.Split(test, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}
