package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/doorward-mcp/doorward"
	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/mcp"
)

// told is where a server's definitions come from.
type told struct {
	Bundle string `default:"policy" placeholder:"DIR" help:"Directory of the bundle."`
	Config string `placeholder:"FILE" help:"Configuration that says where the server is."`
	URL    string `name:"url" placeholder:"URL" help:"Address of the server, without anything in front of it."`
	From   string `placeholder:"FILE" help:"A file with the answer to tools/list, or its result."`
}

// listing is how long a server may take to say what it has.
const listing = time.Minute

// definitions are what a server says of its tools, prompts and templates.
func (t told) definitions(ctx context.Context, io streams, server string) ([]offered, error) {
	given := 0
	for _, one := range []string{t.Config, t.URL, t.From} {
		if one != "" {
			given++
		}
	}
	if given != 1 {
		return nil, usage("where is the server %s? Give one of --config FILE, --url URL and --from FILE", server)
	}
	if t.From != "" {
		return readListing(t.From)
	}
	c := config.Config{Servers: map[string]config.Server{server: {URL: t.URL}}}
	if t.Config != "" {
		var err error
		if c, err = readConfig(io, t.Config); err != nil {
			return nil, err
		}
	}
	upstream, end, err := doorward.Direct(c, server, doorward.Environment{Lookup: lookup, Slog: slog.New(slog.NewTextHandler(io.err, nil))})
	if err != nil {
		return nil, failed{exitUsage, err}
	}
	ctx, cancel := context.WithTimeout(ctx, listing)
	defer cancel()
	all, err := ask(ctx, upstream)
	if err = errors.Join(err, end()); err != nil {
		return nil, failed{exitUnreachable, fmt.Errorf("asking %s what it has: %w", server, err)}
	}
	return all, nil
}

// ask lists everything that a server has.
func ask(ctx context.Context, upstream http.RoundTripper) ([]offered, error) {
	heard := &listened{base: &sdk.StreamableClientTransport{Endpoint: "http://upstream/", HTTPClient: &http.Client{Transport: upstream}, DisableStandaloneSSE: true, MaxRetries: -1}}
	c := sdk.NewClient(&sdk.Implementation{Name: "doorward", Version: "1"}, &sdk.ClientOptions{Capabilities: &sdk.ClientCapabilities{}, Logger: slog.New(slog.DiscardHandler)})
	session, err := c.Connect(ctx, heard, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = session.Close() }()
	has := session.InitializeResult().Capabilities
	if has.Tools != nil {
		for _, err := range session.Tools(ctx, nil) {
			if err != nil {
				return nil, err
			}
		}
	}
	if has.Prompts != nil {
		for _, err := range session.Prompts(ctx, nil) {
			if err != nil {
				return nil, err
			}
		}
	}
	if has.Resources != nil {
		for _, err := range session.ResourceTemplates(ctx, nil) {
			if err != nil {
				return nil, err
			}
		}
	}
	return heard.all, nil
}

// listened keeps the definitions of every list that goes by, as they are written: a hash is of all that stands there, and not of
// what a library knows of it.
type listened struct {
	base sdk.Transport
	sdk.Connection
	all []offered
}

// Connect is an sdk.Transport's.
func (l *listened) Connect(ctx context.Context) (sdk.Connection, error) {
	c, err := l.base.Connect(ctx)
	l.Connection = c
	return l, err
}

// Read is an sdk.Connection's.
func (l *listened) Read(ctx context.Context) (jsonrpc.Message, error) {
	m, err := l.Connection.Read(ctx)
	if r, ok := m.(*jsonrpc.Response); ok && err == nil {
		l.all = append(l.all, listed(r.Result)...)
	}
	return m, err
}

// listed are the definitions in a result.
func listed(result json.RawMessage) (all []offered) {
	var lists struct {
		Tools             []json.RawMessage `json:"tools"`
		Prompts           []json.RawMessage `json:"prompts"`
		ResourceTemplates []json.RawMessage `json:"resourceTemplates"`
	}
	if json.Unmarshal(result, &lists) != nil {
		return nil
	}
	for kind, list := range map[string][]json.RawMessage{mcp.ItemTool: lists.Tools, mcp.ItemPrompt: lists.Prompts, mcp.ItemTemplate: lists.ResourceTemplates} {
		for _, raw := range list {
			all = append(all, offered{kind, raw})
		}
	}
	return all
}

// readListing reads a file with an answer to a list, or with its result alone.
func readListing(path string) ([]offered, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, usage("%w", err)
	}
	var answer struct {
		Result json.RawMessage `json:"result"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, usage("%s: it is no JSON: %w", path, err)
	}
	if answer.Result == nil {
		answer.Result = text
	}
	all := listed(answer.Result)
	if len(all) == 0 {
		return nil, usage("%s: there is no list of tools, prompts or templates in it", path)
	}
	return all, nil
}
