package mcp

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxDepth = 100 // of nested arrays and objects
	maxBatch = 100 // messages in one body
)

// walker reads a body once, from front to end.
type walker struct {
	*scratch
	body  []byte
	batch bool
}

// part is one message of a body and what its checks need besides the Operation.
type part struct {
	Operation
	jsonrpc, hasID, hasResult, hasError bool
	params                              params
}

// walk reads the body. With an error, the walker still knows the parts that it came across.
func (w *walker) walk() *Error {
	if tooDeep(w.body) {
		return refuse(400, InvalidRequest, "the body is nested more than %d deep", maxDepth)
	}
	if err := w.messages(); err != nil {
		return err
	}
	if _, err := w.d.ReadToken(); err != io.EOF {
		return refuse(400, ParseError, "something follows the message")
	}
	return nil
}

func (w *walker) messages() *Error {
	if w.d.PeekKind() != '[' {
		return w.message()
	}
	w.batch = true
	if err := w.token(); err != nil {
		return err
	}
	for w.d.PeekKind() != ']' {
		if len(w.parts) == maxBatch {
			return refuse(400, InvalidRequest, "a batch holds at most %d messages", maxBatch)
		}
		if err := w.message(); err != nil {
			return err
		}
	}
	if err := w.token(); err != nil {
		return err
	}
	if len(w.parts) == 0 {
		return refuse(400, InvalidRequest, "the batch is empty")
	}
	return nil
}

// message reads one message and says what it is.
func (w *walker) message() *Error {
	w.parts = append(w.parts, part{})
	p := &w.parts[len(w.parts)-1]
	if kind := w.d.PeekKind(); kind != '{' {
		if kind == 0 {
			_, err := w.value()
			return err
		}
		return refuse(400, InvalidRequest, "a message is a JSON object")
	}
	if err := w.token(); err != nil {
		return err
	}
	for w.d.PeekKind() != '}' {
		name, err := w.name("jsonrpc", "id", "method", "params", "result", "error")
		if err != nil {
			return err
		}
		if err := w.member(p, name); err != nil {
			return err
		}
	}
	if err := w.token(); err != nil {
		return err
	}
	return p.settle()
}

func (w *walker) member(p *part, name string) *Error {
	if name == "params" {
		return w.params(p)
	}
	value, err := w.value()
	if err != nil {
		return err
	}
	switch name {
	case "jsonrpc":
		p.jsonrpc = true
		if version, _ := text(value); version != "2.0" {
			return refuse(400, InvalidRequest, `jsonrpc must be "2.0"`)
		}
	case "id":
		p.hasID = true
		p.ID = canonicalID(value)
	case "method":
		method, ok := text(value)
		if !ok || method == "" {
			return refuse(400, InvalidRequest, "method must be a string and not empty")
		}
		p.Method = method
	case "result":
		p.hasResult = true
	case "error":
		p.hasError = true
	}
	return nil
}

// settle decides what the message is (JSON-RPC 2.0 §4, §5), and refuses what is none of the three.
func (p *part) settle() *Error {
	outcome := p.hasResult || p.hasError
	switch {
	case !p.jsonrpc:
		return refuse(400, InvalidRequest, `jsonrpc must be "2.0"`)
	case p.Method != "" && outcome, p.hasResult && p.hasError:
		return refuse(400, InvalidRequest, "the message is both a request and a response, or has both result and error")
	case p.Method != "" && !p.hasID:
		p.Kind = KindNotification
	case p.Method != "" && p.ID != "":
		p.Kind = KindRequest
	case outcome && p.Params == nil && (p.ID != "" || p.hasError):
		// JSON-RPC 2.0 §5: only an error may have no readable id.
		p.Kind = KindResponse
	case p.hasID && p.ID == "":
		return refuse(400, InvalidRequest, "id must be a string or an integer that a double holds exactly")
	default:
		return refuse(400, InvalidRequest, "the message is no request, notification or response")
	}
	if p.Method == "" {
		return nil
	}
	if err := p.spelt(); err != nil {
		return err
	}
	return p.resolve()
}

// id returns the id that an answer repeats; a batch as a whole has none.
func (w *walker) id() string {
	if w.batch || len(w.parts) != 1 {
		return ""
	}
	return w.parts[0].ID
}

// token reads the bracket that PeekKind saw, and what stands wrongly before it, such as a comma.
func (w *walker) token() *Error {
	if _, err := w.d.ReadToken(); err != nil {
		return refuse(400, ParseError, "the body is not valid JSON in UTF-8")
	}
	return nil
}

// value reads the next value. It is a part of body, not of the decoder's buffer.
func (w *walker) value() (jsontext.Value, *Error) {
	v, err := w.d.ReadValue()
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return nil, refuse(400, InvalidRequest, "a name stands twice in one object")
	}
	if err != nil {
		return nil, refuse(400, ParseError, "the body is not valid JSON in UTF-8")
	}
	end := w.d.InputOffset()
	return w.body[end-int64(len(v)) : end : end], nil
}

// name reads a member's name. It returns one of known or, for any other, the empty string. A name that only looks like a known one is
// refused, because readers that ignore case, as encoding/json does, would take one for the other.
func (w *walker) name(known ...string) (string, *Error) {
	raw, err := w.value()
	if err != nil {
		return "", err
	}
	name, like := oneOf(raw, known)
	if like != "" {
		said, _ := text(raw)
		return "", refuse(400, InvalidRequest, "the name %q differs from %q only by case", said, like)
	}
	return name, nil
}

// oneOf is which of the known names a member has, however it is escaped; empty: none. like is one from which it differs only
// by case.
func oneOf(raw jsontext.Value, known []string) (name, like string) {
	quoted := raw[1 : len(raw)-1]
	for _, k := range known {
		if string(quoted) == k {
			return k, ""
		}
	}
	said, _ := text(raw)
	for _, k := range known {
		if said == k {
			return k, ""
		}
		if strings.EqualFold(said, k) {
			return "", k
		}
	}
	return "", ""
}

// text returns a JSON string's value.
func text(v jsontext.Value) (string, bool) {
	if v.Kind() != '"' {
		return "", false
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return string(v[1 : len(v)-1]), true
	}
	s, err := jsontext.AppendUnquote(nil, []byte(v))
	return string(s), err == nil
}

// canonicalID gives equal ids equal texts, however they are escaped. It is empty for what is no id: MCP wants a string or an integer, and an
// integer that a double does not hold would come back as another one.
func canonicalID(v jsontext.Value) string {
	switch v.Kind() {
	case '"':
		if bytes.IndexByte(v, '\\') < 0 {
			return string(v)
		}
		s, _ := text(v)
		quoted, err := jsontext.AppendQuote(nil, s)
		if err != nil {
			return ""
		}
		return string(quoted)
	case '0':
		const exact = 1<<53 - 1
		if n, err := strconv.ParseInt(string(v), 10, 64); err == nil && -exact <= n && n <= exact && string(v) != "-0" {
			return string(v)
		}
	}
	return ""
}

// tooDeep counts brackets outside strings. Of what is no JSON it says anything: the decoder refuses it after.
func tooDeep(body []byte) bool {
	if bytes.Count(body, []byte("{"))+bytes.Count(body, []byte("[")) <= maxDepth {
		return false
	}
	depth := 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '"':
			for i++; i < len(body) && body[i] != '"'; i++ {
				if body[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			if depth++; depth > maxDepth {
				return true
			}
		case '}', ']':
			depth--
		}
	}
	return false
}
