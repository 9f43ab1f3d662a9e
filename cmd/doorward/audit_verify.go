package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"golang.org/x/mod/sumdb/note"

	"github.com/doorward-mcp/doorward/audit/verify"
)

type auditVerifyCmd struct {
	Dir        string        `arg:"" optional:"" help:"Directory of the log: an export, or the directory audit of a data directory."`
	Data       string        `placeholder:"DIR" help:"Data directory of a server, whose log is verified."`
	Key        []string      `sep:"none" placeholder:"VKEY" help:"Verifier key of the log that you have pinned. May be repeated."`
	Keys       string        `placeholder:"FILE" help:"File of such keys, one a line."`
	Unpinned   bool          `help:"Hold the log against itself alone: that it is whole, not that it is the log."`
	Policy     string        `placeholder:"FILE" help:"Witness policy (C2SP tlog-policy) that the newest checkpoint must meet."`
	Unwitness  time.Duration `name:"witness-within" default:"15m" help:"How much may follow what a quorum has witnessed."`
	Checkpoint string        `placeholder:"FILE" help:"Checkpoint of this log that you have kept yourself, or that somebody else has."`
	Bundle     []string      `placeholder:"DIGEST" help:"Policy bundle that may have decided. May be repeated; without it, any may."`
	Gap        []int64       `placeholder:"INDEX" help:"Index of a log.gap notice that you know of and accept. May be repeated."`
	Proof      string        `placeholder:"FILE" help:"Verify this proof (.tlog-proof) of one record instead of a directory."`
	Record     string        `placeholder:"FILE" help:"The record that the proof is of, byte by byte."`
}

// Run verifies a log, or a proof of one record. Its answer is no where something is wrong or nothing was pinned.
func (c *auditVerifyCmd) Run(io streams) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	if c.Proof != "" || c.Record != "" {
		return c.proof(io, o)
	}
	dir, err := c.dir()
	if err != nil {
		return err
	}
	if !io.json && terminal(io.err) {
		o.Progress = func(n int64) { _, _ = fmt.Fprintf(io.err, "\r%d records", n) }
		defer func() { _, _ = fmt.Fprint(io.err, "\r\x1b[K") }()
	}
	r, err := verify.Directory(os.DirFS(dir), o)
	if err != nil {
		return failed{exitUsage, err}
	}
	if err := c.print(io, dir, r); err != nil {
		return err
	}
	return c.judge(r)
}

// judge is the exit status.
func (c *auditVerifyCmd) judge(r verify.Report) error {
	switch {
	case len(r.Findings) > 0:
		return failed{exitNo, fmt.Errorf("the log is not sound: %s", counted(len(r.Findings)+r.More, "finding"))}
	case !r.Pinned && !c.Unpinned:
		return failed{exitNo, errors.New("the log was held against itself alone, for no key was pinned: give --key VKEY, from whoever answers for the log, or --unpinned")}
	}
	return nil
}

func (c *auditVerifyCmd) dir() (string, error) {
	switch {
	case (c.Dir == "") == (c.Data == ""):
		return "", usage("give the directory of a log, or --data DIR")
	case c.Data != "":
		c.Dir = filepath.Join(c.Data, "audit")
	}
	if info, err := os.Stat(c.Dir); err != nil || !info.IsDir() {
		return "", usage("there is no audit log in %s; one that is in a database is exported first", c.Dir)
	}
	return c.Dir, nil
}

func (c *auditVerifyCmd) options() (o verify.Options, err error) {
	o = verify.Options{Keys: c.Key, Bundles: c.Bundle, Gaps: c.Gap, Unwitness: c.Unwitness}
	if c.Keys != "" {
		b, err := os.ReadFile(c.Keys)
		if err != nil {
			return o, usage("%w", err)
		}
		o.Keys = append(o.Keys, strings.Fields(string(b))...)
	}
	for _, k := range o.Keys {
		if _, err := note.NewVerifier(k); err != nil {
			return o, usage("%q is no verifier key: it has the form NAME+ID+BASE64", k)
		}
	}
	if c.Policy != "" {
		b, err := os.ReadFile(c.Policy)
		if err != nil {
			return o, usage("%w", err)
		}
		if o.Witnesses, err = verify.ReadPolicy(b); err != nil {
			return o, usage("%s: %w", c.Policy, err)
		}
	}
	if c.Checkpoint != "" {
		if o.Checkpoint, err = os.ReadFile(c.Checkpoint); err != nil {
			return o, usage("%w", err)
		}
	}
	return o, nil
}

// print prints what was found, each on its own, and what the log is.
func (c *auditVerifyCmd) print(io streams, dir string, r verify.Report) error {
	if io.json {
		return printAuditJSON(io, r)
	}
	for _, f := range r.Findings {
		_, _ = fmt.Fprintf(io.out, "%s\n  %s\n", place(dir, f), f.Do)
	}
	for _, f := range r.Warnings {
		_, _ = fmt.Fprintf(io.out, "warning: %s\n  %s\n", place(dir, f), f.Do)
	}
	if r.More > 0 {
		_, _ = fmt.Fprintf(io.out, "and %d more\n", r.More)
	}
	_, _ = fmt.Fprintf(io.out, "%s: %s by %s, %d of them signed", r.Origin, counted(int(r.Size), "record"), processes(r.Boots), r.Attested)
	for _, part := range []struct {
		n    int64
		what string
	}{{r.Witnessed, "witnessed"}, {r.Deleted, "deleted after their time"}, {int64(r.Open), "open"}, {r.Dropped, "dropped lists and refusals"}} {
		if part.n > 0 {
			_, _ = fmt.Fprintf(io.out, ", %d %s", part.n, part.what)
		}
	}
	word := "sound"
	switch {
	case len(r.Findings) > 0:
		word = "not sound"
	case !r.Pinned:
		word = "sound in itself, and nobody knows whose it is: no key was pinned"
	}
	_, err := fmt.Fprintf(io.out, ": %s\n", word)
	return err
}

func processes(n int) string {
	if n == 1 {
		return "one process"
	}
	return fmt.Sprintf("%d processes", n)
}

// place is a finding with where it stands.
func place(dir string, f verify.Finding) string {
	where := f.File
	if strings.HasPrefix(f.File, "seg-") || f.File == "hashes.dat" || f.File == "witnessed" || strings.HasPrefix(f.File, "checkpoint") {
		where = filepath.Join(dir, f.File)
	}
	if f.Offset > 0 {
		where += fmt.Sprintf(", byte %d", f.Offset)
	}
	if f.Index >= 0 {
		where = fmt.Sprintf("record %d (%s)", f.Index, where)
	}
	return where + ": " + f.What
}

// printAuditJSON prints one object a line: findings, warnings, and the report last.
func printAuditJSON(io streams, r verify.Report) error {
	for _, list := range []struct {
		kind string
		all  []verify.Finding
	}{{"finding", r.Findings}, {"warning", r.Warnings}} {
		for _, f := range list.all {
			if err := printJSON(io.out, map[string]any{"kind": list.kind, "index": f.Index, "file": f.File, "offset": f.Offset, "what": f.What, "do": f.Do}); err != nil {
				return err
			}
		}
	}
	return printJSON(io.out, map[string]any{"kind": "report", "origin": r.Origin, "size": r.Size, "deleted": r.Deleted, "processes": r.Boots, "open": r.Open, "orphans": r.Orphans,
		"dropped": r.Dropped, "attested": r.Attested, "witnessed": r.Witnessed, "pinned": r.Pinned, "keys": r.Keys, "findings": len(r.Findings), "warnings": len(r.Warnings), "more": r.More})
}

// proof verifies that a record stands in a log.
func (c *auditVerifyCmd) proof(io streams, o verify.Options) error {
	if c.Proof == "" || c.Record == "" || c.Dir != "" || c.Data != "" {
		return usage("--proof FILE and --record FILE go together, and without a directory")
	}
	text, err := os.ReadFile(c.Proof)
	if err != nil {
		return usage("%w", err)
	}
	record, err := os.ReadFile(c.Record)
	if err != nil {
		return usage("%w", err)
	}
	var keys []note.Verifier
	for _, k := range o.Keys {
		v, err := note.NewVerifier(k)
		if err != nil {
			return usage("%q is no verifier key", k)
		}
		keys = append(keys, v)
	}
	if o.Witnesses != nil {
		for _, l := range o.Witnesses.Logs {
			keys = append(keys, l.Key)
		}
	}
	if len(keys) == 0 {
		return usage("a proof is verified against a key: give --key VKEY")
	}
	p, err := verify.ParseProof(text)
	if err != nil {
		return failed{exitNo, fmt.Errorf("%s: %w", c.Proof, err)}
	}
	if err := p.Record(record, keys, o.Witnesses); err != nil {
		return failed{exitNo, fmt.Errorf("%s: %w", c.Proof, err)}
	}
	if io.json {
		return printJSON(io.out, map[string]any{"kind": "proof", "index": p.Index, "proven": true})
	}
	_, err = fmt.Fprintf(io.out, "%s is record %d of the log\n", c.Record, p.Index)
	return err
}

func terminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
