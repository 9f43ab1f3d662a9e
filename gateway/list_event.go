package gateway

import (
	"bytes"
	"iter"

	"github.com/doorward-mcp/doorward/mcp"
)

// event is an event as the client gets it, and the responses in it. Nearly always it is what came, byte for byte.
func (f *filter) event(e mcp.Event) (raw []byte, all []mcp.Reply) {
	raw, all = f.listed(e)
	return f.sealID(raw), all
}

// listed is an event without what the caller may not use.
func (f *filter) listed(e mcp.Event) (raw []byte, all []mcp.Reply) {
	if len(e.Data) == 0 {
		return e.Raw, nil
	}
	r, ok := mcp.Response(e.Data)
	lists, redacts, receipt := f.wants(r, ok), f.redacts(e.Data, r, ok), ok && f.wantsReceipt(r.ID)
	if !lists && !redacts && !receipt {
		if ok {
			all = append(f.one[:0], r)
		}
		return e.Raw, all
	}
	all = mcp.Responses(e.Data)
	data, err := e.Data, error(nil)
	if lists {
		data, err = f.pass(data)
	}
	if redacts && err == nil {
		data, err = f.takeOut(data)
	}
	if receipt && err == nil {
		data = f.withReceipt(data)
	}
	if err == nil && len(data) == 0 {
		return nil, all
	}
	if err == nil {
		return replaced(e, data), all
	}
	// Who asked for it is told; on a stream on which nobody waits, there is nobody to tell.
	fault := f.fault(err, 0)
	raw = nil
	for i := range all {
		all[i].Failed = true
		fault.answer.ID = all[i].ID
		raw = append(raw, "event: message\ndata: "...)
		raw = append(raw, fault.answer.Body()...)
		raw = append(raw, "\n\n"...)
	}
	return raw, all
}

// replaced is an event with other data, every other line of it as it was.
func replaced(e mcp.Event, data []byte) []byte {
	if bytes.Equal(data, e.Data) {
		return e.Raw
	}
	out := make([]byte, 0, len(e.Raw)+32)
	for line := range lines(e.Raw) {
		name, _, _ := bytes.Cut(bytes.TrimPrefix(line, []byte("\ufeff")), []byte(":"))
		if len(line) > 0 && string(name) != "data" {
			out = append(append(out, line...), '\n')
		}
	}
	// WHATWG HTML §9.2.6: the data of several lines is joined by newlines.
	for line := range bytes.SplitSeq(data, []byte("\n")) {
		out = append(append(append(out, "data: "...), line...), '\n')
	}
	return append(out, '\n')
}

// lines are the lines of an event, without what ends them. WHATWG HTML §9.2.5: that is \n, \r or \r\n.
func lines(raw []byte) iter.Seq[[]byte] {
	return bytes.FieldsFuncSeq(raw, func(r rune) bool { return r == '\n' || r == '\r' })
}

// last is what stands at the end of a stream and is no complete event. Some clients take it for one.
func (f *filter) last(rest []byte) []byte {
	if len(bytes.TrimSpace(rest)) == 0 {
		return rest
	}
	var events mcp.Events
	if events.Write(append(bytes.Clone(rest), "\n\n\n"...)) != nil {
		return nil
	}
	var out []byte
	changed := false
	for e, ok := events.Next(); ok; e, ok = events.Next() {
		raw, _ := f.event(e)
		if !bytes.Equal(raw, e.Raw) {
			out, changed = append(out, raw...), true
		} else if len(e.Data) > 0 {
			return rest
		}
	}
	if !changed {
		return rest
	}
	return out
}
