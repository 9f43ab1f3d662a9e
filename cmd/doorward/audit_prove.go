package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/doorward-mcp/doorward/admin"
)

type auditProveCmd struct {
	auditAt
	Record string `arg:"" help:"Index of a record, or the id of an act, whose last record is proven."`
	Out    string `placeholder:"FILE" help:"Where to write the proof, and the record beside it as FILE.record. They must not be there yet."`
}

// Run prints a proof that the record is in the log: a C2SP tlog-proof.
func (c *auditProveCmd) Run(ctx context.Context, s streams) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	p := admin.Proof{ID: c.Record}
	if n, err := strconv.ParseInt(c.Record, 10, 64); err == nil && n >= 0 {
		p = admin.Proof{Index: n}
	}
	proof, err := client.Prove(ctx, p)
	if err != nil {
		return administered(err)
	}
	switch {
	case c.Out != "":
		return c.write(s, proof)
	case s.json:
		return printJSON(s.out, proof)
	}
	_, err = fmt.Fprint(s.out, proof.Proof)
	return err
}

func (c *auditProveCmd) write(s streams, proof admin.Proof) error {
	if err := writeNew(c.Out, []byte(proof.Proof)); err != nil {
		return usage("%w", err)
	}
	if err := writeNew(c.Out+".record", proof.Record); err != nil {
		return usage("%w", err)
	}
	if s.json {
		return printJSON(s.out, proof)
	}
	_, err := fmt.Fprintf(s.out, "%s proves record %d, which is in %s.record.\n", c.Out, proof.Index, c.Out)
	return err
}

// writeNew writes a file that must not be there yet.
func writeNew(name string, content []byte) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}
