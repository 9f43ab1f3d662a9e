package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/doorward-mcp/doorward/admin"
	"github.com/doorward-mcp/doorward/policy/cedar"
)

type policyInitCmd struct {
	Dir    string   `arg:"" help:"Directory of the bundle, which is made."`
	Server []string `required:"" help:"Name of a server in the configuration; once for each."`
}

// Run writes a bundle to begin with.
func (c *policyInitCmd) Run(io streams) error {
	if err := cedar.Starter(strings.ToLower(filepath.Base(c.Dir)), c.Server...).Write(c.Dir); err != nil {
		return usage("%w", err)
	}
	_, err := fmt.Fprintf(io.out, "%s: everybody may use what the scopes allow. Next: doorward policy check %s\n", c.Dir, c.Dir)
	return err
}

type policyKeyCmd struct {
	Name string `arg:"" help:"Who signs, such as security.example.com."`
	Out  string `required:"" placeholder:"FILE" help:"Where to write the key that signs. It must not be there yet."`
}

// Run makes a key, writes what signs and prints what verifies.
func (c *policyKeyCmd) Run(io streams) error {
	signs, verifies, err := note.GenerateKey(rand.Reader, c.Name)
	if err != nil || strings.ContainsAny(c.Name, "+ \t\r\n") {
		return usage("%q cannot be the name of a key: it has no spaces and no +", c.Name)
	}
	f, err := os.OpenFile(c.Out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return usage("%w", err)
	}
	_, err = f.WriteString(signs + "\n")
	if err = errors.Join(err, f.Close()); err != nil {
		return usage("%w", err)
	}
	_, err = fmt.Fprintln(io.out, verifies)
	return err
}

type policySignCmd struct {
	Dir string `arg:"" help:"Directory of the bundle."`
	Key string `required:"" placeholder:"FILE" help:"The key, as doorward policy key wrote it."`
}

// Run signs a bundle that can be used, as it is now.
func (c *policySignCmd) Run(io streams) error {
	files, e, err := loadBundle(io, c.Dir)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(c.Key)
	if err != nil {
		return usage("%w", err)
	}
	signer, err := note.NewSigner(strings.TrimSpace(string(text)))
	if err != nil {
		return usage("%s is no key that signs: doorward policy key makes one", c.Key)
	}
	signature, err := files.Sign(signer)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.Dir, cedar.SignatureFile), signature, 0o600); err != nil {
		return usage("%w", err)
	}
	_, err = fmt.Fprintf(io.out, "%s: signed %s\n", c.Dir, e.Digest())
	return err
}

type policyRollbackCmd struct {
	Data string `placeholder:"DIR" help:"Data directory of the server that runs."`
	For  string `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Its listener, where --data is not given."`
}

// Run has the bundle before the one that decides decide.
func (c *policyRollbackCmd) Run(ctx context.Context, io streams) error {
	data, err := dataDir(c.Data, c.For)
	if err != nil {
		return err
	}
	b, err := running(data).RollBack(ctx)
	switch {
	case errors.Is(err, admin.ErrNotRunning):
		return failed{exitUnreachable, err}
	case err != nil:
		return failed{exitNo, err}
	}
	_, err = fmt.Fprintf(io.out, "%s decides, until the directory of the bundle changes\n", b.Digest)
	return err
}

func running(data string) *admin.Client { return &admin.Client{Data: data} }
