package stdio

import (
	"bytes"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// said is what routing needs of one message of a server. Ids and tokens are in canonical JSON, so that equal ones have equal texts.
type said struct {
	data         []byte // one line of JSON
	method       string // empty: a response
	id           string
	token        string // params.progressToken
	progress     float64
	subscription string // the request that opened the subscription it belongs to
	result       bool   // a response that is no error
	code         int    // of an error
}

// subscriptionMember is the member of _meta that ties a message to a subscriptions/listen (2026-07-28).
const subscriptionMember = "io.modelcontextprotocol/subscriptionId"

// read reads a line of a server: one message, or a batch of them (2025-03-26). It is lenient, because what a server says is passed on as it
// is. ok is false if the line is no JSON-RPC.
func read(text []byte) (all []said, ok bool) {
	text = bytes.TrimSpace(text)
	// SSE ends a line at \r, which JSON allows between tokens only.
	text = bytes.ReplaceAll(text, []byte("\r"), []byte(" "))
	if !jsontext.Value(text).IsValid(lenient()...) {
		return nil, false
	}
	if text[0] != '[' {
		m, ok := readOne(text)
		return []said{m}, ok
	}
	err := elements(text, func(v jsontext.Value) {
		if m, ok := readOne(v); ok {
			all = append(all, m)
		}
	})
	return all, err == nil && len(all) > 0
}

func readOne(text []byte) (m said, ok bool) {
	m.data = text
	var params, result, failure jsontext.Value
	err := fields(text, func(name string, v jsontext.Value) {
		switch name {
		case "method":
			m.method = plain(v)
		case "id":
			m.id = canonical(v)
		case "params":
			params = v
		case "result":
			result = v
		case "error":
			failure = v
		}
	})
	if err != nil || m.method == "" && result == nil && failure == nil {
		return said{}, false
	}
	m.result = result != nil
	readInside(failure, func(name string, v jsontext.Value) {
		if name == "code" {
			m.code, _ = strconv.Atoi(string(v))
		}
	})
	readInside(params, func(name string, v jsontext.Value) {
		switch name {
		case "progressToken":
			m.token = canonical(v)
		case "progress":
			m.progress, _ = strconv.ParseFloat(string(v), 64)
		case "_meta":
			readInside(v, func(name string, v jsontext.Value) {
				if name == subscriptionMember {
					m.subscription = canonical(v)
				}
			})
		}
	})
	return m, true
}

// asked is what a client's params say about progress and cancellation.
type asked struct {
	token     string // _meta.progressToken
	rawToken  string // as it stands there
	cancelled string // requestId, of a notifications/cancelled
}

func readParams(params jsontext.Value) (a asked) {
	readInside(params, func(name string, v jsontext.Value) {
		switch name {
		case "requestId":
			a.cancelled = canonical(v)
		case "_meta":
			readInside(v, func(name string, v jsontext.Value) {
				if name == "progressToken" {
					a.token, a.rawToken = canonical(v), string(v)
				}
			})
		}
	})
	return a
}

func lenient() []jsontext.Options {
	return []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}
}

// readInside is fields for a value that may be no object.
func readInside(v jsontext.Value, each func(name string, v jsontext.Value)) {
	if v.Kind() == '{' {
		_ = fields(v, each) // the line as a whole is valid JSON
	}
}

func fields(object []byte, each func(name string, v jsontext.Value)) error {
	d := jsontext.NewDecoder(bytes.NewReader(object), lenient()...)
	if d.PeekKind() != '{' {
		return errMeta
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != '}' {
		raw, err := d.ReadValue()
		if err != nil {
			return err
		}
		name := plain(raw)
		v, err := d.ReadValue()
		if err != nil {
			return err
		}
		each(name, part(object, d, v))
	}
	return nil
}

func elements(array []byte, each func(v jsontext.Value)) error {
	d := jsontext.NewDecoder(bytes.NewReader(array), lenient()...)
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != ']' {
		v, err := d.ReadValue()
		if err != nil {
			return err
		}
		each(part(array, d, v))
	}
	return nil
}

// part is the value that was just read, in the text instead of the decoder's buffer.
func part(text []byte, d *jsontext.Decoder, v jsontext.Value) jsontext.Value {
	end := int(d.InputOffset())
	return text[end-len(v) : end : end]
}

// plain is a JSON string's value; empty if it is none.
func plain(v jsontext.Value) string {
	if v.Kind() != '"' {
		return ""
	}
	s, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return ""
	}
	return string(s)
}

// canonical gives equal ids equal texts. It agrees with mcp.Operation.ID on every id that mcp.Read accepts, and is empty for null.
func canonical(v jsontext.Value) string {
	switch v.Kind() {
	case '"':
		quoted, err := jsontext.AppendQuote(nil, plain(v))
		if err != nil {
			return ""
		}
		return string(quoted)
	case '0':
		// Some servers answer 7 with 7.0.
		if f, err := strconv.ParseFloat(string(v), 64); err == nil {
			return strconv.FormatFloat(f, 'f', -1, 64)
		}
	}
	return ""
}
