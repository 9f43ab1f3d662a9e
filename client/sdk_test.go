package client_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/doorward-mcp/doorward/client"
)

var _ auth.OAuthHandler = (*client.Transport)(nil)

// sdkServer is a server of the official go-sdk with one tool.
func sdkServer() http.Handler {
	s := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	type in struct {
		Text string `json:"text"`
	}
	mcp.AddTool(s, &mcp.Tool{Name: "echo"}, func(_ context.Context, _ *mcp.CallToolRequest, a in) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: a.Text}}}, nil, nil
	})
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, nil)
}

// The official SDK's client on top of both ways in, with a step-up in the middle.
func TestOfficialClient(t *testing.T) {
	for name, use := range map[string]func(*mcp.StreamableClientTransport, *client.Transport){
		"round tripper": func(c *mcp.StreamableClientTransport, tr *client.Transport) {
			c.HTTPClient = &http.Client{Transport: tr}
		},
		"OAuth handler": func(c *mcp.StreamableClientTransport, tr *client.Transport) { c.OAuthHandler = tr },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t)
			p.mcp = sdkServer()
			var stepped atomic.Bool
			p.need = func(*peer, *http.Request) string {
				if stepped.Load() {
					return "write"
				}
				return "read"
			}
			transport := &mcp.StreamableClientTransport{Endpoint: p.address()}
			use(transport, dial(t, p, client.Options{}))
			session, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), transport, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			stepped.Store(true)
			result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"text": "hello"}})
			if err != nil {
				t.Fatal(err)
			}
			if text, ok := result.Content[0].(*mcp.TextContent); !ok || text.Text != "hello" {
				t.Errorf("got %v, want hello", result.Content)
			}
			if n := p.count("authorize"); n != 2 {
				t.Errorf("%d sign-ins, want 2", n)
			}
		})
	}
}

// Both ways give up where they must, and the cause is still to be told.
func TestOfficialClientIsRefused(t *testing.T) {
	for name, use := range map[string]func(*mcp.StreamableClientTransport, *client.Transport){
		"round tripper": func(c *mcp.StreamableClientTransport, tr *client.Transport) {
			c.HTTPClient = &http.Client{Transport: tr}
		},
		"OAuth handler": func(c *mcp.StreamableClientTransport, tr *client.Transport) { c.OAuthHandler = tr },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t)
			p.mcp = sdkServer()
			p.back = func(_ *peer, q url.Values) { q.Del("code"); q.Set("error", "access_denied") }
			transport := &mcp.StreamableClientTransport{Endpoint: p.address()}
			use(transport, dial(t, p, client.Options{}))
			_, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), transport, nil)
			if !errors.Is(err, client.ErrDenied) || !errors.Is(err, client.ErrSignIn) {
				t.Errorf("got %v, want ErrDenied", err)
			}
			if n := p.count("authorize"); n > 2 {
				t.Errorf("%d sign-ins, want at most 2", n)
			}
		})
	}
}
