package stdio

import (
	"bytes"
	"crypto/rand"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/doorward-mcp/doorward/mcp"
)

// rename is what a message on its way to a shared process gets in place of what its client wrote, as JSON. Empty: it stays.
type rename struct{ id, token, cancelled string }

// name is one that nobody can guess, so that whoever names a request or a token of another's names nothing.
func name() string { return `"` + rand.Text() + `"` }

// rename gives the flight's requests names that are its own on the process. What the client called them is kept for the answer.
func (f *flight) rename(m mcp.Message) {
	f.names = map[string]string{}
	f.renames = make([]rename, len(m.Operations))
	n := 0
	for i, op := range m.Operations {
		if op.Kind != mcp.KindRequest {
			continue
		}
		r := rename{id: name()}
		f.names[r.id] = op.ID
		f.operations[n].ID = r.id
		if t := readParams(op.Params).rawToken; t != "" {
			r.token = name()
			f.names[r.token] = t
			f.tokens = append(f.tokens, r.token)
		}
		f.renames[i] = r
		n++
	}
}

// wireName is what a request of the asker is called on the process; one that nothing is called if there is none.
func (q *process) wireName(asker any, id string) string {
	q.mu.Lock()
	defer q.mu.Unlock()
	var newest *flight
	found := ""
	for wire, f := range q.flights {
		if f.asker == asker && f.names[wire] == id && (newest == nil || f.order > newest.order) {
			newest, found = f, wire
		}
	}
	if found == "" {
		return name()
	}
	return found
}

// clientsName is what the client calls a request of the flight.
func (f *flight) clientsName(id string) string {
	if own, ok := f.names[id]; ok {
		return own
	}
	return id
}

// restore gives a message back the names of the client to whom it goes.
func (f *flight) restore(text []byte) []byte {
	if f.names == nil {
		return text
	}
	return restore(text, f.names)
}

// restore replaces names where a message of a server may have them: as the id, as the token of progress, and as what a subscription is called.
// The text is strict JSON. Everything else keeps its bytes.
func restore(text []byte, names map[string]string) []byte {
	w := rewriter{body: text}
	replace := func(at span) {
		if own, ok := names[canonical(jsontext.Value(text[at.start:at.end]))]; ok {
			w.replace(at, own)
		}
	}
	meta := func(at span) {
		w.inside(at, func(name string, value span) {
			if name == subscriptionMember || name == "progressToken" {
				replace(value)
			}
		})
	}
	content := func(at span) {
		w.inside(at, func(name string, value span) {
			switch name {
			case "progressToken":
				replace(value)
			case "_meta":
				meta(value)
			}
		})
	}
	w.inside(span{0, len(text)}, func(name string, value span) {
		switch name {
		case "id":
			replace(value)
		case "params", "result":
			content(value)
		}
	})
	return w.text()
}

// inside is members of a value that may be no object, in a text that is strict JSON.
func (w *rewriter) inside(at span, each func(name string, value span)) {
	if bytes.HasPrefix(w.body[at.start:at.end], []byte("{")) {
		_ = w.members(w.body[at.start:at.end], at.start, func(name string, _, value span) error { each(name, value); return nil })
	}
}
