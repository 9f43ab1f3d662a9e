package main

import (
	"context"
	"fmt"
	"time"

	"github.com/doorward-mcp/doorward/admin"
)

// auditAt says which server is asked: the one of this machine, over its socket.
type auditAt struct {
	Listen string `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Which server: the one that listens there."`
	Data   string `placeholder:"DIR" help:"Which server: the one with this data directory."`
}

func (a *auditAt) client() (*admin.Client, error) {
	dir, err := dataDir(a.Data, a.Listen)
	return &admin.Client{Data: dir}, err
}

// auditFilter is what records must fit.
type auditFilter struct {
	Person   string `placeholder:"PSEUDONYM" help:"Of this person: the subject, an actor, or somebody who was erased."`
	Agent    string `placeholder:"CLIENT-ID" help:"Through this client."`
	Tool     string `placeholder:"NAME" help:"About this tool or prompt."`
	Server   string `placeholder:"URI" help:"At this server: its resource identifier."`
	Decision string `enum:",allow,deny,challenge" default:"" help:"With this verdict: allow, deny or challenge."`
	Code     string `placeholder:"CODE" help:"With this event code, such as mcp.called."`
	Grant    string `placeholder:"ID" help:"Under this authorization."`
	Request  string `placeholder:"ID" help:"Of this request."`
	ID       string `placeholder:"ID" help:"Of this act: the intent and its outcome."`
	About    string `placeholder:"TEXT" help:"About this client, key, setting or definition."`
	Token    string `placeholder:"JTI" help:"With this token."`
}

func (f *auditFilter) query() admin.Query {
	return admin.Query{Person: f.Person, Agent: f.Agent, Tool: f.Tool, Server: f.Server, Decision: f.Decision, Code: f.Code, Grant: f.Grant, Request: f.Request,
		ID: f.ID, About: f.About, Token: f.Token}
}

type auditQueryCmd struct {
	auditAt
	auditOver
	auditFilter
	Name   string `placeholder:"NAME" help:"Of the person with this account; with --url."`
	Since  string `placeholder:"TIME" help:"From this time on: 2026-11-22, 2026-11-22T10:00:00Z, or 2h for two hours ago."`
	Until  string `placeholder:"TIME" help:"Before this time."`
	Before int64  `placeholder:"INDEX" help:"Only records before this index: the next page begins at the last index of this one."`
	Limit  int    `default:"100" help:"At most so many, 1000 at most."`
}

// Run prints the records that fit, newest first.
func (c *auditQueryCmd) Run(ctx context.Context, s streams) error {
	q := c.query()
	q.Before, q.Limit = c.Before, c.Limit
	var err error
	now := time.Now()
	if q.Since, err = moment(c.Since, now); err != nil {
		return usage("--since: %w", err)
	}
	if q.Until, err = moment(c.Until, now); err != nil {
		return usage("--until: %w", err)
	}
	if c.URL != "" {
		a, err := c.ask(ctx, s, "query", admin.AuditQuestion{Query: q, Name: c.Name, Clear: c.Clear})
		if err != nil {
			return err
		}
		return printHits(s, a.Steps[0].Hits, &a)
	}
	if err := c.local(); err != nil || c.Name != "" {
		return usage("--name and --clear are for auditors, who give --url")
	}
	client, err := c.auditAt.client()
	if err != nil {
		return err
	}
	hits, err := client.Records(ctx, q)
	if err != nil {
		return administered(err)
	}
	return printHits(s, hits, nil)
}

// moment is a time as people write one; the zero time for nothing.
func moment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago > 0 {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateTime, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.UTC); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: write 2026-11-22, 2026-11-22T10:00:00Z or 2h", text)
}
