package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/doorward-mcp/doorward/admin"
	"github.com/doorward-mcp/doorward/audit/export"
	"github.com/doorward-mcp/doorward/audit/verify"
)

type auditExportCmd struct {
	auditAt
	Format string `enum:"log,ocsf" default:"log" help:"log: a copy that doorward audit verify reads, in a directory. ocsf: an OCSF 1.9 event a line, on standard output."`
	From   int64  `default:"0" placeholder:"INDEX" help:"With ocsf: the first record."`
	Dir    string `arg:"" optional:"" help:"With log: where to write the copy. It must be empty, or not be there yet."`
}

// Run writes what is under the newest checkpoint.
func (c *auditExportCmd) Run(ctx context.Context, s streams) error {
	if (c.Format == "log") != (c.Dir != "") {
		return usage("--format log needs a directory to write to, and nothing else does")
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	signed, err := client.Signed(ctx)
	if err != nil {
		return administered(err)
	}
	if len(signed.Checkpoint) == 0 {
		return failed{exitNo, errors.New("the log has no checkpoint yet: try again in a moment")}
	}
	checkpoint, err := verify.ParseCheckpoint(signed.Checkpoint)
	if err != nil {
		return failed{exitNo, err}
	}
	if c.Format == "ocsf" {
		return c.events(ctx, s, client, checkpoint)
	}
	copied, err := copyLog(ctx, client, c.Dir, signed, checkpoint.Size)
	if err != nil {
		return err
	}
	if s.json {
		return printJSON(s.out, map[string]any{"directory": c.Dir, "records": checkpoint.Size, "deleted": checkpoint.Size - copied, "verifiers": signed.Verifiers})
	}
	_, err = fmt.Fprintf(s.out, "%s has %d records, all that a checkpoint has; of %d more the bodies were deleted.\nVerify it against the key that you have pinned: doorward audit verify --key VKEY %s\n",
		c.Dir, copied, checkpoint.Size-copied, shellWord(c.Dir))
	return err
}

// events prints records as events, the oldest first.
func (c *auditExportCmd) events(ctx context.Context, s streams, client *admin.Client, checkpoint verify.Checkpoint) error {
	version, _ := built()
	o := export.OCSF{Origin: checkpoint.Origin, Version: version}
	for at := c.From; at < checkpoint.Size; {
		leaves, err := client.Leaves(ctx, at, int(min(500, checkpoint.Size-at)))
		if err != nil {
			return administered(err)
		}
		if len(leaves) == 0 {
			return failed{exitNo, fmt.Errorf("record %d is missing", at)}
		}
		for _, b := range leaves {
			index := at
			at++
			if b == nil {
				continue
			}
			e, err := verify.Decode(b)
			if err != nil {
				return failed{exitNo, fmt.Errorf("record %d: %w", index, err)}
			}
			line, err := o.Line(export.Record{Index: index, Raw: b, Entry: e})
			if err != nil {
				return failed{exitNo, fmt.Errorf("record %d: %w", index, err)}
			}
			if _, err := s.out.Write(append(line, '\n')); err != nil {
				return err
			}
		}
	}
	return nil
}

// emptyDir makes a directory, or takes an empty one.
func emptyDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return usage("%w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return usage("%w", err)
	}
	if len(entries) > 0 {
		return usage("%s is not empty: it holds %s", dir, entries[0].Name())
	}
	return nil
}
