package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward"
	"github.com/doorward-mcp/doorward/config"
)

// ready is the line that --output json prints as soon as it serves.
type ready struct {
	Resource string  `json:"resource"` // of several servers the first by name
	Issuer   string  `json:"issuer"`
	Username string  `json:"username"`
	Password *string `json:"password"`
	Link     string  `json:"sign_in_link"`
	Data     string  `json:"data"`
	// Resources are all of them where there are several.
	Resources map[string]string `json:"resources,omitempty"` // :: server → resource
}

// welcome says where everything is, how to sign in, and how to go on.
func welcome(ctx context.Context, s streams, c config.Config, w doorward.Welcome) error {
	names := slices.Sorted(maps.Keys(c.Servers))
	r := ready{Resource: c.Resource(c.Servers[names[0]]).URI, Issuer: c.PublicURL, Username: w.Name, Link: w.Link, Data: c.Data}
	if len(names) > 1 {
		r.Resources = map[string]string{}
		for _, name := range names {
			r.Resources[name] = c.Resource(c.Servers[name]).URI
		}
	}
	if !w.Password.Empty() {
		text := w.Password.Reveal()
		r.Password = &text
	}
	for _, name := range names {
		if down := upstreamDown(ctx, c.Servers[name]); down != "" {
			_, _ = fmt.Fprintf(s.err, "doorward: %s Calls are answered 502 until that changes.\n", down)
		}
	}
	if s.json {
		return printJSON(s.out, r)
	}
	_, err := io.WriteString(s.out, page(c, names, r))
	return err
}

func page(c config.Config, names []string, r ready) string {
	var b strings.Builder
	line := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	line("")
	for _, name := range names {
		line("  Protected   %s", c.Resource(c.Servers[name]).URI)
		line("  Upstream    %s", behind(c.Servers[name]))
	}
	line("")
	line("  Sign in     %s", r.Link)
	line("              (works once, for 15 minutes; doorward admin link prints another)")
	line("  User name   %s", r.Username)
	if r.Password != nil {
		line("  Password    %s   (shown this once)", *r.Password)
	}
	line("")
	vscode, cursor := map[string]any{}, map[string]any{}
	line("Claude Code")
	for _, name := range names {
		key, uri := entry(name, names), c.Resource(c.Servers[name]).URI
		line("  claude mcp add --transport http %s %s", key, shellWord(uri))
		vscode[key], cursor[key] = map[string]string{"type": "http", "url": uri}, map[string]string{"url": uri}
	}
	line("VS Code, .vscode/mcp.json")
	line("  %s", snippet(map[string]any{"servers": vscode}))
	line("Cursor, .cursor/mcp.json")
	line("  %s", snippet(map[string]any{"mcpServers": cursor}))
	line("")
	line("See that it works")
	line("  doorward %s", proof(c.Servers[names[0]], r))
	line("")
	return b.String()
}

// entry is what a client's configuration calls a server.
func entry(name string, all []string) string {
	if len(all) == 1 {
		return "doorward"
	}
	return name
}

// proof is the command that shows a protected call. Only the demo has a tool whose name is known.
func proof(server config.Server, r ready) string {
	if server.Demo {
		return "call " + shellWord(r.Resource) + " whoami"
	}
	return "tools " + shellWord(r.Resource)
}

func behind(s config.Server) string {
	switch {
	case s.Demo:
		return "the built-in demo server"
	case s.URL != "":
		return s.URL
	}
	return strings.Join(s.Command, " ") + "   (started for each session)"
}

func snippet(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("a map of strings cannot fail to encode: " + err.Error())
	}
	return string(b)
}

// upstreamDown says what is wrong at the upstream's address, as far as that can be seen without calling it: nothing
// listens there, or it is a web page. Empty: nothing is.
func upstreamDown(ctx context.Context, s config.Server) string {
	u, err := url.Parse(s.URL)
	if s.URL == "" || err != nil {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	d := net.Dialer{Timeout: 2 * time.Second}
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return fmt.Sprintf("the upstream %s does not answer yet.", s.URL)
	}
	_ = conn.Close()
	return notMCP(ctx, s.URL)
}

// notMCP asks for a stream, which an MCP server gives or refuses, and which a web site answers with a page.
func notMCP(ctx context.Context, address string) string {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return ""
	}
	r.Header.Set("Accept", "text/event-stream")
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return ""
	}
	_ = res.Body.Close()
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
		return fmt.Sprintf("the upstream %s answers with a web page, so it is no MCP server: is its address right? Most end in /mcp.", address)
	}
	return ""
}

func printJSON(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}
