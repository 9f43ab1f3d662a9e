package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/doorward-mcp/doorward/admin"
)

type auditShowCmd struct {
	auditAt
	auditOver
	ID string `arg:"" help:"Of the act: the receipt of a call, or the id of a record."`
}

// Run prints the whole chain of an act, from the registration of its client to its outcome.
func (c *auditShowCmd) Run(ctx context.Context, s streams) error {
	if c.URL != "" {
		a, err := c.ask(ctx, s, "show", admin.AuditQuestion{Query: admin.Query{ID: c.ID}, Clear: c.Clear})
		if err != nil {
			return err
		}
		return printSteps(s, a.Steps, &a)
	}
	if err := c.local(); err != nil {
		return err
	}
	client, err := c.auditAt.client()
	if err != nil {
		return err
	}
	steps, err := client.Show(ctx, c.ID)
	if err != nil {
		return administered(err)
	}
	return printSteps(s, steps, nil)
}

func printSteps(s streams, steps []admin.Step, clear *admin.Answered) error {
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	for _, step := range steps {
		if !s.json {
			_, _ = fmt.Fprintf(table, "%s\n", printed(step.What))
		}
		for _, h := range step.Hits {
			if s.json {
				if err := printJSON(s.out, rowOf(step.What, h, clear)); err != nil {
					return err
				}
				continue
			}
			_, _ = fmt.Fprintf(table, "  %s\n", strings.Join(cells(h, clear), "\t"))
			details(table, h, clear)
			if clear != nil {
				printValues(table, &h.Entry, clear)
			}
		}
	}
	return table.Flush()
}
