package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// stdioServerMain is a command of scripts: an MCP server over stdio that tells what it was given.
func stdioServerMain() {
	fmt.Fprintln(os.Stderr, "the child says hello")
	s := mcp.NewServer(&mcp.Implementation{Name: "stdioserver", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "environment"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		return said(strings.Join(os.Environ(), "\n")), nil, nil
	})
	mcp.AddTool(s, &mcp.Tool{Name: "whoami"}, func(_ context.Context, r *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		assertion, _ := r.Params.Meta["io.github.doorward-mcp/caller"].(string)
		parts := strings.Split(assertion, ".")
		if len(parts) != 3 {
			return nil, nil, fmt.Errorf("no caller: %q", assertion)
		}
		claims, err := base64.RawURLEncoding.DecodeString(parts[1])
		return said(string(claims)), nil, err
	})
	badTools(s)
	if err := s.Run(context.Background(), &mcp.StdioTransport{}); err != nil {
		os.Exit(1)
	}
}

func said(text string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}
}
