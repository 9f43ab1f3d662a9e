package doorward

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"

	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/demo"
	"github.com/doorward-mcp/doorward/gateway"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/stdio"
)

func (g *generation) names() []string { return slices.Sorted(maps.Keys(g.c.Servers)) }

// upstream is what stands behind a server, and what it gets instead of the caller's token.
func (g *generation) upstream(name string, s config.Server) (b behind, err error) {
	headers, err := s.Headers(g.e.Lookup)
	if err != nil {
		return b, err
	}
	credential := func(upstream string) gateway.Credential {
		if s.CallerHeader == config.CallerOff || s.Open() { // of an open server nobody knows who calls
			return gateway.Static(headers)
		}
		return gateway.All(gateway.Static(headers), gateway.Caller(g.as.Ring, upstream))
	}
	switch {
	case len(s.Addresses()) > 0:
		pool, err := g.overHTTP(name, s)
		if err != nil {
			return b, err
		}
		b = behind{pool.Upstream, credential(audience(name, s)), nil}
		tokens, err := g.tokens(s)
		if err == nil && tokens != nil {
			b.credential, b.renew = gateway.All(b.credential, tokens.Set), tokens.Renew
		}
		return b, err
	case len(s.Command) > 0:
		pool, err := g.overStdio(name, s)
		if err != nil {
			return b, err
		}
		return behind{upstream: func(c guard.Call) http.RoundTripper { return pool.For(c.Caller, c.Message) }, credential: credential("doorward:stdio:" + name)}, nil
	case s.Demo:
		upstream, err := keep(g, "demo/"+name, nil, func() (gateway.Upstream, func() error, error) { return inProcess(demo.Handler()) })
		return behind{upstream: upstream, credential: credential("doorward:demo")}, err
	}
	return b, errors.New("nothing stands behind it: it has no url, command or demo")
}

// overStdio is the pool of a command. What it was made of includes the secrets: another one makes other processes.
func (g *generation) overStdio(name string, s config.Server) (*stdio.Pool, error) {
	env, err := s.Variables(g.e.Lookup)
	if err != nil {
		return nil, err
	}
	return keep(g, "stdio/"+name, []any{s.Command, env, s.Isolation, s.Process}, func() (*stdio.Pool, func() error, error) {
		p := &stdio.Pool{Command: s.Command, Env: env, Dir: s.Process.Directory, Log: g.e.Slog.With("server", name),
			Bounds: s.Process.Bounds, Isolation: s.Isolation, Confine: s.Process.Confinement}
		if err := p.Check(g.c.Private()...); err != nil {
			return nil, nil, fmt.Errorf("process: %w", err)
		}
		return p, p.Close, nil
	})
}

// inProcess is an upstream that no address leads to: whoever reaches the machine still has to pass the gateway.
func inProcess(h http.Handler) (gateway.Upstream, func() error, error) {
	l := newPipes()
	server := &http.Server{Handler: h}
	go func() { _ = server.Serve(l) }()
	t := gateway.Transport()
	t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return l.dial(ctx) }
	return gateway.HTTP(&url.URL{Scheme: "http", Host: "demo", Path: "/"}, t), server.Close, nil
}

// pipes is a listener whose connections are made in memory.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	close(p.done)
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }
