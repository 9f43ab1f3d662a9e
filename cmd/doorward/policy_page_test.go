package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// shellAndText is a block of commands of the page, and what stands behind it that they print.
var shellAndText = regexp.MustCompile("(?ms)^```sh (\\S+)\n(.*?)^```$(?:\n+```text\n(.*?)^```$)?")

// The exit statuses of the commands about bundles: 0 yes, 1 no, 2 it could not be asked.
func TestPolicyStatus(t *testing.T) {
	crm, none := "../../examples/policy/crm", filepath.Join(t.TempDir(), "none")
	for _, c := range []struct {
		want int
		args []string
	}{
		{0, []string{"check", crm}}, {2, []string{"check", none}}, {2, []string{"check", t.TempDir()}}, {2, []string{"check"}},
		{0, []string{"test", crm}}, {2, []string{"test", none}},
		{0, []string{"fmt", "--check", crm}}, {2, []string{"fmt", none}}, {1, []string{"fmt", "--check", "../../docs/policy.md"}},
		{0, []string{"explain", crm, "--case", "staff read reports"}}, {2, []string{"explain", crm}}, {2, []string{"explain", "01JD8Z"}}, {2, []string{"explain", crm, "01JD8Z"}},
		{0, []string{"list", crm, "--server", "crm"}}, {2, []string{"list", crm}}, {2, []string{"list", crm, "--server", "wiki"}},
		{0, []string{"diff", crm, crm, "--calls", "100"}}, {1, []string{"diff", crm, "../../examples/policy/codehost"}}, {2, []string{"diff", crm, none}},
	} {
		if status, out, said := ran(t, append([]string{"policy"}, c.args...)...); status != c.want {
			t.Errorf("policy %s: status %d, not %d\n%s%s", strings.Join(c.args, " "), status, c.want, out, said)
		}
	}
}

// The commands of docs/policy.md run, one after the other, and print what the page says.
func TestPolicyPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "crm"), os.DirFS("../../examples/policy/crm")); err != nil {
		t.Fatal(err)
	}
	blocks := shellAndText.FindAllStringSubmatch(string(page), -1)
	printed := 0
	runningIn(t, dir)
	for _, b := range blocks {
		t.Run(b[1], func(t *testing.T) {
			c := exec.Command("bash", "-euo", "pipefail", "-c", b[2])
			c.Dir, c.Env = dir, append(os.Environ(), "GORACE=atexit_sleep_ms=0")
			out, err := c.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if b[3] == "" {
				return
			}
			if printed++; string(out) != b[3] {
				t.Errorf("it prints\n%s\nnot\n%s", out, b[3])
			}
		})
	}
	if len(blocks) != 12 || printed != 7 || strings.Count(string(page), "```sh") != len(blocks) {
		t.Errorf("%d blocks of commands, of which %d say what they print", len(blocks), printed)
	}
}

// runningIn is a server with its data and its bundle in a directory, as the page has it: its tool has changed for somebody, and its
// bundle is not the first.
func runningIn(t *testing.T, dir string) {
	t.Helper()
	up, changed := changing(t)
	live := filepath.Join(dir, "live")
	unpacked(t, live, definedBundle)
	accepting(t, live, up)
	text := strings.ReplaceAll(governedText(live, up, ""), "$DIR/data", filepath.Join(dir, "data"))
	s := protectFile(t, text)
	alice := minting(t, s)("alice", "desk")
	changed.Store(true)
	if got := s.tools(t, alice); len(got) != 1 {
		t.Fatalf("alice sees %v", got)
	}
	unpacked(t, live, strings.Replace(definedBundle, "id: acme", "id: acme2", 1))
	s.says(t, inUse)
}

// The commands that the READMEs of the example bundles show run.
func TestPolicyExamples(t *testing.T) {
	for _, name := range []string{"crm", "codehost"} {
		page, err := os.ReadFile("../../examples/policy/" + name + "/README.md")
		if err != nil {
			t.Fatal(err)
		}
		_, commands, found := strings.Cut(string(page), "```sh\n")
		commands, _, _ = strings.Cut(commands, "```")
		c := exec.Command("bash", "-euo", "pipefail", "-c", commands)
		c.Dir, c.Env = "../..", append(os.Environ(), "GORACE=atexit_sleep_ms=0")
		if out, err := c.CombinedOutput(); err != nil || !found || strings.Count(commands, "doorward") != 4 {
			t.Errorf("%s: %v\n%s\n%s", name, err, commands, out)
		}
	}
}

// Each rule of docs/policy.md stands in a bundle that is good, and its cases are those of a test that passes.
func TestPolicyPageRules(t *testing.T) {
	page, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```(cedar|yaml)\n(.*?)^```$").FindAllStringSubmatch(string(page), -1)
	rules := 0
	for _, b := range blocks {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS("../../examples/policy/crm")); err != nil {
			t.Fatal(err)
		}
		file, command := "servers/crm/users.cedar", []string{"policy", "check", dir}
		switch {
		case b[1] == "cedar":
			rules++
		case strings.Contains(b[2], "expect:"):
			file, command = "tests/users.yaml", []string{"policy", "test", dir}
		default:
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, file), []byte(b[2]), 0o600); err != nil {
			t.Fatal(err)
		}
		if status, out, said := ran(t, command...); status != 0 {
			t.Errorf("status %d\n%s%s\nof\n%s", status, out, said, b[2])
		}
	}
	if rules != 4 {
		t.Errorf("%d blocks of rules", rules)
	}
}
