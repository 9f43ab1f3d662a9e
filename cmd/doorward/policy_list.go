package main

import (
	"fmt"
	"strings"

	"github.com/doorward-mcp/doorward/policy/cedar"
)

type policyListCmd struct {
	Dir string `arg:"" help:"Directory of the bundle."`
	describedCaller
	Server string `required:"" placeholder:"NAME" help:"The server."`
}

// Run prints what of a server the caller would see.
func (c *policyListCmd) Run(io streams) error {
	_, e, err := loadBundle(io, c.Dir)
	if err != nil {
		return err
	}
	all, err := e.List(c.Server, c.given())
	if err != nil {
		return failed{exitUsage, err}
	}
	for _, one := range all {
		if io.json {
			err = printJSON(io.out, one)
		} else {
			_, err = fmt.Fprintf(io.out, "%-9s %-30s %s\n", one.Kind, one.Name, seenAs(one))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func seenAs(s cedar.Seen) string {
	var words []string
	switch {
	case !s.Shown && len(s.Rules) > 0:
		return "hidden: " + s.Why + " by " + strings.Join(s.Rules, ", ")
	case !s.Shown:
		return "hidden: " + s.Why
	case len(s.Needs)+len(s.MayNeed) == 0:
		return "shown"
	}
	if len(s.Needs) > 0 {
		words = append(words, "needs "+strings.Join(s.Needs, ", "))
	}
	if len(s.MayNeed) > 0 {
		words = append(words, "may need "+strings.Join(s.MayNeed, ", "))
	}
	return "shown, " + strings.Join(words, ", ")
}
