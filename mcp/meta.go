package mcp

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// WithMeta adds a member to the _meta of a response's result, in place of one of that name. Everything else stays as it is, byte for byte.
// What is no response with a result that is an object is given back as it came. value is JSON.
func WithMeta(data []byte, name string, value jsontext.Value) []byte {
	result, at, ok := member(data, "result")
	if !ok || result.Kind() != '{' {
		return data
	}
	own := append(append(jsontext.Value(nil), quoted(name)...), ':')
	own = append(own, value...)
	meta, in, ok := member(result, "_meta")
	switch {
	case !ok:
		return spliced(data, at, 1, first(result, append(append([]byte(`"_meta":{`), own...), '}')))
	case meta.Kind() != '{':
		return data
	}
	if _, _, has := member(meta, name); has {
		rest, err := without(meta, name)
		if err != nil {
			return data
		}
		data = spliced(data, at+in, len(meta), rest)
		meta = rest
	}
	return spliced(data, at+in, 1, first(meta, own))
}

// first is the beginning of an object with another member before all others.
func first(object jsontext.Value, own []byte) []byte {
	out := append([]byte{'{'}, own...)
	if rest := bytes.TrimLeft(object[1:], " \t\r\n"); len(rest) > 0 && rest[0] != '}' {
		out = append(out, ',')
	}
	return out
}

// spliced is data with n bytes from an offset on replaced.
func spliced(data []byte, at, n int, with []byte) []byte {
	out := make([]byte, 0, len(data)+len(with))
	return append(append(append(out, data[:at]...), with...), data[at+n:]...)
}

// member is the value of an object's member, and where it begins. Of one that stands twice the first is found.
func member(object []byte, name string) (value jsontext.Value, at int, ok bool) {
	d := jsontext.NewDecoder(bytes.NewReader(object), lenient()...)
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return nil, 0, false
	}
	for d.PeekKind() == '"' {
		t, err := d.ReadToken()
		if err != nil {
			return nil, 0, false
		}
		is := t.String() == name
		v, err := d.ReadValue()
		if err != nil {
			return nil, 0, false
		}
		if is {
			end := int(d.InputOffset())
			return object[end-len(v) : end], end - len(v), true
		}
	}
	return nil, 0, false
}

// without is an object without a member.
func without(object jsontext.Value, name string) (jsontext.Value, error) {
	var out bytes.Buffer
	d, e := jsontext.NewDecoder(bytes.NewReader(object), lenient()...), jsontext.NewEncoder(&out, append(lenient(), jsontext.PreserveRawStrings(true))...)
	t, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	if err := e.WriteToken(t); err != nil {
		return nil, err
	}
	for d.PeekKind() == '"' {
		t, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		is, key := t.String() == name, t.Clone()
		v, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		if is {
			continue
		}
		if err := e.WriteToken(key); err != nil {
			return nil, err
		}
		if err := e.WriteValue(v); err != nil {
			return nil, err
		}
	}
	if err := e.WriteToken(jsontext.EndObject); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(out.Bytes()), nil
}

func quoted(name string) []byte {
	b, err := jsontext.AppendQuote(nil, name)
	if err != nil { // of a text that is no UTF-8: names here are ours
		return []byte(`""`)
	}
	return b
}
