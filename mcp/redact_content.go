package mcp

import (
	"maps"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// structured is structuredContent; nothing: it is left out. A value that is neither object nor array has no members to take out,
// and may be what others name.
func structured(r *Redaction, v jsontext.Value) ([]byte, error) {
	if r.root.here || v.Kind() != '{' && v.Kind() != '[' {
		return nil, nil
	}
	return r.apply(v)
}

// list is every element of an array; an object alone counts as itself.
func list(one func(*Redaction, jsontext.Value) ([]byte, error)) func(*Redaction, jsontext.Value) ([]byte, error) {
	return func(r *Redaction, v jsontext.Value) ([]byte, error) {
		if v.Kind() == '{' {
			return one(r, v)
		}
		all, ok := elements(v)
		if !ok {
			return nil, errRedact
		}
		out := []byte("[")
		for _, v := range all {
			part, err := one(r, v)
			if err != nil {
				return nil, err
			}
			out = comma(out, part)
		}
		return append(out, ']'), nil
	}
}

const withheldBlock = `{"type":"text","text":` + withheld + `}`

// block is a block of content. MCP 2025-11-25, Tools, Tool Result.
func block(r *Redaction, v jsontext.Value) ([]byte, error) {
	m, ok := fields(v)
	if !ok {
		return nil, errRedact
	}
	kind, _ := text(m["type"])
	switch kind {
	case "text":
		if said, ok := r.words(m["text"]); ok {
			out := newObject(m, "type")
			out.add("text", said)
			return out.end(), nil
		}
	case "resource":
		if inner, ok := r.embedded(m["resource"]); ok {
			out := newObject(m, "type")
			out.add("resource", inner)
			return out.end(), nil
		}
	case "resource_link": // an address, which is read by a call of its own
		return newObject(m, "type", "uri", "name", "title", "mimeType", "size").end(), nil
	}
	return []byte(withheldBlock), nil
}

// words is a text that is a JSON object or array, without the values; false: it is none, so that nobody knows what it repeats.
func (r *Redaction) words(v jsontext.Value) ([]byte, bool) {
	said, ok := text(v)
	if !ok || r.root.here {
		return nil, false
	}
	if kind := jsontext.Value(said).Kind(); kind != '{' && kind != '[' {
		return nil, false
	}
	out, err := r.apply([]byte(said))
	if err != nil {
		return nil, false
	}
	quoted, err := jsontext.AppendQuote(nil, out)
	return quoted, err == nil
}

// embedded is a resource with its text.
func (r *Redaction) embedded(v jsontext.Value) ([]byte, bool) {
	m, ok := fields(v)
	if !ok {
		return nil, false
	}
	said, ok := r.words(m["text"])
	if !ok || m["uri"].Kind() != '"' {
		return nil, false
	}
	out := newObject(m, "uri", "mimeType")
	out.add("text", said)
	return out.end(), true
}

// contents is one of the contents of a resource that was read.
func contents(r *Redaction, v jsontext.Value) ([]byte, error) {
	if out, ok := r.embedded(v); ok {
		return out, nil
	}
	m, ok := fields(v)
	if !ok {
		return nil, errRedact
	}
	out := newObject(m, "uri")
	out.add("mimeType", []byte(`"text/plain"`))
	out.add("text", []byte(withheld))
	return out.end(), nil
}

// spoken is a message of a prompt.
func spoken(r *Redaction, v jsontext.Value) ([]byte, error) {
	m, ok := fields(v)
	if !ok || m["content"] == nil {
		return nil, errRedact
	}
	content, err := list(block)(r, m["content"])
	if err != nil {
		return nil, err
	}
	out := newObject(m, "role")
	out.add("content", content)
	return out.end(), nil
}

// quiet are notifications and requests of a server that say nothing of what it does for anybody.
var quiet = []string{"ping", "roots/list", "notifications/tools/list_changed", "notifications/prompts/list_changed", "notifications/resources/list_changed",
	"notifications/resources/updated", "notifications/subscriptions/acknowledged", "notifications/elicitation/complete"}

// words is a notification or request of a server; nothing: it is not passed on.
func (by Redactions) words(data []byte, m map[string]jsontext.Value) ([]byte, error) {
	method, _ := text(m["method"])
	params, _ := fields(m["params"])
	if method == "notifications/tasks" || method == "notifications/tasks/status" {
		id, _ := text(params["taskId"])
		r := by.Task(id)
		if r == nil && by.Words {
			r = everything()
		}
		if r == nil {
			return data, nil
		}
		told, err := Redactions{}.result(r, m["params"])
		return said(m, told), err
	}
	if !by.Words || slices.Contains(quiet, method) {
		return data, nil
	}
	told := asked(method, params)
	if told == nil {
		return nil, nil
	}
	return said(m, told), nil
}

func said(m map[string]jsontext.Value, params []byte) []byte {
	out := newObject(m, "jsonrpc", "id", "method")
	out.add("params", params)
	return out.end()
}

// asked is what is left of the params of a notification or request; nothing: it is not known what they may say.
func asked(method string, params map[string]jsontext.Value) []byte {
	var out *object
	hide := func(names ...string) {
		for _, name := range names {
			if params[name] != nil {
				out.add(name, []byte(withheld))
			}
		}
	}
	switch method {
	case "notifications/progress":
		out = newObject(params, "progressToken", "progress", "total")
		hide("message")
	case "notifications/message":
		out = newObject(params, "level", "logger")
		hide("data")
	case "notifications/cancelled":
		out = newObject(params, "requestId")
		hide("reason")
	case "elicitation/create":
		out = newObject(params, "mode", "url", "elicitationId")
		if params["requestedSchema"] != nil {
			out.add("requestedSchema", params["requestedSchema"]) // what the person fills in
		}
		hide("message")
	case "sampling/createMessage":
		out = newObject(params, "maxTokens", "temperature", "includeContext")
		hide("systemPrompt")
		messages, err := list(spoken)(everything(), params["messages"])
		if err != nil {
			return nil
		}
		out.add("messages", messages)
	default:
		return nil
	}
	if meta := kept(params["_meta"]); meta != nil {
		out.add("_meta", meta)
	}
	return out.end()
}

// asks are the requests of an answer that is not finished. MCP 2026-07-28, Multi Round-Trip Requests.
func (by Redactions) asks(_ *Redaction, v jsontext.Value) ([]byte, error) {
	all, ok := fields(v)
	if !ok {
		return nil, errRedact
	}
	out := newObject(nil)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		m, ok := fields(all[name])
		if !ok {
			return nil, errRedact
		}
		one, err := Redactions{Words: true, Task: func(string) *Redaction { return nil }}.words(all[name], m)
		if err != nil || one == nil { // without one of them the client cannot go on
			return nil, errRedact
		}
		out.add(name, one)
	}
	return out.end(), nil
}

// object is an object that is being written.
type object struct{ out []byte }

// newObject begins with those of the members of from that are named, as they are, but for objects and arrays.
func newObject(from map[string]jsontext.Value, names ...string) *object {
	o := &object{[]byte("{")}
	for _, name := range names {
		if k := from[name].Kind(); from[name] != nil && k != '{' && k != '[' {
			o.add(name, from[name])
		}
	}
	return o
}

func (o *object) add(name string, value []byte) {
	if !o.empty() {
		o.out = append(o.out, ',')
	}
	quoted, err := jsontext.AppendQuote(o.out, name)
	if err != nil {
		panic("mcp: a name that was read as JSON cannot fail to be quoted: " + err.Error())
	}
	o.out = append(append(quoted, ':'), value...)
}

func (o *object) empty() bool { return len(o.out) == 1 }

func (o *object) end() []byte { return append(o.out, '}') }

// comma adds an element to an array that is being written; nothing is none.
func comma(out, one []byte) []byte {
	if len(one) == 0 {
		return out
	}
	if len(out) > 1 {
		out = append(out, ',')
	}
	return append(out, one...)
}
