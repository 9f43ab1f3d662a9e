package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/policy/cedar"
)

type policySchemaCmd struct {
	Server string `arg:"" help:"Name of the server in the bundle."`
	told
}

// Run accepts what a server says of itself, the first time; later it says what is new, and accepts nothing.
func (c *policySchemaCmd) Run(ctx context.Context, io streams) error {
	lock, accepted, err := c.locked(c.Server)
	if err != nil {
		return err
	}
	all, err := c.definitions(ctx, io, c.Server)
	if err != nil {
		return err
	}
	if len(accepted.Items()) > 0 {
		return waiting(io, accepted, all, c.Server)
	}
	for _, one := range all {
		if _, err := accepted.Accept(one.kind, one.raw); err != nil {
			return failed{exitNo, err}
		}
	}
	if err := lock.write(accepted); err != nil {
		return err
	}
	_, err = fmt.Fprintf(io.out, "%s: accepted %s of %s\n", lock.path, counted(len(all), "definition"), c.Server)
	return err
}

// waiting says which definitions are not accepted. The answer is no if there are any.
func waiting(io streams, accepted *cedar.Definitions, all []offered, server string) error {
	n := 0
	for _, one := range all {
		text, err := accepted.Difference(one.kind, one.raw)
		if err != nil {
			return failed{exitNo, err}
		}
		if text != "" {
			n++
			_, _ = fmt.Fprintln(io.out, text)
		}
	}
	if n > 0 {
		return failed{exitNo, fmt.Errorf("%s of %s not accepted: read what is above, and then doorward policy accept %s", counted(n, "definition"), server, server)}
	}
	_, err := fmt.Fprintf(io.out, "everything that %s says of itself is accepted\n", server)
	return err
}

type policyAcceptCmd struct {
	Server string   `arg:"" help:"Name of the server in the bundle."`
	Names  []string `arg:"" optional:"" help:"Tools, prompts and templates to accept. By default everything that waits."`
	Yes    bool     `help:"Accept: without it, only what waits is shown."`
	Shown  string   `placeholder:"DIR" help:"Data directory of a server that runs: accept what was shown to its callers, and not what its upstream says now."`
	Drop   bool     `help:"Accept only what is there now: earlier definitions are accepted no more."`
	told
}

// Run shows what waits, description and all, and accepts it if it is told to.
func (c *policyAcceptCmd) Run(ctx context.Context, io streams) error {
	lock, accepted, err := c.locked(c.Server)
	if err != nil {
		return err
	}
	all, err := c.candidates(ctx, io)
	if err != nil {
		return err
	}
	added := 0
	for _, one := range all {
		if len(c.Names) > 0 && !slices.Contains(c.Names, one.name()) {
			continue
		}
		text, err := accepted.Difference(one.kind, one.raw)
		if err != nil {
			return failed{exitNo, err}
		}
		if text == "" {
			continue
		}
		added++
		_, _ = fmt.Fprintln(io.out, text)
		if _, err := accepted.Accept(one.kind, one.raw); err != nil {
			return failed{exitNo, err}
		}
	}
	if c.Drop {
		c.drop(io, accepted, all)
	}
	switch {
	case added == 0 && !c.Drop:
		_, err := fmt.Fprintln(io.out, "nothing waits")
		return err
	case !c.Yes:
		return failed{exitNo, fmt.Errorf("%s waiting: read what is above, and if it is what you want, say --yes", counted(added, "definition"))}
	}
	if err := lock.write(accepted); err != nil {
		return err
	}
	_, err = fmt.Fprintf(io.out, "%s: accepted %s\n", lock.path, counted(added, "definition"))
	return err
}

// candidates are the definitions that could be accepted.
func (c *policyAcceptCmd) candidates(ctx context.Context, io streams) ([]offered, error) {
	if c.Shown == "" {
		return c.definitions(ctx, io, c.Server)
	}
	if c.Drop {
		return nil, usage("--drop goes by what the server says now, and --shown by what it offered")
	}
	kept, err := running(c.Shown).Definitions(ctx)
	if err != nil {
		return nil, failed{exitUnreachable, err}
	}
	var all []offered
	for _, d := range kept {
		if d.Server == c.Server {
			all = append(all, offered{d.Kind, []byte(d.Definition)})
		}
	}
	return all, nil
}

// drop takes back what is not there any more.
func (c *policyAcceptCmd) drop(io streams, accepted *cedar.Definitions, all []offered) {
	now := map[mcp.Item]bool{}
	for _, one := range all {
		now[mcp.Item{Kind: one.kind, Name: one.name(), Definition: mcp.HashDefinition(one.raw)}] = true
	}
	for _, gone := range accepted.Keep(func(i mcp.Item) bool { return now[i] }) {
		_, _ = fmt.Fprintf(io.out, "no more: %s %s %s\n", gone.Kind, gone.Name, gone.Definition)
	}
}

// lock is the file of a server's accepted definitions.
type lock struct{ path string }

// locked are the accepted definitions of a server, as they stand in the bundle.
func (t told) locked(server string) (lock, *cedar.Definitions, error) {
	if _, err := os.Stat(filepath.Join(t.Bundle, "bundle.yaml")); err != nil {
		return lock{}, nil, usage("there is no bundle in %s: doorward policy init %s --server %s makes one", t.Bundle, t.Bundle, server)
	}
	l := lock{filepath.Join(t.Bundle, "schema", server+".json")}
	text, err := os.ReadFile(l.path)
	if errors.Is(err, os.ErrNotExist) {
		return l, cedar.NewDefinitions(server), nil
	}
	if err != nil {
		return l, nil, usage("%w", err)
	}
	d, err := cedar.ReadDefinitions(server, text)
	if err != nil {
		return l, nil, failed{exitUsage, fmt.Errorf("%s: %w", l.path, err)}
	}
	return l, d, nil
}

// write writes the definitions, and what they are to rules.
func (l lock) write(d *cedar.Definitions) error {
	if err := os.MkdirAll(filepath.Dir(l.path), 0o700); err != nil {
		return usage("%w", err)
	}
	if err := os.WriteFile(l.path, d.Bytes(), 0o600); err != nil {
		return usage("%w", err)
	}
	if err := os.WriteFile(strings.TrimSuffix(l.path, ".json")+".cedarschema", d.Schema(), 0o600); err != nil {
		return usage("%w", err)
	}
	return nil
}

// offered is a definition as a server wrote it.
type offered struct {
	kind string
	raw  []byte
}

func (s offered) name() string {
	var named struct{ Name, URITemplate string }
	_ = json.Unmarshal(s.raw, &named) // what is no definition has no name, and is refused when it is accepted
	if s.kind == mcp.ItemTemplate {
		return named.URITemplate
	}
	return named.Name
}
