package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/doorward-mcp/doorward/admin"
	"github.com/doorward-mcp/doorward/audit"
)

// auditHoldCmd keeps records from being deleted.
type auditHoldCmd struct {
	List   auditHoldListCmd   `cmd:"" help:"Show what is held."`
	Add    auditHoldAddCmd    `cmd:"" help:"Keep records from being deleted."`
	Remove auditHoldRemoveCmd `cmd:"" help:"End a hold."`
}

type (
	auditHoldListCmd struct{ auditAt }
	auditHoldAddCmd  struct {
		auditAt
		Name   string `arg:"" help:"Of the hold, such as case-17. It stands in the log for ever: name no person."`
		Reason string `required:"" placeholder:"TEXT" help:"Why. It stands in the log for ever: name no person."`
		From   int64  `default:"0" placeholder:"INDEX" help:"The first record that is held."`
		To     int64  `placeholder:"INDEX" help:"The first record that is not held; by default the next one to be written."`
	}
	auditHoldRemoveCmd struct {
		auditAt
		Name string `arg:"" help:"Of the hold."`
	}
)

// Run prints the holds, a line each.
func (c *auditHoldListCmd) Run(ctx context.Context, s streams) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	all, err := client.Holds(ctx)
	if err != nil {
		return administered(err)
	}
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	if !s.json {
		_, _ = fmt.Fprintln(table, "NAME\tFROM\tTO\tSINCE\tREASON")
	}
	for _, h := range all {
		if s.json {
			err = printJSON(s.out, h)
		} else {
			_, err = fmt.Fprintf(table, "%s\t%d\t%d\t%s\t%s\n", printed(h.Name), h.From, h.To, h.Since.Format(time.RFC3339), printed(h.Reason))
		}
		if err != nil {
			return err
		}
	}
	return table.Flush()
}

// Run holds the records.
func (c *auditHoldAddCmd) Run(ctx context.Context, s streams) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	h, err := client.AddHold(ctx, admin.Hold{Name: c.Name, Span: audit.Span{From: c.From, To: c.To}, Reason: c.Reason})
	if err != nil {
		return administered(err)
	}
	if s.json {
		return printJSON(s.out, h)
	}
	_, err = fmt.Fprintf(s.out, "Records %d to %d are held.\n", h.From, h.To-1)
	return err
}

// Run ends the hold.
func (c *auditHoldRemoveCmd) Run(ctx context.Context, s streams) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	if err := client.ReleaseHold(ctx, c.Name); err != nil {
		return administered(err)
	}
	if s.json {
		return printJSON(s.out, map[string]string{"released": c.Name})
	}
	_, err = fmt.Fprintf(s.out, "%s is held no longer.\n", printed(c.Name))
	return err
}
