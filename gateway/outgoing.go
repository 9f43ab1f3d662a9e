package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

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
	out := (&http.Request{Method: r.Method, Header: make(http.Header, 8), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(ctx)
	pass(out.Header, r.Header, passed)
	if out.Header.Del(sessionHeader); c.Message.Session != "" {
		out.Header.Set(sessionHeader, c.Message.Session)
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

// unreachable is the answer for an upstream that does not answer: 502 with the reason, in words that give away no
// address of the inside.
func unreachable(c guard.Call, err error) error {
	var known *mcp.Error
	if errors.As(err, &known) {
		return err
	}
	why := "it broke the connection off"
	var dns *net.DNSError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		why = "nothing listens at its address: is it running?"
	case errors.As(err, &dns):
		why = "its name cannot be resolved"
	case errors.As(err, &timeout) && timeout.Timeout():
		why = "it did not answer in time"
	}
	return &mcp.Error{Status: http.StatusBadGateway, Code: mcp.InternalError, Message: "the MCP server behind this address cannot be reached: " + why, ID: firstID(c)}
}

// checkStatus refuses answers that must not reach the client as they are.
func checkStatus(c guard.Call, res *http.Response) error {
	var why string
	switch {
	case res.StatusCode == http.StatusUnauthorized: // the client's token was good: a challenge would send it in a circle
		why = "it refused the gateway's own credentials: does it need a key (--upstream-header)?"
	case res.StatusCode >= 300 && res.StatusCode < 400:
		why = fmt.Sprintf("it answered with a redirect (%d): is its address right?", res.StatusCode)
	case mediaType(res) == "text/html":
		why = "it answered with a web page, so it is no MCP server: is its address right? Most end in /mcp"
	default:
		return nil
	}
	_ = res.Body.Close()
	return &mcp.Error{Status: http.StatusBadGateway, Code: mcp.InternalError, Message: "the MCP server behind this address did not take the call: " + why, ID: firstID(c)}
}

func firstID(c guard.Call) string {
	for _, op := range c.Message.Operations {
		if op.ID != "" && op.Kind == mcp.KindRequest {
			return op.ID
		}
	}
	return ""
}
