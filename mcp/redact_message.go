package mcp

import (
	"bytes"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// Redactions say what is taken out of what a server sends.
type Redactions struct {
	Answer func(id string) (r *Redaction, known bool) // of the answer to a request, by its Operation.ID; nil: nothing. Of one that is not known nothing is passed
	Task   func(id string) *Redaction                 // of what is told of a task
	Words  bool                                       // what the server says besides answers may repeat what is taken out of them
	Modern bool                                       // answers must have cacheScope (2026-07-28)
}

// Redact is a message of a server, or a batch, without what is not for the client. Of an answer from which something is taken out only
// what is known is left: structured content, and text that is JSON, less the values; the words, blobs and pictures of a server are
// withheld, for nobody knows what they repeat. So is what it says in notifications and requests, if by.Words. Nothing of data is passed
// on if the error is not nil, or if nothing is returned.
func Redact(data []byte, by Redactions) ([]byte, error) {
	if tooDeep(data) {
		return nil, fmt.Errorf("redacting: %w", errRedact)
	}
	trimmed := bytes.TrimSpace(data)
	if len(trimmed) == 0 || trimmed[0] != '[' {
		out, err := by.message(data)
		if err != nil {
			return nil, fmt.Errorf("redacting: %w", err)
		}
		return out, nil
	}
	all, ok := elements(trimmed)
	if !ok {
		return nil, fmt.Errorf("redacting: %w", errRedact)
	}
	out := []byte("[")
	for _, one := range all {
		one, err := by.message(one)
		if err != nil {
			return nil, fmt.Errorf("redacting: %w", err)
		}
		out = comma(out, one)
	}
	if len(out) == 1 {
		return nil, nil
	}
	return append(out, ']'), nil
}

// message is one message; nothing: it is not passed on.
func (by Redactions) message(data []byte) ([]byte, error) {
	m, ok := fields(data)
	if !ok {
		return nil, errRedact
	}
	has := func(name string) bool { return m[name] != nil && m[name].Kind() != 'n' }
	answers := has("result") || has("error")
	switch {
	case m["method"] != nil && answers, has("result") && has("error"):
		return nil, errListBoth
	case m["method"] != nil:
		return by.words(data, m)
	case m["result"] == nil && m["error"] == nil:
		return nil, errListNone
	}
	id := canonicalID(m["id"])
	r, known := by.Answer(id)
	if id == "" { // an error that answers no request
		r, known = nil, true
		if by.Words {
			r = everything()
		}
	}
	if !known {
		return nil, errListNone
	}
	if r == nil {
		return data, nil
	}
	out := newObject(m, "jsonrpc", "id")
	if has("error") {
		out.add("error", failure(m["error"]))
		return out.end(), nil
	}
	result, err := by.result(r, m["result"])
	if err != nil {
		return nil, err
	}
	out.add("result", result)
	return out.end(), nil
}

// failure is an error without its data. What a server says of a failure is kept: whoever calls must know what was wrong.
func failure(v jsontext.Value) []byte {
	m, _ := fields(v)
	out := newObject(nil)
	if code := m["code"]; code.Kind() == '0' {
		out.add("code", code)
	}
	if message := m["message"]; message.Kind() == '"' {
		out.add("message", message)
	}
	return out.end()
}

// plain are the members of results, tasks and server's requests that say nothing of the content.
var plain = []string{"resultType", "isError", "ttlMs", "ttl", "pollInterval", "pollIntervalMs", "taskId", "status", "createdAt", "lastUpdatedAt", "requestState"}

// result is a result, or a task, of which r is taken out. A member that is not known is left out.
func (by Redactions) result(r *Redaction, v jsontext.Value) ([]byte, error) {
	if v.Kind() == 'n' {
		return v, nil
	}
	m, ok := fields(v)
	if !ok {
		return nil, errRedact
	}
	out := newObject(m, plain...)
	for _, name := range []string{"description", "statusMessage"} {
		if m[name] != nil {
			out.add(name, []byte(withheld))
		}
	}
	if m["cacheScope"] != nil || by.Modern {
		out.add("cacheScope", []byte(`"private"`))
	}
	if m["completion"] != nil {
		out.add("completion", []byte(`{"values":[]}`))
	}
	if e := m["error"]; e != nil {
		out.add("error", failure(e))
	}
	if meta := kept(m["_meta"]); meta != nil {
		out.add("_meta", meta)
	}
	for _, part := range []struct {
		name string
		read func(*Redaction, jsontext.Value) ([]byte, error)
	}{{"structuredContent", structured}, {"content", list(block)}, {"contents", list(contents)}, {"messages", list(spoken)}, {"task", by.result}, {"result", by.result}, {"inputRequests", by.asks}} {
		given := m[part.name]
		if given == nil || given.Kind() == 'n' {
			continue
		}
		one, err := part.read(r, given)
		if err != nil {
			return nil, err
		}
		if one != nil {
			out.add(part.name, one)
		}
	}
	return out.end(), nil
}

// kept is what is left of _meta: what a message belongs to.
func kept(v jsontext.Value) []byte {
	m, _ := fields(v)
	out := newObject(m, "io.modelcontextprotocol/subscriptionId", "progressToken")
	if task, ok := fields(m["io.modelcontextprotocol/related-task"]); ok {
		out.add("io.modelcontextprotocol/related-task", newObject(task, "taskId").end())
	}
	if out.empty() {
		return nil
	}
	return out.end()
}

// fields are the members of an object, each a part of v. Two of one name are none.
func fields(v []byte) (map[string]jsontext.Value, bool) {
	if k := jsontext.Value(v).Kind(); k != '{' {
		return nil, false
	}
	all := map[string]jsontext.Value{}
	d := jsontext.NewDecoder(bytes.NewReader(v))
	ok := members(d, func(raw jsontext.Value) bool {
		name, ok := text(raw)
		one, err := d.ReadValue()
		end := int(d.InputOffset())
		if ok && err == nil {
			all[name] = v[end-len(one) : end : end]
		}
		return ok && err == nil
	})
	_, err := d.ReadToken()
	return all, ok && err == io.EOF
}

// elements are those of an array, each a part of v.
func elements(v []byte) (all []jsontext.Value, ok bool) {
	d := jsontext.NewDecoder(bytes.NewReader(v))
	if d.PeekKind() != '[' {
		return nil, false
	}
	_, _ = d.ReadToken()
	for d.PeekKind() != ']' {
		one, err := d.ReadValue()
		if err != nil {
			return nil, false
		}
		end := int(d.InputOffset())
		all = append(all, v[end-len(one):end:end])
	}
	_, _ = d.ReadToken()
	_, err := d.ReadToken()
	return all, err == io.EOF
}
