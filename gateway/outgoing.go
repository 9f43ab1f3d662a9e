package gateway

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"

	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/mcp"
)

// passed are the headers that go to the upstream, besides those that begin with mcp-. Everything else is dropped:
// credentials above all, and what a proxy says of the caller, which the upstream learns from the caller header alone.
var passed = []string{"Accept", "Accept-Language", "Content-Type", "Last-Event-Id", "User-Agent", "Traceparent", "Tracestate"}

// returned are the headers that come back, besides those that begin with mcp-. No cookie of an upstream reaches a
// browser, and no challenge of its own reaches a client, which could do nothing with it.
var returned = []string{"Cache-Control", "Content-Type", "Content-Encoding", "Content-Length", "Retry-After", "Content-Language"}

const mcpPrefix = "Mcp-"

func pass(to, from http.Header, names []string) {
	for _, name := range names {
		if v, ok := from[name]; ok {
			to[name] = v
		}
	}
	for name, v := range from {
		if strings.HasPrefix(name, mcpPrefix) {
			to[name] = v
		}
	}
}

func (s *Server) outgoing(ctx context.Context, r *http.Request, c guard.Call) (*http.Request, error) {
	out := (&http.Request{Method: r.Method, Header: make(http.Header, 8), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(httptrace.WithClientTrace(ctx, settles))
	pass(out.Header, r.Header, passed)
	carry(ctx, out.Header)
	if out.Header.Del(sessionHeader); c.Message.Session != "" {
		out.Header.Set(sessionHeader, c.Message.Session)
	}
	if err := s.resume(out.Header, c); err != nil {
		return nil, err
	}
	if body := c.Message.Body; len(body) > 0 {
		out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	}
	if s.c.Credential != nil {
		if err := s.c.Credential(ctx, c, out.Header); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func firstID(c guard.Call) string {
	for _, op := range c.Message.Operations {
		if op.ID != "" && op.Kind == mcp.KindRequest {
			return op.ID
		}
	}
	return ""
}
