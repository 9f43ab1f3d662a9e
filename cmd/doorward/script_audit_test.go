package main

import (
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// indexed DATA CODE waits until the index of the audit log has a record with a code.
func indexed(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 || neg {
		ts.Fatalf("usage: indexed DATA CODE")
	}
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err := ts.Exec("doorward", "audit", "query", "--code", args[1], "--data", args[0]); err == nil && strings.Contains(ts.ReadFile("stdout"), args[1]) {
			return
		}
	}
	ts.Fatalf("%s was not indexed", args[1])
}

// signed DATA CODE waits until a record with a code is under a checkpoint.
func signed(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 || neg {
		ts.Fatalf("usage: signed DATA CODE")
	}
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err := ts.Exec("doorward", "audit", "export", "--format", "ocsf", "--data", args[0]); err == nil && strings.Contains(ts.ReadFile("stdout"), args[1]) {
			return
		}
	}
	ts.Fatalf("%s was not signed", args[1])
}
