package cedar

import (
	"testing"
	"time"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/doorward-mcp/doorward/mcp"
)

// MCP 2025-11-25, schema.ts, ToolAnnotations: what is not said is the worse, and of several definitions the worse counts.
func TestHints(t *testing.T) {
	const before, after = `{"name":"x","inputSchema":{"type":"object"},"annotations":`, `}`
	for _, c := range []struct {
		name        string
		annotations []string
		want        string
	}{
		{"nothing", []string{`{}`}, `{"destructive":true, "idempotent":false, "open_world":true, "read_only":false}`},
		{"reads only", []string{`{"readOnlyHint":true,"destructiveHint":true}`}, `{"destructive":false, "idempotent":false, "open_world":true, "read_only":true}`},
		{"everything good", []string{`{"readOnlyHint":false,"destructiveHint":false,"idempotentHint":true,"openWorldHint":false}`}, `{"destructive":false, "idempotent":true, "open_world":false, "read_only":false}`},
		{"one good, one bad", []string{`{"readOnlyHint":true,"idempotentHint":true,"openWorldHint":false}`, `{"title":"y"}`}, `{"destructive":true, "idempotent":false, "open_world":true, "read_only":false}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := NewDefinitions("crm")
			for _, a := range c.annotations {
				if _, err := d.Accept(mcp.ItemTool, jsontext.Value(before+a+after)); err != nil {
					t.Fatal(err)
				}
			}
			if got := types.NewRecord(d.items()[0].hints()).String(); got != c.want {
				t.Errorf("got %s", got)
			}
		})
	}
	if got := types.NewRecord((*accepted)(nil).hints()).String(); got != `{"destructive":true, "idempotent":false, "open_world":true, "read_only":false}` {
		t.Errorf("of what nobody accepted: %s", got)
	}
}

// MCP, Prompts: arguments are strings.
func TestPromptArguments(t *testing.T) {
	d := NewDefinitions("crm")
	if _, err := d.Accept(mcp.ItemPrompt, jsontext.Value(`{"name":"p","arguments":[{"name":"style","required":true},{"name":"text"}]}`)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ args, want string }{
		{`{"style":"x"}`, `{"style":"x"}`}, {`{"style":"x","text":"y","more":"z"}`, `{"style":"x", "text":"y"}`},
		{`{"text":"y"}`, "args.schema /style"}, {`{"style":1}`, "args.schema /style"}, {`{"style":"x","more":1}`, "args.schema /*"}, {`{"Style":"x","style":"y"}`, "args.schema "},
	} {
		if got := said(d.items()[0].read(mcp.Operation{Args: jsontext.Value(c.args)}, everything)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.args, got, c.want)
		}
	}
	if got := said((*accepted)(nil).read(mcp.Operation{Args: jsontext.Value(`{"x":1}`)}, everything)); got != `{}` {
		t.Errorf("of what nobody accepted: %s", got)
	}
}

// What the library is let do ends soon, whatever a caller sends.
func TestArgumentsThatAreSlow(t *testing.T) {
	a := tool(t, `{"type":"object","properties":{"f":{"$ref":"#/$defs/f"}},"$defs":{"f":{"anyOf":[{"required":["x"]},{"properties":{"and":{"$ref":"#/$defs/f"}},"required":["y"]},{"properties":{"and":{"$ref":"#/$defs/f"}},"required":["z"]}]}}}`)
	refused := map[string]bool{}
	for depth := range 60 {
		args := `{"f":`
		for range depth {
			args += `{"and":`
		}
		args += `{}`
		for range depth {
			args += `}`
		}
		start := time.Now()
		_, r := a.read(mcp.Operation{Args: jsontext.Value(args + `}`)}, nil)
		if took := time.Since(start); r == nil || took > 5*time.Second {
			t.Fatalf("depth %d: %v after %s", depth, r, took)
		}
		refused[r.code] = true
	}
	if !refused[refusedSchema] || !refused[refusedBounds] {
		t.Errorf("refused as %v", refused)
	}
}
