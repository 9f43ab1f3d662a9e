package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/doorward-mcp/doorward/admin"
)

type adminClientsCmd struct {
	List    adminClientsListCmd    `cmd:"" help:"Show every client but documents that nobody has to review."`
	Add     adminClientsAddCmd     `cmd:"" help:"List a client."`
	Approve adminClientsApproveCmd `cmd:"" help:"Let a client in that waits."`
	Remove  adminClientsRemoveCmd  `cmd:"" help:"Take back whatever a client was given, and forget it."`
}

type (
	adminClientsListCmd struct {
		Waiting bool `help:"Only those that wait to be let in."`
	}
	adminClientsAddCmd struct {
		ID       string   `placeholder:"ID" help:"Its client_id; one is made up if it is left out. The https address of a metadata document lets that document in."`
		Name     string   `placeholder:"NAME" help:"What people read of it."`
		Redirect []string `sep:"none" placeholder:"URI" help:"A redirect address; may be repeated."`
		Grant    []string `sep:"none" placeholder:"TYPE" help:"A grant type; may be repeated. authorization_code and refresh_token if it is left out and there is a redirect address; also client_credentials, token-exchange, jwt-bearer, device_code."`
		Method   string   `placeholder:"METHOD" help:"none, client_secret_basic, client_secret_post or private_key_jwt; what fits the rest if it is left out."`
		JWKS     string   `type:"existingfile" placeholder:"FILE" help:"Its public keys, as a key set."`
		JWKSURI  string   `name:"jwks-uri" placeholder:"URL" help:"Where its key set is."`
		Serves   []string `sep:"none" placeholder:"SERVER" help:"A server that it is itself, whose tokens it introspects and exchanges; may be repeated."`
		Reaches  []string `sep:"none" placeholder:"SERVER" help:"A server that it may get tokens for without a person at a browser; may be repeated."`
	}
	adminClientsApproveCmd struct {
		ID string `arg:"" help:"Its client_id."`
	}
	adminClientsRemoveCmd struct {
		ID string `arg:"" help:"Its client_id."`
	}
)

// Run prints the clients, a line each.
func (c *adminClientsListCmd) Run(ctx context.Context, io streams, all *cli) error {
	client, err := all.Admin.client()
	if err != nil {
		return err
	}
	clients, err := client.Clients(ctx)
	if err != nil {
		return administered(err)
	}
	table := tabwriter.NewWriter(io.out, 0, 0, 2, ' ', 0)
	if !io.json {
		_, _ = fmt.Fprintln(table, "ID\tNAME\tSOURCE\tSTATE\tREDIRECTS")
	}
	for _, r := range clients {
		if c.Waiting && !r.Waits {
			continue
		}
		if io.json {
			err = printJSON(io.out, r)
		} else {
			_, err = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", r.ID, r.Name, r.Source, state(r), strings.Join(r.Redirects, " "))
		}
		if err != nil {
			return err
		}
	}
	return table.Flush()
}

// state is what an administrator may want to act on.
func state(r admin.Registered) string {
	switch {
	case r.Waits:
		return "waits"
	case r.Used != nil:
		return "used " + r.Used.Format(time.DateOnly)
	case r.Source == "listed":
		return "listed"
	}
	return "unused"
}

// Run prints the client, and its secret this once.
func (c *adminClientsAddCmd) Run(ctx context.Context, io streams, all *cli) error {
	r := admin.Registered{ID: c.ID, Name: c.Name, Redirects: c.Redirect, Grants: c.Grant, Method: c.Method, JWKSURI: c.JWKSURI, Serves: c.Serves, Reaches: c.Reaches}
	if c.JWKS != "" {
		b, err := os.ReadFile(c.JWKS)
		if err != nil {
			return usage("reading the key set: %w", err)
		}
		r.JWKS = b
	}
	client, err := all.Admin.client()
	if err != nil {
		return err
	}
	made, err := client.AddClient(ctx, r)
	if err != nil {
		return administered(err)
	}
	if io.json {
		return printJSON(io.out, made)
	}
	if made.Method == "" { // a metadata document says the rest itself
		_, err = fmt.Fprintf(io.out, "Client ID   %s\n", made.ID)
		return err
	}
	_, err = fmt.Fprintf(io.out, "Client ID   %s\nMethod      %s\n", made.ID, made.Method)
	if err == nil && made.Secret != "" {
		_, err = fmt.Fprintf(io.out, "Secret      %s   (shown this once)\n", made.Secret)
	}
	return err
}

// Run lets the client in.
func (c *adminClientsApproveCmd) Run(ctx context.Context, io streams, all *cli) error {
	return onClient(ctx, io, all, c.ID, "approved", (*admin.Client).ApproveClient)
}

// Run removes the client.
func (c *adminClientsRemoveCmd) Run(ctx context.Context, io streams, all *cli) error {
	return onClient(ctx, io, all, c.ID, "removed", (*admin.Client).RemoveClient)
}

func onClient(ctx context.Context, io streams, all *cli, id, done string, act func(*admin.Client, context.Context, string) error) error {
	client, err := all.Admin.client()
	if err != nil {
		return err
	}
	if err := act(client, ctx, id); err != nil {
		return administered(err)
	}
	if io.json {
		return printJSON(io.out, map[string]string{done: id})
	}
	_, err = fmt.Fprintf(io.out, "%s is %s.\n", id, done)
	return err
}
