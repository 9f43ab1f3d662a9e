package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/doorward-mcp/doorward/admin"
)

type adminCmd struct {
	Link adminLinkCmd `cmd:"" help:"Print a sign-in link, which works once."`
	User adminUserCmd `cmd:"" help:"People."`
	Keys adminKeysCmd `cmd:"" help:"Signing keys."`

	Clients adminClientsCmd `cmd:"" help:"Clients: programs that ask people for access."`

	Listen string `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Which server: the one that listens there."`
	Data   string `placeholder:"DIR" help:"Which server: the one with this data directory."`
}

type (
	adminLinkCmd struct {
		Name string `arg:"" optional:"" default:"admin" help:"Whom it signs in."`
	}
	adminUserCmd struct {
		Add    adminUserAddCmd    `cmd:"" help:"Make an account."`
		Role   adminUserRoleCmd   `cmd:"" help:"Make a person an auditor, or take that away."`
		Erase  adminUserEraseCmd  `cmd:"" help:"Erase a person: nobody can tell any more whom the audit log is about, and it stays whole."`
		Groups adminUserGroupsCmd `cmd:"" help:"Say in which groups a person is. Taking one away ends what the person has allowed."`
	}
	adminUserAddCmd struct {
		Name  string   `arg:"" help:"User name: a-z, 0-9 and . _ - @ +"`
		Group []string `placeholder:"GROUP" help:"Group that the person is in. Can be repeated."`
		Role  string   `enum:",auditor" default:"" help:"auditor: reads the audit log with names and arguments, and administers nothing."`
	}
	adminUserGroupsCmd struct {
		Name   string   `arg:"" help:"User name."`
		Groups []string `arg:"" optional:"" help:"All groups of the person; none: no group."`
	}
	adminKeysCmd struct {
		Rotate adminKeysRotateCmd `cmd:"" help:"Add a signing key, which signs when clients have had time to see it."`
	}
	adminKeysRotateCmd struct{}
)

func (c *adminCmd) client() (*admin.Client, error) {
	dir, err := dataDir(c.Data, c.Listen)
	return &admin.Client{Data: dir}, err
}

// Run prints the link.
func (c *adminLinkCmd) Run(ctx context.Context, io streams, all *cli) error {
	return person(io, all, func(a *admin.Client) (admin.Person, error) { return a.Link(ctx, c.Name) })
}

// Run prints how the new person signs in.
func (c *adminUserAddCmd) Run(ctx context.Context, io streams, all *cli) error {
	return person(io, all, func(a *admin.Client) (admin.Person, error) { return a.AddPerson(ctx, c.Name, c.Role, c.Group...) })
}

// Run replaces the groups.
func (c *adminUserGroupsCmd) Run(ctx context.Context, io streams, all *cli) error {
	client, err := all.Admin.client()
	if err != nil {
		return err
	}
	p, err := client.SetGroups(ctx, c.Name, c.Groups...)
	if err != nil {
		return administered(err)
	}
	if io.json {
		return printJSON(io.out, p)
	}
	if len(p.Groups) == 0 {
		_, err = fmt.Fprintf(io.out, "%s is in no group.\n", p.Name)
		return err
	}
	_, err = fmt.Fprintf(io.out, "%s is in %s.\n", p.Name, strings.Join(p.Groups, ", "))
	return err
}

// Run adds the key.
func (*adminKeysRotateCmd) Run(ctx context.Context, io streams, all *cli) error {
	client, err := all.Admin.client()
	if err != nil {
		return err
	}
	if err := client.RotateKeys(ctx); err != nil {
		return administered(err)
	}
	if io.json {
		return printJSON(io.out, map[string]string{"rotated": "shown now, signs later"})
	}
	_, err = fmt.Fprintln(io.out, "A new key is shown now. It signs when clients have had time to see it, 20 minutes from now.")
	return err
}

func person(io streams, all *cli, act func(*admin.Client) (admin.Person, error)) error {
	client, err := all.Admin.client()
	if err != nil {
		return err
	}
	p, err := act(client)
	if err != nil {
		return administered(err)
	}
	if io.json {
		return printJSON(io.out, p)
	}
	if p.Password != "" {
		_, err = fmt.Fprintf(io.out, "User name   %s\nPassword    %s   (shown this once)\nSign in     %s\n", p.Name, p.Password, p.Link)
		return err
	}
	_, err = fmt.Fprintln(io.out, p.Link)
	return err
}

func administered(err error) error {
	if errors.Is(err, admin.ErrNotRunning) {
		return failed{exitUnreachable, fmt.Errorf("%w; --listen or --data say which one is meant", err)}
	}
	if err != nil {
		return failed{exitNo, err}
	}
	return nil
}
