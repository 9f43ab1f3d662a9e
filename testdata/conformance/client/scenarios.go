package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// play makes the calls that a scenario watches for. Scenarios of authorization list the tools and call the first one:
// what they judge happens below.
func play(ctx context.Context, s *mcp.ClientSession, scenario string, g given) error {
	switch {
	case scenario == "tools_call":
		return call(ctx, s, "add_numbers", map[string]any{"a": 5, "b": 3})
	case scenario == "elicitation-sep1034-client-defaults":
		return call(ctx, s, "test_client_elicitation_defaults", nil)
	case scenario == "sse-retry":
		return call(ctx, s, "test_reconnection", nil)
	case scenario == "sep-2322-client-request-state":
		return several(ctx, s, "test_mrtr_echo_state", "test_mrtr_no_state", "test_mrtr_unrelated", "test_mrtr_no_result_type")
	case scenario == "http-standard-headers":
		return everything(ctx, s)
	case scenario == "http-custom-headers":
		return asGiven(ctx, s, g)
	case scenario == "http-invalid-tool-headers":
		return eachTool(ctx, s, map[string]any{"region": "us-west1"})
	case scenario == "json-schema-2020-12-preservation":
		return echoSchema(ctx, s)
	case strings.HasPrefix(scenario, "auth/"):
		return call(ctx, s, "test-tool", nil)
	}
	_, err := s.ListTools(ctx, nil)
	return err
}

// call lists the tools, as clients do before they call one, and calls name.
func call(ctx context.Context, s *mcp.ClientSession, name string, arguments map[string]any) error {
	if _, err := s.ListTools(ctx, nil); err != nil {
		return fmt.Errorf("listing tools: %w", err)
	}
	if _, err := s.CallTool(ctx, &mcp.CallToolParams{Name: name, Arguments: orEmpty(arguments)}); err != nil {
		return fmt.Errorf("calling %s: %w", name, err)
	}
	return nil
}

func orEmpty(arguments map[string]any) map[string]any {
	if arguments == nil {
		return map[string]any{}
	}
	return arguments
}

// attempt makes a call whose failure the scenario allows, and says it.
func attempt(ctx context.Context, s *mcp.ClientSession, name string, arguments map[string]any) {
	if _, err := s.CallTool(ctx, &mcp.CallToolParams{Name: name, Arguments: orEmpty(arguments)}); err != nil {
		fmt.Fprintln(os.Stderr, "calling", name+":", err)
	}
}

func several(ctx context.Context, s *mcp.ClientSession, names ...string) error {
	for _, name := range names {
		attempt(ctx, s, name, nil)
	}
	return nil
}

func eachTool(ctx context.Context, s *mcp.ClientSession, arguments map[string]any) error {
	tools, err := s.ListTools(ctx, nil)
	if err != nil {
		return fmt.Errorf("listing tools: %w", err)
	}
	for _, tool := range tools.Tools {
		attempt(ctx, s, tool.Name, arguments)
	}
	return nil
}

func asGiven(ctx context.Context, s *mcp.ClientSession, g given) error {
	if _, err := s.ListTools(ctx, nil); err != nil {
		return fmt.Errorf("listing tools: %w", err)
	}
	for _, c := range g.ToolCalls {
		attempt(ctx, s, c.Name, c.Arguments)
	}
	return nil
}

// everything uses a tool, a resource and a prompt once each.
func everything(ctx context.Context, s *mcp.ClientSession) error {
	if tools, err := s.ListTools(ctx, nil); err == nil && len(tools.Tools) > 0 {
		attempt(ctx, s, tools.Tools[0].Name, nil)
	}
	if resources, err := s.ListResources(ctx, nil); err == nil && len(resources.Resources) > 0 {
		if _, err := s.ReadResource(ctx, &mcp.ReadResourceParams{URI: resources.Resources[0].URI}); err != nil {
			return fmt.Errorf("reading a resource: %w", err)
		}
	}
	if prompts, err := s.ListPrompts(ctx, nil); err == nil && len(prompts.Prompts) > 0 {
		if _, err := s.GetPrompt(ctx, &mcp.GetPromptParams{Name: prompts.Prompts[0].Name}); err != nil {
			return fmt.Errorf("getting a prompt: %w", err)
		}
	}
	return nil
}

// echoSchema sends a tool's schema back as it arrived.
func echoSchema(ctx context.Context, s *mcp.ClientSession) error {
	tools, err := s.ListTools(ctx, nil)
	if err != nil {
		return fmt.Errorf("listing tools: %w", err)
	}
	for _, tool := range tools.Tools {
		if tool.Name == "json_schema_2020_12_tool" {
			_, err := s.CallTool(ctx, &mcp.CallToolParams{Name: "json_schema_echo", Arguments: map[string]any{"schema": tool.InputSchema}})
			return err
		}
	}
	return fmt.Errorf("the tool whose schema is watched is not listed")
}
