package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/doorward-mcp/doorward/admin"
)

type auditTailCmd struct {
	auditAt
	auditFilter
	Lines int64 `default:"10" help:"Look at so many records before the end first."`
	From  int64 `default:"-1" placeholder:"INDEX" help:"Begin at this record."`
	Once  bool  `help:"End when there are no more."`
}

// Run prints records as they come, until it is interrupted.
func (c *auditTailCmd) Run(ctx context.Context, s streams) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	t := admin.Tail{Query: c.query(), From: c.From, Once: c.Once}
	if c.From < 0 {
		t.From = -1 - max(c.Lines, 0)
	}
	for {
		answer, err := client.Tail(ctx, t)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return administered(err)
		}
		for _, h := range answer.Hits {
			if s.json {
				err = printJSON(s.out, rowOf("", h, nil))
			} else {
				_, err = fmt.Fprintln(s.out, strings.Join(cells(h, nil), "  "))
			}
			if err != nil {
				return err
			}
		}
		if c.Once && len(answer.Hits) == 0 {
			return nil
		}
		t.From = answer.Next
	}
}
