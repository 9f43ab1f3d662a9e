package doorward

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/textproto"

	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/demo"
	"github.com/doorward-mcp/doorward/gateway"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/token"
)

// Direct is what stands behind a server of a configuration, as the gateway reaches it, with nobody calling: an administrator looks
// at what the server says of itself. end lets go what was begun for it.
func Direct(c config.Config, name string, e Environment) (upstream http.RoundTripper, end func() error, err error) {
	g := &generation{ground: &ground{e: e.withDefaults()}, c: c, kept: map[string]*kept{}}
	s, ok := c.Servers[name]
	if !ok {
		return nil, nil, fmt.Errorf("the configuration has no server %s", name)
	}
	headers, err := s.Headers(g.e.Lookup)
	if err != nil {
		return nil, nil, err
	}
	d := direct{server: c.Resource(s).URI, credential: gateway.Static(headers),
		caller: token.Caller{Principal: token.Principal{Issuer: c.PublicURL, Subject: "administrator"}, Client: "doorward"}}
	switch {
	case len(s.Addresses()) > 0:
		pool, err := g.overHTTP(name, s)
		if err != nil {
			return nil, nil, err
		}
		d.upstream = pool.Upstream
	case len(s.Command) > 0:
		pool, err := g.overStdio(name, s)
		if err != nil {
			return nil, nil, err
		}
		d.upstream = func(c guard.Call) http.RoundTripper { return pool.For(c.Caller, c.Message) }
	default:
		if d.upstream, err = keep(g, "demo/"+name, nil, func() (gateway.Upstream, func() error, error) { return inProcess(demo.Handler()) }); err != nil {
			return nil, nil, err
		}
	}
	return d, g.end, nil
}

// direct sends requests of a client that nobody has to let in.
type direct struct {
	server     string
	caller     token.Caller // the administrator, for what wants to know whose a process is; no token says so
	upstream   gateway.Upstream
	credential gateway.Credential
}

// RoundTrip is an http.RoundTripper's.
func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		_ = r.Body.Close()
	}
	m, err := mcp.Read(r.Method, textproto.MIMEHeader(r.Header), body)
	if err != nil {
		return nil, err
	}
	out := r.Clone(r.Context())
	out.URL, out.Host = nil, "" // as of a call: whoever stands behind the server knows where it goes
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	call := guard.Call{Server: d.server, Message: m, Caller: d.caller}
	if err := d.credential(r.Context(), call, out.Header); err != nil {
		return nil, err
	}
	return d.upstream(call).RoundTrip(out)
}
