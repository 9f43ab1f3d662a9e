package mcp

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// The members of _meta that 2026-07-28 requires of every request.
const (
	metaRevision     = "io.modelcontextprotocol/protocolVersion"
	metaCapabilities = "io.modelcontextprotocol/clientCapabilities"
)

// params are the members of a request's params that some method is judged by; nil: absent.
type params struct {
	name, uri, taskID, arguments, initialize jsontext.Value
	refType, refName, refURI                 jsontext.Value
	revision, capabilities                   jsontext.Value // in _meta
}

// params reads the params member. Null is the same as none.
func (w *walker) params(p *part) *Error {
	switch w.d.PeekKind() {
	case 'n', 0:
		_, err := w.value()
		return err
	case '{':
	default:
		return refuse(400, InvalidRequest, "params must be an object")
	}
	if err := w.token(); err != nil {
		return err
	}
	start := w.d.InputOffset() - 1
	for w.d.PeekKind() != '}' {
		name, err := w.name("name", "arguments", "_meta", "uri", "taskId", "ref", "protocolVersion")
		if err != nil {
			return err
		}
		if err := w.param(&p.params, name); err != nil {
			return err
		}
	}
	if err := w.token(); err != nil {
		return err
	}
	end := w.d.InputOffset()
	p.Params = w.body[start:end:end]
	return nil
}

func (w *walker) param(p *params, name string) *Error {
	object := w.d.PeekKind() == '{'
	switch {
	case name == "_meta" && object:
		return w.object([]string{metaRevision, metaCapabilities}, []*jsontext.Value{&p.revision, &p.capabilities})
	case name == "ref" && object:
		return w.object([]string{"type", "name", "uri"}, []*jsontext.Value{&p.refType, &p.refName, &p.refURI})
	}
	value, err := w.value()
	switch name {
	case "name":
		p.name = value
	case "arguments":
		p.arguments = value
	case "uri":
		p.uri = value
	case "taskId":
		p.taskID = value
	case "protocolVersion":
		p.initialize = value
	}
	return err
}

// object reads an object and keeps the values of known names.
func (w *walker) object(known []string, values []*jsontext.Value) *Error {
	if err := w.token(); err != nil {
		return err
	}
	for w.d.PeekKind() != '}' {
		name, err := w.name(known...)
		if err != nil {
			return err
		}
		value, err := w.value()
		if err != nil {
			return err
		}
		for i, k := range known {
			if name == k {
				*values[i] = value
			}
		}
	}
	return w.token()
}

// requests are the methods that are requests. What is needed for them is found by their names.
var requests = []string{
	"initialize", "ping", "server/discover", "logging/setLevel", "completion/complete", "subscriptions/listen",
	"tools/list", "tools/call", "prompts/list", "prompts/get",
	"resources/list", "resources/templates/list", "resources/read", "resources/subscribe", "resources/unsubscribe",
	"tasks/list", "tasks/get", "tasks/result", "tasks/update", "tasks/cancel",
}

// spelt refuses a method that differs from a known one only by case: a server that ignores case would take it for that one.
func (p *part) spelt() *Error {
	if slices.Contains(requests, p.Method) {
		return nil
	}
	for _, known := range requests {
		if strings.EqualFold(p.Method, known) {
			return refuse(400, MethodNotFound, "the method %q differs from %q only by case", p.Method, known)
		}
	}
	return nil
}

// resolve finds what the operation is about, now that both method and params are known.
func (p *part) resolve() *Error {
	switch p.Method {
	case "tools/call":
		return p.target(ItemTool, "name", p.params.name)
	case "prompts/get":
		return p.target(ItemPrompt, "name", p.params.name)
	case "resources/read", "resources/subscribe", "resources/unsubscribe":
		return p.target(ItemResource, "uri", p.params.uri)
	case "tasks/get", "tasks/result", "tasks/update", "tasks/cancel":
		return p.target(ItemTask, "taskId", p.params.taskID)
	case "subscriptions/listen":
		return p.subscriptions()
	case "completion/complete":
		switch kind, _ := text(p.params.refType); kind {
		case "ref/prompt":
			return p.target(ItemPrompt, "ref.name", p.params.refName)
		case "ref/resource":
			return p.target(ItemResource, "ref.uri", p.params.refURI)
		}
		return refuse(400, InvalidParams, "ref.type must be ref/prompt or ref/resource")
	}
	return nil
}

func (p *part) target(about, member string, value jsontext.Value) *Error {
	name, ok := text(value)
	if !ok || name == "" {
		return refuse(400, InvalidParams, "params.%s must be a string and not empty", member)
	}
	p.about, p.Name = about, name
	if p.Method != "tools/call" && p.Method != "prompts/get" {
		return nil
	}
	switch p.params.arguments.Kind() {
	case '{':
		p.Args = p.params.arguments
	case 'n', 0:
	default:
		return refuse(400, InvalidParams, "params.arguments must be an object")
	}
	return nil
}
