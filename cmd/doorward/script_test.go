package main

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the commands as their manual does: testdata/script.
func TestScripts(t *testing.T) {
	page, err := filepath.Abs(guide)
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Deadline:            time.Now().Add(4 * time.Minute),
		Setup: func(e *testscript.Env) error {
			port := freePort(t)
			e.Setenv("PORT", port)
			e.Setenv("UPSTREAM", freePort(t))
			e.Setenv("URL", "http://127.0.0.1:"+port)
			e.Setenv("XDG_DATA_HOME", filepath.Join(e.WorkDir, "user"))
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("GUIDE", page)
			e.Setenv("GORACE", "atexit_sleep_ms=0")
			return os.Mkdir(filepath.Join(e.WorkDir, "user"), 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await":      await,
			"capture":    capture,
			"await-port": awaitPort,
			"fill":       fill,
			"blocks":     blocks,
			"publish":    serveFiles,
			"allow":      allow,
			"indexed":    indexed,
			"signed":     signed,
		},
	})
}

// await FILE REGEXP waits until a file that another process writes matches.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 || neg {
		ts.Fatalf("usage: await FILE REGEXP")
	}
	want := regexp.MustCompile(args[1])
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if b, err := os.ReadFile(ts.MkAbs(args[0])); err == nil && want.Match(b) {
			return
		}
	}
	b, _ := os.ReadFile(ts.MkAbs(args[0]))
	ts.Fatalf("%s does not match %s:\n%s", args[0], args[1], b)
}

// capture NAME FILE REGEXP sets a variable to the first group of what matches in a file.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 || neg {
		ts.Fatalf("usage: capture NAME FILE REGEXP")
	}
	m := regexp.MustCompile(args[2]).FindStringSubmatch(ts.ReadFile(args[1]))
	if len(m) != 2 {
		ts.Fatalf("%s does not match %s:\n%s", args[1], args[2], ts.ReadFile(args[1]))
	}
	ts.Setenv(args[0], strings.TrimSpace(m[1]))
}

// awaitPort PORT waits until somebody listens there.
func awaitPort(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: await-port PORT")
	}
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", "127.0.0.1:"+args[0]); err == nil {
			_ = c.Close()
			return
		}
	}
	ts.Fatalf("nobody listens on port %s", args[0])
}

// fill FROM TO writes a file with the ports of the script in the place of $PORT and $UPSTREAM.
func fill(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 || neg {
		ts.Fatalf("usage: fill FROM TO")
	}
	text := strings.NewReplacer("$PORT", ts.Getenv("PORT"), "$UPSTREAM", ts.Getenv("UPSTREAM")).Replace(ts.ReadFile(args[0]))
	if err := os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o600); err != nil {
		ts.Fatalf("%v", err)
	}
}
