package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

type callCmd struct {
	remote
	Tool      string   `arg:"" help:"Name of the tool."`
	Arguments []string `arg:"" optional:"" placeholder:"NAME=VALUE" help:"Arguments. The tool's own schema says whether 1 is a number or a text."`
	JSON      string   `placeholder:"OBJECT" help:"All arguments as one JSON object; - reads it from standard input."`
}

// Run calls the tool and prints its result. It is an error when the tool says that it failed.
func (c *callCmd) Run(ctx context.Context, s streams) (err error) {
	if c.JSON != "" && len(c.Arguments) > 0 {
		return usage("give the arguments as NAME=VALUE or with --json, not both")
	}
	raw, err := c.rawArguments(s.in)
	if err != nil {
		return err
	}
	session, err := c.connect(ctx, s)
	if err != nil {
		return err
	}
	defer func() { _ = session.Close() }()
	var arguments any = raw
	if raw == nil {
		if arguments, err = c.typedArguments(ctx, session); err != nil {
			return err
		}
	}
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: c.Tool, Arguments: arguments})
	if err != nil {
		return c.explain(err)
	}
	if err := printResult(s, result); err != nil {
		return err
	}
	if result.IsError {
		return failed{exitNo, fmt.Errorf("the tool %s failed", c.Tool)}
	}
	return nil
}

// rawArguments are those of --json, nil if it was not given.
func (c *callCmd) rawArguments(in io.Reader) (json.RawMessage, error) {
	text := []byte(c.JSON)
	if c.JSON == "-" {
		var err error
		if text, err = io.ReadAll(io.LimitReader(in, 16<<20)); err != nil {
			return nil, usage("reading the arguments: %w", err)
		}
	}
	if len(text) == 0 {
		return nil, nil
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil || object == nil {
		return nil, usage("the arguments are not a JSON object")
	}
	return text, nil
}

// typedArguments gives NAME=VALUE the types of the tool's input schema.
func (c *callCmd) typedArguments(ctx context.Context, session *mcp.ClientSession) (map[string]any, error) {
	arguments := map[string]any{}
	if len(c.Arguments) == 0 {
		return arguments, nil
	}
	types, err := c.types(ctx, session)
	if err != nil {
		return nil, err
	}
	for _, a := range c.Arguments {
		name, value, ok := strings.Cut(a, "=")
		if !ok || name == "" {
			return nil, usage("the argument %q is not NAME=VALUE", a)
		}
		if _, ok := arguments[name]; ok {
			return nil, usage("the argument %q is given twice", name)
		}
		arguments[name] = typed(value, types[name])
	}
	return arguments, nil
}

// types are the JSON types that the tool's schema names for its arguments.
func (c *callCmd) types(ctx context.Context, session *mcp.ClientSession) (map[string][]string, error) {
	for tool, err := range session.Tools(ctx, nil) {
		if err != nil {
			return nil, c.explain(err)
		}
		if tool.Name == c.Tool {
			return schemaTypes(tool.InputSchema)
		}
	}
	return nil, failed{exitNo, fmt.Errorf("the server has no tool %s: doorward tools %s lists what it has", c.Tool, shellWord(c.URL))}
}

func schemaTypes(schema any) (map[string][]string, error) {
	b, err := json.Marshal(schema)
	if err != nil {
		return nil, err
	}
	var s struct {
		Properties map[string]struct {
			Type any `json:"type"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, nil // a schema of another shape: values are taken as they look
	}
	types := map[string][]string{}
	for name, p := range s.Properties {
		switch t := p.Type.(type) {
		case string:
			types[name] = []string{t}
		case []any:
			for _, one := range t {
				types[name] = append(types[name], fmt.Sprint(one))
			}
		}
	}
	return types, nil
}

// typed is a value as the schema wants it: a text where only a text will do, else JSON if it is JSON.
func typed(value string, types []string) any {
	if slices.Contains(types, "string") && len(types) == 1 || !json.Valid([]byte(value)) {
		return value
	}
	return json.RawMessage(value)
}

// printResult prints a result as text, or as it came.
func printResult(s streams, r *mcp.CallToolResult) error {
	if s.json {
		return printJSON(s.out, r)
	}
	for _, c := range r.Content {
		text := ""
		switch c := c.(type) {
		case *mcp.TextContent:
			text = c.Text
		case *mcp.ImageContent:
			text = fmt.Sprintf("[image, %s, %d bytes]", c.MIMEType, len(c.Data))
		case *mcp.AudioContent:
			text = fmt.Sprintf("[audio, %s, %d bytes]", c.MIMEType, len(c.Data))
		case *mcp.ResourceLink:
			text = fmt.Sprintf("[resource %s]", c.URI)
		case *mcp.EmbeddedResource:
			text = fmt.Sprintf("[resource %s]\n%s", c.Resource.URI, c.Resource.Text)
		}
		if _, err := fmt.Fprintln(s.out, text); err != nil {
			return err
		}
	}
	return nil
}
