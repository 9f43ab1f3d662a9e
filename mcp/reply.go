package mcp

import (
	"bytes"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Reply is what the record of a call needs of a JSON-RPC response.
type Reply struct {
	ID            string // as Operation.ID; empty: an error that answers no request
	Failed        bool   // a JSON-RPC error
	Code          int    // the error's code; zero if it has none
	ToolFailed    bool   // a tool's result with isError: the call took place and did not succeed
	InputRequired bool   // 2026-07-28: not the end of the operation; the client asks again with what is wanted
	Task          string // the id of a task that the server has made of the request; empty: none
	Lists         bool   // a list may stand in it, or what it is cannot be read: it is for ReadListing. Also where there is no response
}

// Response reads one JSON-RPC message from a server. ok is false if it is no response: a notification, a request, a batch, or nothing
// readable. It is lenient, because an answer is passed on as it is; of members that stand twice the last counts. If it is no response,
// only Lists says something.
func Response(data []byte) (r Reply, ok bool) {
	s := borrow(data, lenient()...)
	defer s.giveBack(len(data))
	r, readable, ok := response(&s.d)
	if _, err := s.d.ReadToken(); !readable || err != io.EOF {
		ok, r.Lists = ok && readable, r.Lists || bytes.IndexByte(data, '{') >= 0 || bytes.IndexByte(data, '[') >= 0
	}
	if !ok {
		return Reply{Lists: r.Lists}, false
	}
	return r, true
}

// Responses reads what Response reads, and a batch of them (2025-03-26), from which it leaves out what is no response.
func Responses(data []byte) []Reply {
	if first := bytes.TrimLeft(data, " \t\r\n"); len(first) == 0 || first[0] != '[' {
		if r, ok := Response(data); ok {
			return []Reply{r}
		}
		return nil
	}
	s := borrow(data, lenient()...)
	defer s.giveBack(len(data))
	if _, err := s.d.ReadToken(); err != nil {
		return nil
	}
	var all []Reply
	for kind := s.d.PeekKind(); kind != ']' && kind != 0; kind = s.d.PeekKind() {
		one, err := s.d.ReadValue()
		if err != nil {
			return all
		}
		if r, ok := Response(one); ok {
			all = append(all, r)
		}
	}
	return all
}

func lenient() []jsontext.Options {
	return []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}
}

// response reads one message. It is readable if it is an object to its end, and ok if that is a response.
func response(d *jsontext.Decoder) (r Reply, readable, ok bool) {
	var result, empty, failed, request bool
	readable = members(d, func(name jsontext.Value) bool {
		switch string(name) {
		case `"id"`:
			id, err := d.ReadValue()
			r.ID = canonicalID(id)
			return err == nil
		case `"method"`:
			request = true
		case `"error"`:
			failed = failed || d.PeekKind() != 'n' // JSON-RPC 1.0 §1.2 has both, one of them null, and some servers still do
			return r.failure(d)
		case `"result"`:
			empty = empty || d.PeekKind() == 'n'
			result = result || d.PeekKind() != 'n'
			return r.result(d)
		default:
			if folds(name, "result") && d.PeekKind() == '{' {
				r.Lists = true
			}
		}
		return d.SkipValue() == nil
	})
	r.Failed = failed
	one := result != failed || !result && empty
	return r, readable, readable && !request && one && (failed || r.ID != "")
}

func (r *Reply) result(d *jsontext.Decoder) bool {
	if d.PeekKind() != '{' {
		return d.SkipValue() == nil
	}
	var isTask bool
	var id string
	ok := members(d, func(name jsontext.Value) bool {
		switch string(name) {
		case `"isError"`:
			v, err := d.ReadValue()
			r.ToolFailed = v.Kind() == 't'
			return err == nil
		case `"resultType"`:
			v, err := d.ReadValue()
			r.InputRequired, isTask = string(v) == `"input_required"`, string(v) == `"task"`
			return err == nil
		case `"taskId"`:
			v, err := d.ReadValue()
			id, _ = text(v)
			return err == nil
		case `"task"`:
			return r.task(d)
		}
		r.Lists = r.Lists || isList(name) && d.PeekKind() == '['
		return d.SkipValue() == nil
	})
	if isTask && r.Task == "" { // the tasks extension of 2026-07-28: the result is the task
		r.Task = id
	}
	return ok
}

// task reads the task that stands in a result: MCP 2025-11-25, Tasks, CreateTaskResult.
func (r *Reply) task(d *jsontext.Decoder) bool {
	if d.PeekKind() != '{' {
		return d.SkipValue() == nil
	}
	return members(d, func(name jsontext.Value) bool {
		if string(name) != `"taskId"` {
			return d.SkipValue() == nil
		}
		v, err := d.ReadValue()
		r.Task, _ = text(v)
		return err == nil
	})
}

// isList reports whether a name is one that lists have, or only looks like it.
func isList(name jsontext.Value) bool {
	if len(name) < 3 {
		return false
	}
	switch name[1] { // no character but these two and an escape is such a first letter in any case
	case 't', 'T', 'p', 'P', 'r', 'R', '\\':
	default:
		return false
	}
	for _, l := range lists {
		if folds(name, l.member) {
			return true
		}
	}
	return false
}

// folds reports whether a name in quotes is another but for case.
func folds(name jsontext.Value, other string) bool {
	if bytes.IndexByte(name, '\\') < 0 {
		return strings.EqualFold(string(name[1:len(name)-1]), other)
	}
	s, _ := text(name)
	return strings.EqualFold(s, other)
}

func (r *Reply) failure(d *jsontext.Decoder) bool {
	if d.PeekKind() != '{' {
		return d.SkipValue() == nil
	}
	return members(d, func(name jsontext.Value) bool {
		if string(name) != `"code"` {
			return d.SkipValue() == nil
		}
		v, err := d.ReadValue()
		r.Code, _ = strconv.Atoi(string(v))
		return err == nil
	})
}

// members walks an object. each reads the value of a name, which is in quotes, and says whether to go on.
func members(d *jsontext.Decoder, each func(name jsontext.Value) bool) bool {
	if d.PeekKind() != '{' {
		return false
	}
	if _, err := d.ReadToken(); err != nil {
		return false
	}
	for d.PeekKind() != '}' {
		name, err := d.ReadValue()
		if err != nil || !each(name) {
			return false
		}
	}
	_, err := d.ReadToken()
	return err == nil
}
