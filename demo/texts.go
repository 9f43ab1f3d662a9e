package demo

import (
	"context"
	"fmt"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const welcome = `This is the demo server of Doorward.

It has no login of its own: every request that reaches it was let through by the gateway before it, which told it who calls.
Call whoami to see what it was told.
`

func addWelcome(s *mcp.Server) {
	r := &mcp.Resource{URI: "demo://welcome", Name: "welcome", Title: "Welcome", Description: "What this server is.", MIMEType: "text/plain"}
	s.AddResource(r, func(context.Context, *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
		return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: r.URI, MIMEType: r.MIMEType, Text: welcome}}}, nil
	})
}

func addPrompt(s *mcp.Server) {
	s.AddPrompt(&mcp.Prompt{
		Name:        "introduce",
		Title:       "Introduce the caller",
		Description: "Asks the model to find out who is calling and to greet them.",
		Arguments:   []*mcp.PromptArgument{{Name: "language", Description: "The language of the greeting; English if left out."}},
	}, func(_ context.Context, r *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		language := r.Params.Arguments["language"]
		if language == "" {
			language = "English"
		}
		text := fmt.Sprintf("Call the tool whoami, then greet the caller by subject in %s.", language)
		return &mcp.GetPromptResult{Messages: []*mcp.PromptMessage{{Role: "user", Content: &mcp.TextContent{Text: text}}}}, nil
	})
}
