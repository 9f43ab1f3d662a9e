package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// bearer adds a token to every request.
type bearer string

// RoundTrip is an http.RoundTripper's.
func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

// What the demo has, seen through the gateway with the official SDK's client.
func TestTheDemoThroughTheGateway(t *testing.T) {
	s := protect(t)
	app, got := s.connect()
	c := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	session, err := c.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: s.ready.Resource, HTTPClient: &http.Client{Transport: bearer(got.Access)}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = session.Close() }()
	text := func(tool string, arguments map[string]any) (string, bool) {
		t.Helper()
		r, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: arguments})
		if err != nil || len(r.Content) == 0 {
			t.Fatalf("%s: %v", tool, err)
		}
		return r.Content[0].(*mcp.TextContent).Text, r.IsError
	}
	tools, err := session.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tool := range tools.Tools {
		names = append(names, tool.Name)
		if tool.Name == "delete_user" && (tool.Annotations == nil || tool.Annotations.DestructiveHint == nil || !*tool.Annotations.DestructiveHint) {
			t.Error("delete_user is not annotated destructive")
		}
	}
	if slices.Sort(names); !slices.Equal(names, []string{"add", "delete_user", "slow", "whoami"}) {
		t.Errorf("tools %v", names)
	}
	if who, _ := text("whoami", nil); !strings.Contains(who, "client_id: "+app.ID) || !strings.Contains(who, "subject: "+payload(t, got.Access)["sub"].(string)) || !strings.Contains(who, "issuer: "+s.ready.Issuer) {
		t.Errorf("whoami: %s", who)
	}
	if sum, _ := text("add", map[string]any{"a": 1, "b": 2}); sum != "3" {
		t.Errorf("add: %s", sum)
	}
	for n, failed := range []bool{false, true} {
		if said, isError := text("delete_user", map[string]any{"id": "ada"}); isError != failed {
			t.Errorf("delete_user, time %d: %s", n+1, said)
		}
	}
	resources, err := session.ListResources(t.Context(), nil)
	if err != nil || len(resources.Resources) != 2 {
		t.Fatalf("%v, %v", resources, err)
	}
	for _, r := range resources.Resources {
		read, err := session.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: r.URI})
		if err != nil || len(read.Contents) != 1 || read.Contents[0].Text == "" || strings.Contains(read.Contents[0].Text, "Lovelace") {
			t.Errorf("%s: %v, %v", r.URI, read, err)
		}
	}
	prompts, err := session.ListPrompts(t.Context(), nil)
	if err != nil || len(prompts.Prompts) != 1 {
		t.Fatalf("%v, %v", prompts, err)
	}
	if p, err := session.GetPrompt(t.Context(), &mcp.GetPromptParams{Name: prompts.Prompts[0].Name}); err != nil || len(p.Messages) != 1 {
		t.Errorf("%v, %v", p, err)
	}
}
