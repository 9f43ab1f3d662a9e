package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/doorward-mcp/doorward/config"
)

type configCmd struct {
	Validate configValidateCmd `cmd:"" help:"Say everything that is wrong with a configuration file, and start nothing."`
	Schema   configSchemaCmd   `cmd:"" help:"Print the JSON Schema of the configuration file, for editors."`
}

type (
	configValidateCmd struct {
		File string `arg:"" help:"Configuration file."`
	}
	configSchemaCmd struct{}
)

// Run reads the file as serving it would, as far as nothing need be opened.
func (c *configValidateCmd) Run(io streams) error {
	read, err := readConfig(io, c.File)
	if err != nil {
		return err
	}
	if io.json {
		return printJSON(io.out, map[string]any{"file": c.File, "good": true, "servers": len(read.Servers)})
	}
	_, err = fmt.Fprintf(io.out, "%s is good: %s for %s.\n", c.File, counted(len(read.Servers), "server"), read.PublicURL)
	return err
}

// Run prints the schema.
func (*configSchemaCmd) Run(io streams) error {
	_, err := io.out.Write(config.Schema)
	return err
}

// counted is a number with its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "one " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// readConfig is the configuration of a file, its paths whole.
func readConfig(io streams, name string) (c config.Config, err error) {
	path, err := filepath.Abs(name)
	if err != nil {
		return c, usage("finding %s: %w", name, err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return c, usage("reading the configuration: %w", err)
	}
	c, err = config.Read(name, b)
	var wrong *config.Error
	if errors.As(err, &wrong) {
		// Each stands on a line of its own, in the form that editors know.
		_, _ = fmt.Fprintln(io.err, wrong)
		return c, usage("the configuration cannot be used; nothing was started (%d wrong)", len(wrong.Problems))
	}
	if err != nil {
		return c, failed{exitUsage, err}
	}
	return c.In(filepath.Dir(path)), nil
}
