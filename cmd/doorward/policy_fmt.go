package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/doorward-mcp/doorward/policy/cedar"
)

type policyFmtCmd struct {
	Paths []string `arg:"" name:"path" help:"Files, or directories of files that end in .cedar."`
	Check bool     `help:"Change nothing; say which files are not in the layout."`
}

// Run lays every file out, or says which ones are not.
func (c *policyFmtCmd) Run(io streams) error {
	files, err := cedarFiles(c.Paths)
	if err != nil {
		return err
	}
	others, broken := 0, 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return usage("reading a policy: %w", err)
		}
		laid, err := cedar.Format(name, text)
		if err != nil {
			_, _ = fmt.Fprintln(io.err, err)
			broken++
			continue
		}
		if bytes.Equal(laid, text) {
			continue
		}
		others++
		if !c.Check {
			if err := replaceFile(name, laid); err != nil {
				return fmt.Errorf("writing %s: %w", name, err)
			}
		}
		if err := c.tell(io, name); err != nil {
			return err
		}
	}
	switch {
	case broken > 0:
		return failed{exitNo, fmt.Errorf("%s could not be read", counted(broken, "file"))}
	case c.Check && others > 0:
		return failed{exitNo, fmt.Errorf("%s not in the layout; doorward policy fmt writes it", counted(others, "file"))}
	}
	return nil
}

func (c *policyFmtCmd) tell(io streams, name string) (err error) {
	if io.json {
		return printJSON(io.out, map[string]any{"file": name, "written": !c.Check})
	}
	_, err = fmt.Fprintln(io.out, name)
	return err
}

// cedarFiles are the files of rules among the paths and below them.
func cedarFiles(paths []string) (files []string, err error) {
	for _, path := range paths {
		err := filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && (name == path || filepath.Ext(name) == ".cedar") {
				files = append(files, name)
			}
			return err
		})
		if err != nil {
			return nil, usage("looking for policies: %w", err)
		}
	}
	return files, nil
}

// replaceFile writes a file whole or not at all: a rule that is half written would decide.
func replaceFile(name string, content []byte) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }() // after the renaming there is none
	if _, err = temp.Write(content); err == nil {
		err = temp.Chmod(info.Mode().Perm())
	}
	if closed := temp.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(temp.Name(), name)
}
