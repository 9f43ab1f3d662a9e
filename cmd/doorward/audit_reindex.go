package main

import (
	"context"
	"fmt"

	"github.com/doorward-mcp/doorward/admin"
)

type auditReindexCmd struct{ auditAt }

// Run throws the index away.
func (c *auditReindexCmd) Run(ctx context.Context, s streams) error {
	return c.do(ctx, s, (*admin.Client).Reindex, "reindexing", "The index is made anew from the log. Until that is done, audit query finds less than there is.")
}

type auditRotateKeyCmd struct{ auditAt }

// Run has another key sign.
func (c *auditRotateKeyCmd) Run(ctx context.Context, s streams) error {
	return c.do(ctx, s, (*admin.Client).RotateLogKey, "rotated", "Another key signs the log from here on. The record that says so is signed by the one before it.")
}

func (a *auditAt) do(ctx context.Context, s streams, act func(*admin.Client, context.Context) error, done, text string) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	if err := act(client, ctx); err != nil {
		return administered(err)
	}
	if s.json {
		return printJSON(s.out, map[string]bool{done: true})
	}
	_, err = fmt.Fprintln(s.out, text)
	return err
}
