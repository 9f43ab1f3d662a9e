package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/doorward-mcp/doorward/authtest"
)

// bearer is a client's transport with a token.
type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

// The program, over TCP, with the SDK's own client: one tool for everybody, another for whoever has its scope.
func TestGoSDK(t *testing.T) {
	mux := http.NewServeMux()
	listener := httptest.NewServer(mux)
	t.Cleanup(listener.Close)
	as := authtest.New(t, listener.URL+"/mcp")
	h, err := Handler(as.Issuer, listener.URL)
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/", h)
	for scopes, tools := range map[string][]string{"mcp": {"read"}, "mcp notes:write": {"read", "write"}} {
		c := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
		s, err := c.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: listener.URL + "/mcp", HTTPClient: &http.Client{Transport: bearer(as.Good(strings.Fields(scopes)...))}}, &mcp.ClientSessionOptions{ProtocolVersion: "2025-11-25"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		list, err := s.ListTools(t.Context(), nil)
		if err != nil || len(list.Tools) != len(tools) {
			t.Errorf("with %s it lists %+v, %v", scopes, list, err)
		}
		for _, name := range []string{"read", "write"} {
			_, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: name})
			if allowed := strings.Contains(strings.Join(tools, " "), name); (err == nil) != allowed {
				t.Errorf("%s with %s: %v", name, scopes, err)
			}
			if err != nil {
				break // the SDK's client ends its connection with a 403 that it cannot ask more scope for
			}
		}
	}
	c := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	if _, err := c.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: listener.URL + "/mcp", HTTPClient: &http.Client{Transport: bearer(as.Stale())}}, nil); err == nil {
		t.Error("a stale token connects")
	}
}
