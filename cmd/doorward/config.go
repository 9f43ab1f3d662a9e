package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/doorward-mcp/doorward"
	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/policy/cedar"
)

type configCmd struct {
	Validate configValidateCmd `cmd:"" help:"Say everything that is wrong with a configuration file, and start nothing."`
	Print    configPrintCmd    `cmd:"" help:"Print a configuration file as it is understood."`
	Schema   configSchemaCmd   `cmd:"" help:"Print the JSON Schema of the configuration file, for editors."`
}

type (
	configValidateCmd struct {
		File string `arg:"" help:"Configuration file."`
	}
	configPrintCmd struct {
		File      string `arg:"" help:"Configuration file."`
		Effective bool   `help:"With what holds where the file says nothing."`
	}
	configSchemaCmd struct{}
)

// Run reads the file as serving it would, as far as nothing need be opened.
func (c *configValidateCmd) Run(io streams) error {
	read, err := readConfig(io, c.File)
	if err != nil {
		return err
	}
	if err := validateBundles(io, read); err != nil {
		return err
	}
	if io.json {
		return printJSON(io.out, map[string]any{"file": c.File, "good": true, "servers": len(read.Servers)})
	}
	_, err = fmt.Fprintf(io.out, "%s is good: %s for %s.\n", c.File, counted(len(read.Servers), "server"), read.PublicURL)
	return err
}

// validateBundles loads the policy bundles that a configuration names, as serving it would.
func validateBundles(io streams, c config.Config) error {
	for _, dir := range []string{c.Policy.Bundle, c.Policy.Shadow} {
		if dir == "" {
			continue
		}
		files, err := bundleFiles(dir)
		if err != nil {
			return err
		}
		if len(c.Policy.SignedBy) > 0 {
			if err := files.Verify(c.Policy.SignedBy); err != nil {
				return failed{exitUsage, fmt.Errorf("%s: %w", dir, err)}
			}
		}
		if _, err := cedar.Load(files, doorward.PolicyOptions(c)); err != nil {
			return printProblems(io, dir, err, exitUsage)
		}
	}
	return nil
}

// Run prints the file that says the same, with its paths whole. References stay references.
func (c *configPrintCmd) Run(io streams) error {
	read, err := readConfig(io, c.File)
	if err != nil {
		return err
	}
	if c.Effective {
		if read.Data, err = dataDir(read.Data, read.Listen); err != nil {
			return err
		}
		read = read.Effective()
	}
	b, err := read.YAML()
	if err != nil {
		return err
	}
	_, err = io.out.Write(b)
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
	for _, w := range c.Warnings() {
		_, _ = fmt.Fprintf(io.err, "%s: warning: %s: %s\n", name, w.Path, w.Text)
	}
	return c.In(filepath.Dir(path)), nil
}
