package main

import (
	"context"
	"fmt"

	"github.com/doorward-mcp/doorward/admin"
)

type (
	adminUserRoleCmd struct {
		Name string `arg:"" help:"User name."`
		Role string `arg:"" enum:"auditor,none" help:"auditor: reads the audit log with names and arguments, and administers nothing. none: no longer."`
	}
	adminUserEraseCmd struct {
		Name   string `arg:"" help:"User name; with --issuer, the subject as that issuer knows it."`
		Issuer string `placeholder:"URL" help:"Erase somebody whom this issuer knows, who has no account here."`
	}
)

// Run gives the role or takes it away.
func (c *adminUserRoleCmd) Run(ctx context.Context, io streams, all *cli) error {
	client, err := all.Admin.client()
	if err != nil {
		return err
	}
	role := c.Role
	if role == "none" {
		role = ""
	}
	p, err := client.SetRole(ctx, c.Name, role)
	if err != nil {
		return administered(err)
	}
	if io.json {
		return printJSON(io.out, p)
	}
	text := "%s is an auditor from the next sign-in on.\n"
	if role == "" {
		text = "%s is no auditor any more.\n"
	}
	_, err = fmt.Fprintf(io.out, text, p.Name)
	return err
}

// Run erases the person.
func (c *adminUserEraseCmd) Run(ctx context.Context, io streams, all *cli) error {
	client, err := all.Admin.client()
	if err != nil {
		return err
	}
	e := admin.Erased{Name: c.Name}
	if c.Issuer != "" {
		e = admin.Erased{Issuer: c.Issuer, Subject: c.Name}
	}
	done, err := client.Erase(ctx, e)
	if err != nil {
		return administered(err)
	}
	if io.json {
		return printJSON(io.out, done)
	}
	if done.Pseudonym == "" {
		_, err = fmt.Fprintf(io.out, "%s is erased. The audit log did not know them.\n", c.Name)
		return err
	}
	_, err = fmt.Fprintf(io.out, "%s is erased. In the audit log they were %s, and nobody can tell any more whose that was.\n", c.Name, done.Pseudonym)
	return err
}
