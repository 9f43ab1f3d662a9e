package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/admin"
)

// auditOver is how an auditor asks, over HTTP and signed in.
type auditOver struct {
	URL          string `placeholder:"URL" help:"Ask over HTTP, as an auditor who signs in: the public address of the server."`
	Clear        bool   `help:"Show names and arguments too; with --url. Each that is shown is a record of its own."`
	NoBrowser    bool   `help:"Print the sign-in address and open no browser."`
	Tokens       string `placeholder:"DIR" help:"Where to keep tokens. By default a directory of the user's."`
	NoKeychain   bool   `help:"Keep the key of the tokens in a file, also where the system has a keychain."`
	CallbackPort int    `placeholder:"PORT" help:"Port of the loopback address that the browser returns to."`
	CAFile       string `placeholder:"FILE" help:"Certificate authority to trust besides the system's, PEM."`

	Timeout time.Duration `default:"5m" help:"How long to wait for the sign-in."`
}

// local is an error if something was asked for that only an auditor may be told.
func (o *auditOver) local() error {
	if o.Clear {
		return usage("--clear is for auditors, who give --url")
	}
	return nil
}

// ask asks one question, signing in when the server wants that.
func (o *auditOver) ask(ctx context.Context, s streams, what string, question any) (a admin.Answered, err error) {
	err = o.post(ctx, s, what, question, &a)
	if err == nil && what == "query" && len(a.Steps) != 1 {
		err = failed{exitNo, fmt.Errorf("%s does not answer as an audit log does", o.URL)}
	}
	return a, err
}

func (o *auditOver) post(ctx context.Context, s streams, what string, question, out any) error {
	base := strings.TrimSuffix(o.URL, "/") + "/audit"
	r := remote{URL: base, NoBrowser: o.NoBrowser, Tokens: o.Tokens, NoKeychain: o.NoKeychain, CallbackPort: o.CallbackPort, CAFile: o.CAFile, Timeout: o.Timeout}
	t, err := r.transport(s)
	if err != nil {
		return err
	}
	r.heard = &refusals{base: t}
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/api/"+what, bytes.NewReader(body))
	if err != nil {
		return usage("%w", err)
	}
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("Accept", "application/json")
	res, err := (&http.Client{Transport: r.heard, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(q)
	if err != nil {
		return r.explain(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		if said := r.heard.last(); said != "" {
			return failed{exitNo, errors.New(said)}
		}
		return failed{exitNo, fmt.Errorf("%s answered %s: is it the public address?", o.URL, res.Status)}
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 256<<20)).Decode(out); err != nil {
		return failed{exitNo, fmt.Errorf("reading the answer of %s: %w", o.URL, err)}
	}
	return nil
}
