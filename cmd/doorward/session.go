package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/doorward-mcp/doorward/client"
	"github.com/doorward-mcp/doorward/token"
)

// remote is how the verbs of a client reach a protected server.
type remote struct {
	URL string `arg:"" help:"Address of the server."`

	NoBrowser    bool          `help:"Print the sign-in address and open no browser."`
	Tokens       string        `placeholder:"DIR" help:"Where to keep tokens. By default a directory of the user's."`
	NoKeychain   bool          `help:"Keep the key of the tokens in a file, also where the system has a keychain."`
	ClientID     string        `placeholder:"ID" help:"A client id that the operator gave."`
	ClientSecret string        `placeholder:"REF" help:"Its secret: $${env:NAME} or $${file:PATH}."`
	ClientDoc    string        `name:"client-metadata" placeholder:"URL" help:"Address of a client ID metadata document."`
	CallbackPort int           `placeholder:"PORT" help:"Port of the loopback address that the browser returns to. By default a free one."`
	CAFile       string        `placeholder:"FILE" help:"Certificate authority to trust besides the system's, PEM."`
	Timeout      time.Duration `default:"5m" help:"How long to wait for the sign-in."`

	heard *refusals // set by connect
	met   bool      // an MCP server has answered
}

// connect makes an MCP session with the server, signing in when it asks for that.
func (r *remote) connect(ctx context.Context, s streams) (*mcp.ClientSession, error) {
	t, err := r.transport(s)
	if err != nil {
		return nil, err
	}
	r.heard = &refusals{base: t}
	c := mcp.NewClient(&mcp.Implementation{Name: "doorward", Version: "1"}, &mcp.ClientOptions{Capabilities: &mcp.ClientCapabilities{}, Logger: slog.New(slog.DiscardHandler)})
	session, err := c.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: r.URL, HTTPClient: &http.Client{Transport: r.heard}, DisableStandaloneSSE: true, MaxRetries: -1}, nil)
	if err != nil {
		return nil, r.explain(err)
	}
	r.met = true
	return session, nil
}

func (r *remote) transport(s streams) (*client.Transport, error) {
	keeper, err := r.keeper()
	if err != nil {
		return nil, err
	}
	secret, err := r.secret()
	if err != nil {
		return nil, err
	}
	roots, err := rootsWith(r.CAFile)
	if err != nil {
		return nil, err
	}
	o := client.Options{
		Browser: r.browser(s), Prompt: prompt(s), Keeper: keeper, Document: r.ClientDoc, Wait: r.Timeout, RootCAs: roots, Base: baseTransport(roots),
		Registered: client.Registered{ID: r.ClientID, Secret: secret}, Name: "Doorward (command line)",
		Proxy: func(u *url.URL) (*url.URL, error) { return http.ProxyFromEnvironment(&http.Request{URL: u}) },
	}
	if r.CallbackPort != 0 {
		o.Redirect = fmt.Sprintf("http://127.0.0.1:%d/callback", r.CallbackPort)
	}
	t, err := client.New(r.URL, o)
	if err != nil {
		return nil, failed{exitUsage, err}
	}
	return t, nil
}

func (r *remote) keeper() (client.Keeper, error) {
	dir := r.Tokens
	if dir == "" {
		base, err := userData()
		if err != nil {
			return nil, err
		}
		dir = filepath.Join(base, "tokens")
	}
	var keychain client.Keychain
	if !r.NoKeychain {
		keychain = client.SystemKeychain{}
	}
	k, err := client.OpenFiles(dir, keychain)
	if err != nil {
		return nil, failed{exitUsage, err}
	}
	return k, nil
}

func (r *remote) secret() (token.Secret, error) {
	if r.ClientSecret == "" {
		return token.Secret{}, nil
	}
	text, err := resolve(r.ClientSecret)
	if err != nil {
		return token.Secret{}, usage("--client-secret: %w", err)
	}
	return token.NewSecret(text), nil
}

// browser shows the sign-in address.
func (r *remote) browser(s streams) func(context.Context, string) error {
	if !r.NoBrowser {
		return client.Show(s.err)
	}
	return func(_ context.Context, address string) error {
		_, err := fmt.Fprintf(s.err, "Open this address to sign in:\n\n%s\n\n", address)
		return err
	}
}

// prompt takes the address that the browser ended at, for people whose browser runs on another machine. Only a terminal
// is asked: standard input may be the arguments of the call.
func prompt(s streams) func(context.Context, string) (string, error) {
	if in, ok := s.in.(*os.File); ok && isatty.IsTerminal(in.Fd()) {
		return client.Ask(in, s.err)
	}
	return nil
}

// explain gives an error its exit status and the next step.
func (r *remote) explain(err error) error {
	var op *net.OpError
	var dns *net.DNSError
	switch {
	case errors.Is(err, client.ErrSignIn), errors.Is(err, client.ErrNobody):
		return failed{exitSignIn, err}
	case errors.As(err, &op), errors.As(err, &dns):
		return failed{exitUnreachable, fmt.Errorf("%s does not answer: %w", r.URL, err)}
	case errors.Is(err, io.EOF), errors.Is(err, context.Canceled):
		return failed{exitUnreachable, err}
	}
	if said := r.heard.last(); said != "" {
		return failed{exitNo, fmt.Errorf("%s: %s (%w)", r.URL, said, err)}
	}
	if !r.met {
		return failed{exitNo, fmt.Errorf("%s does not answer as an MCP server does: is its address right? Most end in /mcp (%w)", r.URL, err)}
	}
	return failed{exitNo, fmt.Errorf("%s: %w", r.URL, err)}
}
