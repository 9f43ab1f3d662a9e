package main

import (
	"context"
	"fmt"
	"strings"
)

type toolsCmd struct{ remote }

// Run lists the tools that the caller may use.
func (c *toolsCmd) Run(ctx context.Context, s streams) error {
	session, err := c.connect(ctx, s)
	if err != nil {
		return err
	}
	defer func() { _ = session.Close() }()
	for tool, err := range session.Tools(ctx, nil) {
		if err != nil {
			return c.explain(err)
		}
		if s.json {
			err = printJSON(s.out, tool)
		} else {
			first, _, _ := strings.Cut(strings.TrimSpace(tool.Description), "\n")
			_, err = fmt.Fprintf(s.out, "%-24s %s\n", tool.Name, first)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
