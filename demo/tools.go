package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

type addends struct {
	A float64 `json:"a"`
	B float64 `json:"b"`
}

type sum struct {
	Sum float64 `json:"sum"`
}

func addTool() *mcp.Tool {
	return &mcp.Tool{
		Name:        "add",
		Title:       "Add",
		Description: "Adds two numbers.",
		InputSchema: json.RawMessage(`{"type":"object","properties":{
			"a":{"type":"number","description":"The first number."},
			"b":{"type":"number","description":"The second number."}},
			"required":["a","b"],"additionalProperties":false}`),
		Annotations: &mcp.ToolAnnotations{ReadOnlyHint: true, OpenWorldHint: no()},
	}
}

func add(_ context.Context, _ *mcp.CallToolRequest, in addends) (*mcp.CallToolResult, sum, error) {
	out := sum{in.A + in.B}
	text := strconv.FormatFloat(out.Sum, 'g', -1, 64)
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, out, nil
}

type pace struct {
	Steps int `json:"steps"`
	Delay int `json:"delay_ms"`
}

// slowTool bounds what one call can keep busy to 100 steps of 5 s.
func slowTool() *mcp.Tool {
	return &mcp.Tool{
		Name:        "slow",
		Title:       "Slow",
		Description: "Takes its time and reports progress after each step, if the call has a progress token. It can be cancelled.",
		InputSchema: json.RawMessage(`{"type":"object","properties":{
			"steps":{"type":"integer","minimum":1,"maximum":100,"default":5,"description":"How many steps to take."},
			"delay_ms":{"type":"integer","minimum":0,"maximum":5000,"default":200,"description":"How long each step takes, in milliseconds."}},
			"additionalProperties":false}`),
		Annotations: &mcp.ToolAnnotations{ReadOnlyHint: true, OpenWorldHint: no()},
	}
}

func slow(ctx context.Context, r *mcp.CallToolRequest, in pace) (*mcp.CallToolResult, any, error) {
	token := r.Params.GetProgressToken()
	for step := 1; step <= in.Steps; step++ {
		if err := wait(ctx, time.Duration(in.Delay)*time.Millisecond); err != nil {
			return nil, nil, fmt.Errorf("cancelled before step %d of %d: %w", step, in.Steps, err)
		}
		if token == nil {
			continue
		}
		err := r.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
			ProgressToken: token, Progress: float64(step), Total: float64(in.Steps), Message: fmt.Sprintf("step %d of %d", step, in.Steps),
		})
		if err != nil {
			return nil, nil, fmt.Errorf("reporting step %d: %w", step, err)
		}
	}
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprintf("done after %d steps", in.Steps)}}}, nil, nil
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
