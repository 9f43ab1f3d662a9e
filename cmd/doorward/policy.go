package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/doorward-mcp/doorward"
	"github.com/doorward-mcp/doorward/policy/cedar"
)

type policyCmd struct {
	Init     policyInitCmd     `cmd:"" help:"Write a policy bundle to begin with."`
	Schema   policySchemaCmd   `cmd:"" help:"Read what a server says of its tools, and make it what rules can look at."`
	Accept   policyAcceptCmd   `cmd:"" help:"Show what a server says otherwise than was accepted, and accept it."`
	Check    policyCheckCmd    `cmd:"" help:"Say everything that is wrong with a policy bundle, and what should be looked at."`
	Test     policyTestCmd     `cmd:"" help:"Run the tests of a policy bundle."`
	Explain  policyExplainCmd  `cmd:"" help:"Say what would come of a call, and why."`
	List     policyListCmd     `cmd:"" help:"Say what a caller would see of a server."`
	Diff     policyDiffCmd     `cmd:"" help:"Say which calls another bundle would decide otherwise."`
	Fmt      policyFmtCmd      `cmd:"" help:"Write rules in the one layout."`
	Rollback policyRollbackCmd `cmd:"" help:"Have the bundle before the one that decides decide."`
	Key      policyKeyCmd      `cmd:"" help:"Make a key that signs bundles."`
	Sign     policySignCmd     `cmd:"" help:"Sign a policy bundle."`
}

type policyCheckCmd struct {
	Dir    string `arg:"" help:"Directory of the bundle."`
	Strict bool   `help:"Count what should be looked at as wrong."`
	Config string `placeholder:"FILE" help:"Configuration to hold it against: its servers and their scopes."`
}

// Run loads the bundle as a server would.
func (c *policyCheckCmd) Run(io streams) error {
	files, err := bundleFiles(c.Dir)
	if err != nil {
		return err
	}
	var o cedar.Options
	if c.Config != "" {
		read, err := readConfig(io, c.Config)
		if err != nil {
			return err
		}
		o = doorward.PolicyOptions(read)
	}
	e, err := cedar.Load(files, o)
	if err != nil {
		return printProblems(io, c.Dir, err, exitNo)
	}
	warnings := e.Warnings()
	for _, w := range warnings {
		_, _ = fmt.Fprintf(io.err, "%s\n", within(c.Dir, w, "warning: "))
	}
	if c.Strict && len(warnings) > 0 {
		return failed{exitNo, fmt.Errorf("%s should be looked at", counted(len(warnings), "thing"))}
	}
	rules, servers, tools := e.Size()
	if io.json {
		return printJSON(io.out, map[string]any{"dir": c.Dir, "good": true, "digest": e.Digest(), "rules": rules, "servers": servers, "tools": tools, "warnings": len(warnings)})
	}
	_, err = fmt.Fprintf(io.out, "%s, %s, %s: good\n", counted(rules, "rule"), counted(servers, "server"), counted(tools, "tool"))
	return err
}

// bundleFiles are the files of a bundle in a directory.
func bundleFiles(dir string) (cedar.Files, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, usage("there is no directory %s", dir)
	}
	files, err := cedar.ReadFiles(os.DirFS(dir))
	if err != nil {
		return nil, failed{exitUsage, fmt.Errorf("%s: %w", dir, err)}
	}
	return files, nil
}

// loadBundle is a bundle that is whole. What should be looked at in it, policy check says.
func loadBundle(io streams, dir string) (cedar.Files, *cedar.Engine, error) {
	files, err := bundleFiles(dir)
	if err != nil {
		return nil, nil, err
	}
	e, err := cedar.Load(files, cedar.Options{})
	if err != nil {
		return nil, nil, printProblems(io, dir, err, exitUsage)
	}
	return files, e, nil
}

// bundleCases are the cases of a bundle.
func bundleCases(io streams, dir string, files cedar.Files) ([]cedar.Case, error) {
	cases, err := files.Cases()
	if err != nil {
		return nil, printProblems(io, dir, err, exitUsage)
	}
	return cases, nil
}

// printProblems prints everything that is wrong with a bundle, each on a line in the form that editors know.
func printProblems(io streams, dir string, err error, status int) error {
	var wrong *cedar.Error
	if !errors.As(err, &wrong) {
		return failed{status, err}
	}
	for _, p := range wrong.Problems {
		_, _ = fmt.Fprintln(io.err, within(dir, p, ""))
	}
	return failed{status, fmt.Errorf("%s cannot be used (%d wrong)", dir, len(wrong.Problems))}
}

// within is a problem with the path of its file from here.
func within(dir string, p cedar.Problem, what string) string {
	p.File = filepath.Join(dir, p.File)
	p.Text = what + p.Text
	return p.String()
}
