package stdio

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// callerMember is the member of params._meta that tells a server who calls.
const callerMember = "io.github.doorward-mcp/caller"

// errMeta is the error of a message whose _meta cannot hold the caller.
var errMeta = errors.New("params and _meta must be objects")

// line is the line that a process gets for a body that mcp.Read accepted: the same bytes with the caller in them, and nothing that could be
// taken for the end of a line. The assertion is a JWT; empty: there is none, and what came in under its name is removed all the same.
// renames has a name for what each message of the body calls otherwise; nil: none has.
func line(body []byte, assertion string, renames []rename) ([]byte, error) {
	w := rewriter{d: jsontext.NewDecoder(bytes.NewReader(body)), body: body, renames: renames}
	if assertion != "" {
		value, err := jsontext.AppendQuote(nil, assertion)
		if err != nil {
			return nil, err
		}
		w.member = `"` + callerMember + `":` + string(value)
	}
	if err := w.messages(); err != nil {
		return nil, err
	}
	if _, err := w.d.ReadToken(); err != io.EOF {
		return nil, errors.New("something follows the message")
	}
	return append(oneLine(w.text()), '\n'), nil
}

// rewriter copies a body with cuts and insertions.
type rewriter struct {
	d       *jsontext.Decoder
	body    []byte
	member  string // to insert; empty: none
	renames []rename
	token   string // in place of the token of progress; empty: it stays
	edits   []edit
}

// edit puts text in the place of a part of the body.
type edit struct {
	span
	text string
}

// span is a part of the body.
type span struct{ start, end int }

// replace puts text in the place of a part of the body. Parts do not overlap.
func (w *rewriter) replace(at span, text string) { w.edits = append(w.edits, edit{at, text}) }

// text is the body with its edits, a copy.
func (w *rewriter) text() []byte {
	slices.SortStableFunc(w.edits, func(a, b edit) int { return cmp.Compare(a.start, b.start) })
	size, copied := len(w.body), 0
	for _, e := range w.edits {
		size += len(e.text)
	}
	out := make([]byte, 0, size+1)
	for _, e := range w.edits {
		out = append(append(out, w.body[copied:e.start]...), e.text...)
		copied = e.end
	}
	return append(out, w.body[copied:]...)
}

// insert puts text at a place of the body.
func (w *rewriter) insert(at int, text string) { w.replace(span{at, at}, text) }

// value reads the next value whole.
func (w *rewriter) value() (span, error) {
	v, err := w.d.ReadValue()
	end := int(w.d.InputOffset())
	return span{end - len(v), end}, err
}

func (w *rewriter) messages() error {
	if w.d.PeekKind() != '[' {
		return w.message()
	}
	if _, err := w.d.ReadToken(); err != nil {
		return err
	}
	for w.d.PeekKind() != ']' {
		if err := w.message(); err != nil {
			return err
		}
	}
	_, err := w.d.ReadToken()
	return err
}

// message rewrites one message. Whether it is a request is known only at its end, its params may come first: they are read twice.
func (w *rewriter) message() error {
	at, err := w.value()
	if err != nil {
		return err
	}
	m := rewriter{body: w.body[at.start:at.end], member: w.member}
	var names rename
	if len(w.renames) > 0 {
		names, w.renames = w.renames[0], w.renames[1:]
	}
	if err := m.object(names); err != nil {
		return err
	}
	w.replace(at, string(m.text()))
	return nil
}

// object rewrites the message that is the whole of the rewriter's body.
func (w *rewriter) object(names rename) error {
	var id, method bool
	var params, result span
	err := w.members(w.body, 0, func(name string, _, value span) error {
		switch name {
		case "id":
			id = true
			if names.id != "" {
				w.replace(value, names.id)
			}
		case "method":
			method = true
		case "params":
			params = value
		case "result":
			result = value
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !method {
		return w.content(result, "")
	}
	member := w.member
	if !id {
		member = "" // a notification: nobody asks who sent it
	}
	if params.end == 0 && member != "" {
		whole := span{0, len(w.body)}
		w.insert(whole.start+1, `"params":{"_meta":{`+member+`}}`+w.comma(whole))
		return nil
	}
	if names.cancelled != "" {
		w.inside(params, func(name string, value span) {
			if name == "requestId" {
				w.replace(value, names.cancelled)
			}
		})
	}
	w.token = names.token
	return w.content(params, member)
}

// content rewrites params or a result: it puts member into _meta, and takes a member of that name out.
func (w *rewriter) content(at span, member string) error {
	if at.end == 0 {
		return nil
	}
	switch kind := w.body[at.start]; {
	case kind == 'n' && member != "":
		w.replace(at, `{"_meta":{`+member+`}}`)
		return nil
	case kind != '{' && member != "":
		return errMeta
	case kind != '{':
		return nil
	}
	found := false
	err := w.members(w.body[at.start:at.end], at.start, func(name string, _, value span) error {
		if name == "_meta" {
			found = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !found && member != "" {
		w.insert(at.start+1, `"_meta":{`+member+`}`+w.comma(at))
	}
	return w.members(w.body[at.start:at.end], at.start, func(name string, _, value span) error {
		switch {
		case name == "_meta":
			return w.meta(value, member)
		case strings.EqualFold(name, "_meta"):
			return w.meta(value, "")
		}
		return nil
	})
}

// meta rewrites one _meta.
func (w *rewriter) meta(at span, member string) error {
	switch kind := w.body[at.start]; {
	case kind == 'n' && member != "":
		w.replace(at, "{"+member+"}")
		return nil
	case kind != '{' && member != "":
		return errMeta
	case kind != '{':
		return nil
	}
	var kept, all []span
	var token span
	err := w.members(w.body[at.start:at.end], at.start, func(name string, key, value span) error {
		whole := span{key.start, value.end}
		all = append(all, whole)
		// A reader that ignores case would take a look-alike for ours.
		if !strings.EqualFold(name, callerMember) {
			kept = append(kept, whole)
		}
		if name == "progressToken" && w.token != "" {
			token = value
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(kept) < len(all) {
		// The members that stay keep their bytes; the space between them goes with the one that is cut.
		parts := make([]string, 0, len(kept)+1)
		if member != "" {
			parts = append(parts, member)
		}
		for _, k := range kept {
			if k.end == token.end {
				parts = append(parts, string(w.body[k.start:token.start])+w.token)
				continue
			}
			parts = append(parts, string(w.body[k.start:k.end]))
		}
		w.replace(at, "{"+strings.Join(parts, ",")+"}")
		return nil
	}
	if member != "" {
		w.insert(at.start+1, member+w.comma(at))
	}
	if token.end > 0 {
		w.replace(token, w.token)
	}
	return nil
}

// members reads an object that begins at offset of the rewriter's body, and calls each for its members in order.
func (w *rewriter) members(object []byte, offset int, each func(name string, key, value span) error) error {
	d := jsontext.NewDecoder(bytes.NewReader(object))
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
		end := offset + int(d.InputOffset())
		key := span{end - len(raw), end}
		name, err := jsontext.AppendUnquote(nil, raw)
		if err != nil {
			return err
		}
		v, err := d.ReadValue()
		if err != nil {
			return err
		}
		end = offset + int(d.InputOffset())
		if err := each(string(name), key, span{end - len(v), end}); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

// comma separates what is inserted at the front of an object from what is there.
func (w *rewriter) comma(at span) string {
	if bytes.HasPrefix(bytes.TrimLeft(w.body[at.start+1:at.end], " \t\r\n"), []byte("}")) {
		return ""
	}
	return ","
}

// separators are the characters that JSON allows raw in strings and that some readers of lines end a line at.
var separators = strings.NewReplacer("\u0085", `\u0085`, "\u2028", `\u2028`, "\u2029", `\u2029`)

// oneLine leaves nothing in valid JSON that ends a line. A raw \n or \r can only stand between tokens.
func oneLine(b []byte) []byte {
	for i, c := range b {
		if c == '\n' || c == '\r' {
			b[i] = ' '
		}
	}
	if bytes.Contains(b, []byte("\u0085")) || bytes.Contains(b, []byte("\u2028")) || bytes.Contains(b, []byte("\u2029")) {
		return []byte(separators.Replace(string(b)))
	}
	return b
}
