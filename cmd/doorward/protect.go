package main

import (
	"context"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/doorward-mcp/doorward"
	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/registration"
)

type protectCmd struct {
	Target  string   `arg:"" optional:"" help:"Address of a server that runs. Without it, and without -- COMMAND, a built-in demo server is protected."`
	Command []string `kong:"-"` // what stands after --

	Listen         string   `placeholder:"HOST:PORT" help:"Where to listen. 127.0.0.1:8080 unless it is given."`
	Data           string   `placeholder:"DIR" help:"Where to keep accounts, keys and tokens. By default a directory of the user's for each HOST:PORT."`
	PublicURL      string   `placeholder:"URL" help:"The https address that people and programs use, when it is another one than the listener's."`
	TLSCert        string   `placeholder:"FILE" help:"Certificate chain, PEM."`
	TLSKey         string   `placeholder:"FILE" help:"Private key, PEM."`
	Name           string   `placeholder:"TEXT" help:"What people see as the server's name."`
	UpstreamHeader []string `sep:"none" placeholder:"'NAME: VALUE'" help:"Header for the upstream, such as 'Authorization: $${env:KEY}'. Can be repeated."`
	Env            []string `sep:"none" placeholder:"NAME[=VALUE]" help:"Environment variable for the command. Nothing else of the environment is passed on. Can be repeated."`
	PrintConfig    bool     `help:"Print the configuration file that says the same, and do nothing."`

	InsecureLoopbackDocuments string `hidden:"" placeholder:"CAFILE" help:"Take client ID metadata documents from loopback too, under this authority: a switch for tests."`
}

// Run builds the configuration that a file would give, and runs it.
func (p *protectCmd) Run(ctx context.Context, io streams) error {
	c, err := p.config()
	if err != nil {
		return err
	}
	if p.PrintConfig {
		b, err := c.YAML()
		if err != nil {
			return err
		}
		_, err = io.out.Write(b)
		return err
	}
	return serve(ctx, io, c, &watcher{path: c.Policy.Bundle, read: func() (config.Config, error) { return c, nil }})
}

func (p *protectCmd) config() (c config.Config, err error) {
	if p.Listen == "" {
		p.Listen = config.DefaultListen
	}
	s, err := p.server()
	if err != nil {
		return c, err
	}
	c = config.Config{Listen: p.Listen, PublicURL: p.PublicURL, Servers: map[string]config.Server{"mcp": s},
		Registration:              config.Registration{Policy: registration.Policy{Mode: registration.ModeOpen}},
		InsecureLoopbackDocuments: p.InsecureLoopbackDocuments}
	if (p.TLSCert == "") != (p.TLSKey == "") {
		return c, usage("--tls-cert and --tls-key go together: give both")
	}
	if p.TLSCert != "" {
		c.TLS = &config.TLS{Certificate: p.TLSCert, Key: p.TLSKey}
	}
	if c.PublicURL, err = p.publicURL(); err != nil {
		return c, err
	}
	if c.Data, err = dataDir(p.Data, p.Listen); err != nil {
		return c, err
	}
	c.Policy.Bundle = filepath.Join(c.Data, ownBundle)
	here, err := os.Getwd()
	if err != nil {
		return c, usage("finding the current directory: %w", err)
	}
	c = c.In(here) // the printed file says the same wherever it is put
	if err := c.Check(); err != nil {
		return c, failed{exitUsage, err}
	}
	return c, nil
}

// publicURL is the address that the installation is known under: on loopback the listener's own, else the given one.
func (p *protectCmd) publicURL() (string, error) {
	host, port, err := net.SplitHostPort(p.Listen)
	if err != nil || port == "" || host == "" {
		return "", usage("--listen %s is not HOST:PORT, such as 127.0.0.1:8080", p.Listen)
	}
	if port == "0" {
		return "", usage("--listen %s: the address is stored, and clients hold it, so the port must be a fixed one", p.Listen)
	}
	loopback := doorward.Loopback(host)
	switch {
	case !loopback && (p.PublicURL == "" || p.TLSCert == ""):
		return "", usage("--listen %s can be reached from other machines, where nothing may go over plain HTTP. Give the address and a certificate:\n  doorward protect --listen %s --public-url https://mcp.example.com --tls-cert cert.pem --tls-key key.pem …", p.Listen, p.Listen)
	case p.PublicURL == "" && p.TLSCert != "":
		return oauth.CanonicalResource("https://" + p.Listen) // without a port that browsers leave out
	case p.PublicURL == "":
		return oauth.CanonicalResource("http://" + p.Listen)
	}
	given, err := oauth.CanonicalResource(p.PublicURL)
	if err != nil || !strings.HasPrefix(given, "https://") || oauth.Origin(given) != given {
		return "", usage("--public-url %s is not an https origin, such as https://mcp.example.com: it has no path, query or user", p.PublicURL)
	}
	return given, nil
}

func (p *protectCmd) server() (config.Server, error) {
	s := config.Server{Path: "/mcp", URL: p.Target, Command: p.Command, Environment: p.Env}
	s.Name = p.Name
	switch {
	case p.Target != "" && len(p.Command) > 0:
		return s, usage("an address (%s) and a command (%s) are given: which one is to be protected?", p.Target, p.Command[0])
	case p.Target == "" && len(p.Command) == 0:
		s.Demo = true
	}
	if u, err := url.Parse(p.Target); p.Target != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		return s, usage("%s is not an http or https address. For a command, put -- before it:\n  doorward protect -- %s", p.Target, p.Target)
	}
	if u, err := url.Parse(p.Target); err == nil && u.User != nil { // it would stand in the caller header's audience
		return s, usage("the address has a user name or password in it: give them as --upstream-header 'Authorization: ${env:KEY}'")
	}
	for _, h := range p.UpstreamHeader {
		name, value, ok := strings.Cut(h, ":")
		if name = strings.TrimSpace(name); !ok || name == "" || strings.ContainsAny(name, " \t\r\n") {
			return s, usage("--upstream-header %q is not 'NAME: VALUE'", name)
		}
		if s.UpstreamHeaders == nil {
			s.UpstreamHeaders = map[string]config.Text{}
		}
		s.UpstreamHeaders[name] = config.Text(strings.TrimSpace(value))
	}
	if s.Name == "" {
		s.Name = title(s)
	}
	return s, nil
}

// title is a name for a server that was given none: what people will recognise.
func title(s config.Server) string {
	switch {
	case s.Demo:
		return "Doorward demo"
	case s.URL != "":
		if u, err := url.Parse(s.URL); err == nil {
			return u.Host
		}
	}
	return strings.Join(s.Command, " ")
}
