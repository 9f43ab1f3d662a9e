// Command client is the program that the official MCP conformance suite runs in client mode: the suite starts a server,
// names a scenario in MCP_CONFORMANCE_SCENARIO, gives what the scenario needs as JSON in MCP_CONFORMANCE_CONTEXT, and
// appends the server's address. Package client does the authorization, the official go-sdk speaks MCP on top of it.
//
// It exits 0 when the scenario's calls went through and 1 when one did not; the suite judges by what its servers saw.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/doorward-mcp/doorward/client"
	"github.com/doorward-mcp/doorward/token"
)

// given is what a scenario hands over in MCP_CONFORMANCE_CONTEXT.
type given struct {
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	ToolCalls    []struct {
		Name      string         `json:"name"`
		Arguments map[string]any `json:"arguments"`
	} `json:"toolCalls"`
}

// document is the client id that the suite expects of a client which has a metadata document. Nothing is read there.
const document = "https://conformance-test.local/client-metadata.json"

const longest = 25 * time.Second

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "conformance client:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) < 2 {
		return errors.New("the last argument must be the server's address")
	}
	server, scenario := os.Args[len(os.Args)-1], os.Getenv("MCP_CONFORMANCE_SCENARIO")
	var g given
	if text := os.Getenv("MCP_CONFORMANCE_CONTEXT"); text != "" {
		if err := json.Unmarshal([]byte(text), &g); err != nil {
			return fmt.Errorf("reading MCP_CONFORMANCE_CONTEXT: %w", err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	session, err := connect(ctx, server, g)
	if err != nil {
		return err
	}
	defer session.Close()
	return play(ctx, session, scenario, g)
}

func connect(ctx context.Context, server string, g given) (*mcp.ClientSession, error) {
	transport, err := client.New(server, client.Options{
		Browser:    browse,
		Registered: client.Registered{ID: g.ClientID, Secret: token.NewSecret(g.ClientSecret)},
		Document:   document,
		Name:       "Doorward conformance client",
		Wait:       longest,
	})
	if err != nil {
		return nil, err
	}
	c := mcp.NewClient(&mcp.Implementation{Name: "doorward-conformance", Version: "1.0.0"}, &mcp.ClientOptions{
		Capabilities:       &mcp.ClientCapabilities{Elicitation: &mcp.ElicitationCapabilities{}},
		ElicitationHandler: accept,
	})
	return c.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: server, HTTPClient: &http.Client{Transport: transport}}, nil)
}

// accept answers what a server elicits. The scenario of defaults sees whether they are filled in.
func accept(_ context.Context, r *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
	content := map[string]any{}
	if text, err := json.Marshal(r.Params.RequestedSchema); err == nil {
		var schema struct {
			Properties map[string]struct {
				Type string `json:"type"`
			} `json:"properties"`
			Required []string `json:"required"`
		}
		if json.Unmarshal(text, &schema) == nil {
			for _, name := range schema.Required {
				if schema.Properties[name].Type == "boolean" {
					content[name] = true
				}
			}
		}
	}
	return &mcp.ElicitResult{Action: "accept", Content: content}, nil
}

// browse is the person and the browser: the suite's authorization servers redirect at once.
func browse(ctx context.Context, address string) error {
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	there, err := get(ctx, browser, address)
	if err != nil {
		return err
	}
	back, err := there.Location()
	if err != nil {
		return fmt.Errorf("the authorization endpoint answered %s and no redirect", there.Status)
	}
	go func() { _, _ = get(ctx, browser, back.String()) }()
	return nil
}

func get(ctx context.Context, c *http.Client, address string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.Do(r)
	if err != nil {
		return nil, err
	}
	return resp, resp.Body.Close()
}
