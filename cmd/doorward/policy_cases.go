package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/doorward-mcp/doorward/policy/cedar"
)

// maxMutants bounds how often a bundle is loaded anew to see whether its tests hold it.
const maxMutants = 20_000

type policyTestCmd struct {
	Dir      string `arg:"" help:"Directory of the bundle."`
	JUnit    string `name:"junit" placeholder:"FILE" help:"Also write the results as JUnit XML."`
	Coverage bool   `help:"Fail unless every rule lets a case through or stops one, and does not match another."`
	Mutate   bool   `help:"Fail if a condition or a rule can be taken away and no case fails."`
}

// Run decides the cases and says which of them came out otherwise.
func (c *policyTestCmd) Run(io streams) error {
	files, e, err := loadBundle(io, c.Dir)
	if err != nil {
		return err
	}
	cases, err := bundleCases(io, c.Dir, files)
	if err != nil {
		return err
	}
	if len(cases) == 0 {
		return failed{exitNo, fmt.Errorf("%s has no tests: they are lists of cases in tests/*.yaml", c.Dir)}
	}
	results := e.Test(cases)
	if c.JUnit != "" {
		if err := writeJUnit(c.JUnit, c.Dir, results); err != nil {
			return fmt.Errorf("writing %s: %w", c.JUnit, err)
		}
	}
	wrong, err := c.print(io, results)
	if err != nil {
		return err
	}
	if wrong > 0 {
		return failed{exitNo, fmt.Errorf("%s not as expected", counted(wrong, "case"))}
	}
	open, err := c.coverage(io, e, cases)
	if err != nil {
		return err
	}
	survive, err := c.mutate(io, files, cases)
	if err != nil {
		return err
	}
	if open+survive > 0 {
		return failed{exitNo, fmt.Errorf("the tests leave %s open", counted(open+survive, "thing"))}
	}
	return nil
}

// print says which cases failed, and how many did not.
func (c *policyTestCmd) print(io streams, results []cedar.Result) (wrong int, err error) {
	for _, r := range results {
		if len(r.Wrong) > 0 {
			wrong++
		}
		switch {
		case io.json:
			err = printJSON(io.out, map[string]any{"case": r.Case.Name, "file": filepath.Join(c.Dir, r.Case.File), "line": r.Case.Line, "good": len(r.Wrong) == 0, "wrong": r.Wrong, "code": r.Decision.Code, "rules": r.Decision.Rules})
		case len(r.Wrong) > 0:
			_, err = fmt.Fprintf(io.out, "%s:%d: %s: %s\n", filepath.Join(c.Dir, r.Case.File), r.Case.Line, r.Case.Name, strings.Join(r.Wrong, "; "))
		}
		if err != nil {
			return wrong, err
		}
	}
	if !io.json {
		_, err = fmt.Fprintf(io.out, "%s: %d good, %d not\n", counted(len(results), "case"), len(results)-wrong, wrong)
	}
	return wrong, err
}

// coverage says what no case shows of the rules.
func (c *policyTestCmd) coverage(io streams, e *cedar.Engine, cases []cedar.Case) (open int, err error) {
	if !c.Coverage {
		return 0, nil
	}
	problems, of := e.Coverage(cases)
	return len(problems), c.printOpen(io, "coverage", fmt.Sprintf("%d of %d", of-len(problems), of), problems)
}

// mutate says what can be taken away and no case fails.
func (c *policyTestCmd) mutate(io streams, files cedar.Files, cases []cedar.Case) (survive int, err error) {
	if !c.Mutate {
		return 0, nil
	}
	m, err := files.Mutate(cedar.Options{}, cases, maxMutants)
	if err != nil {
		return 0, err
	}
	words := fmt.Sprintf("%d of %d weaker bundles fail a case", m.Tried-len(m.Survivors), m.Tried)
	if m.Tried < m.Of {
		words += fmt.Sprintf("; %d more were not tried", m.Of-m.Tried)
	}
	return len(m.Survivors), c.printOpen(io, "mutation", words, m.Survivors)
}

func (c *policyTestCmd) printOpen(io streams, what, words string, open []cedar.Problem) (err error) {
	for _, p := range open {
		if io.json {
			err = printJSON(io.out, map[string]any{what: p.Text, "rule": p.Rule, "file": filepath.Join(c.Dir, p.File), "line": p.Line})
		} else {
			_, err = fmt.Fprintln(io.out, within(c.Dir, p, ""))
		}
		if err != nil {
			return err
		}
	}
	if !io.json {
		_, err = fmt.Fprintf(io.out, "%s: %s\n", what, words)
	}
	return err
}
