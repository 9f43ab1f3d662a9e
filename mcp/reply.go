package mcp

import (
	"bytes"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Reply is what the record of a call needs of a JSON-RPC response.
type Reply struct {
	ID            string // as Operation.ID; empty: an error that answers no request
	Failed        bool   // a JSON-RPC error
	Code          int    // the error's code; zero if it has none
	ToolFailed    bool   // a tool's result with isError: the call took place and did not succeed
	InputRequired bool   // 2026-07-28: not the end of the operation; the client asks again with what is wanted
}

// Response reads one JSON-RPC message from a server. ok is false if it is no response: a notification, a request, a batch, or nothing
// readable. It is lenient, because an answer is passed on as it is; of members that stand twice the last counts.
func Response(data []byte) (r Reply, ok bool) {
	s := borrow(data, lenient()...)
	defer s.giveBack(len(data))
	if r, ok = response(&s.d); !ok {
		return Reply{}, false
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

func response(d *jsontext.Decoder) (r Reply, ok bool) {
	var result, failed bool
	ok = members(d, func(name jsontext.Value) bool {
		switch string(name) {
		case `"method"`:
			return false
		case `"id"`:
			id, err := d.ReadValue()
			r.ID = canonicalID(id)
			return err == nil
		case `"result"`:
			result = true
			return r.result(d)
		case `"error"`:
			failed = true
			return r.failure(d)
		}
		return d.SkipValue() == nil
	})
	r.Failed = failed
	return r, ok && result != failed && (failed || r.ID != "")
}

func (r *Reply) result(d *jsontext.Decoder) bool {
	if d.PeekKind() != '{' {
		return d.SkipValue() == nil
	}
	return members(d, func(name jsontext.Value) bool {
		switch string(name) {
		case `"isError"`:
			v, err := d.ReadValue()
			r.ToolFailed = v.Kind() == 't'
			return err == nil
		case `"resultType"`:
			v, err := d.ReadValue()
			r.InputRequired = string(v) == `"input_required"`
			return err == nil
		}
		return d.SkipValue() == nil
	})
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
