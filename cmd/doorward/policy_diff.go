package main

import (
	"fmt"
	"strings"

	"github.com/doorward-mcp/doorward/policy/cedar"
)

type policyDiffCmd struct {
	Old      string `arg:"" help:"Directory of the bundle that counts."`
	New      string `arg:"" help:"Directory of the other one."`
	Calls    int    `default:"10000" placeholder:"N" help:"How many calls are tried at most."`
	Recorded string `placeholder:"FILE" help:"Calls of the audit log in place of made-up ones, as an auditor prints them (doorward audit query --clear --output json); - reads standard input."`
	Config   string `placeholder:"FILE" help:"With --recorded: configuration that says which server an address in a record is."`
	Seed     uint64 `default:"1" placeholder:"N" help:"Which calls are made up: the same number, the same calls."`
}

// Run decides made-up or recorded calls by both bundles. It is an error if some come out otherwise.
func (c *policyDiffCmd) Run(io streams) error {
	var engines []*cedar.Engine
	var cases []cedar.Case
	for _, dir := range []string{c.Old, c.New} {
		files, e, err := loadBundle(io, dir)
		if err != nil {
			return err
		}
		of, err := bundleCases(io, dir, files)
		if err != nil {
			return err
		}
		engines, cases = append(engines, e), append(cases, of...)
	}
	calls := cedar.Calls(c.Seed, c.Calls, engines, cases)
	if c.Recorded != "" {
		var err error
		if calls, err = c.recorded(io); err != nil {
			return err
		}
	}
	changes := engines[0].Compare(engines[1], calls)
	for _, one := range changes {
		if err := printChange(io, one); err != nil {
			return err
		}
	}
	if len(changes) > 0 {
		return failed{exitNo, fmt.Errorf("%s of %d tried come out otherwise", counted(total(changes), "call"), len(calls))}
	}
	if io.json {
		return nil
	}
	_, err := fmt.Fprintf(io.out, "%s tried: all come out the same\n", counted(len(calls), "call"))
	return err
}

// recorded are the calls of the audit log.
func (c *policyDiffCmd) recorded(io streams) ([]cedar.Described, error) {
	all, unclear, err := recordedCalls(io, c.Recorded, c.Config)
	if err != nil {
		return nil, err
	}
	passedOver(io, unclear)
	calls := make([]cedar.Described, len(all))
	for i, one := range all {
		calls[i] = one.Described
	}
	return calls, nil
}

func total(changes []cedar.Change) (n int) {
	for _, c := range changes {
		n += c.Calls
	}
	return n
}

func printChange(io streams, c cedar.Change) error {
	if io.json {
		return printJSON(io.out, c)
	}
	by := ""
	if len(c.Rules) > 0 {
		by = " by " + strings.Join(c.Rules, ", ")
	}
	_, err := fmt.Fprintf(io.out, "%s %s: was %s, is %s%s (%s)\n  such as %s\n", c.Server, c.Action, c.Was, c.Is, by, counted(c.Calls, "call"), cedar.Described{Given: c.Example, Call: c.Call})
	return err
}
