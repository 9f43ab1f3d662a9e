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

func (i *Installation) names() []string { return slices.Sorted(maps.Keys(i.c.Servers)) }

// upstream is what stands behind a server, and what it gets instead of the caller's token.
func (i *Installation) upstream(name string, s config.Server) (gateway.Upstream, gateway.Credential, error) {
	headers, err := s.Headers(i.e.Lookup)
	if err != nil {
		return nil, nil, err
	}
	credential := func(upstream string) gateway.Credential {
		return gateway.All(gateway.Static(headers), gateway.Caller(i.as.Ring, upstream))
	}
	switch {
	case s.URL != "":
		to, err := url.Parse(s.URL)
		if err != nil || to.Scheme != "http" && to.Scheme != "https" || to.Host == "" {
			return nil, nil, fmt.Errorf("%q is not an http or https address", s.URL)
		}
		return gateway.HTTP(to, gateway.Transport()), credential(s.URL), nil
	case len(s.Command) > 0:
		pool := &stdio.Pool{Command: s.Command, Env: s.Environment, Log: i.e.Slog.With("server", name)}
		i.closing = append(i.closing, pool.Close)
		return func(c guard.Call) http.RoundTripper { return pool.For(c.Caller, c.Message) }, credential("doorward:stdio:" + name), nil
	case s.Demo:
		upstream, err := i.inProcess(demo.Handler())
		return upstream, credential("doorward:demo"), err
	}
	return nil, nil, errors.New("nothing stands behind it: it has no url, command or demo")
}

// inProcess is an upstream that no address leads to: whoever reaches the machine still has to pass the gateway.
func (i *Installation) inProcess(h http.Handler) (gateway.Upstream, error) {
	l := newPipes()
	server := &http.Server{Handler: h}
	go func() { _ = server.Serve(l) }()
	i.closing = append(i.closing, server.Close)
	t := gateway.Transport()
	t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return l.dial(ctx) }
	return gateway.HTTP(&url.URL{Scheme: "http", Host: "demo", Path: "/"}, t), nil
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
