package mcp

import (
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// What a list cannot be read for. The decoder's own errors may repeat what was read, and stand in for none of these.
var (
	errListJSON  = errors.New("it is not valid JSON in UTF-8, or a name stands twice in it")
	errListNone  = errors.New("it is no response to a list")
	errListCase  = errors.New("a name in it differs only by case from one that lists have")
	errListItem  = errors.New("an item has no name, or one that is no text")
	errListLong  = errors.New("it has too many items")
	errListBoth  = errors.New("a message is more than one of request, result and error")
	errListOther = errors.New("the result of a search for tools has other content than a list as JSON")
)

// maxItems bounds the items of an answer: each is decided by itself.
const maxItems = 100_000

// listReader walks a Listing once, from front to end.
type listReader struct {
	l     *Listing
	d     *jsontext.Decoder
	asked func(id string) Asked
	items int // so far
}

func (r *listReader) messages() error {
	if r.d.PeekKind() == '[' {
		if err := r.elements(func() error { return r.message() }); err != nil {
			return err
		}
	} else if err := r.message(); err != nil {
		return err
	}
	if _, err := r.d.ReadToken(); err != io.EOF {
		return errListJSON
	}
	return nil
}

// message reads one message. Its id may stand behind its result: the result is read when both are known.
func (r *listReader) message() error {
	var id string
	var result *found
	var isRequest, failed, empty bool
	err := r.members(func(name string) error {
		switch name {
		case "id":
			v, err := r.value()
			id = canonicalID(v)
			return err
		case "method":
			isRequest = true
		case "error":
			failed = failed || r.d.PeekKind() != 'n' // as for Response
		case "result":
			if empty = r.d.PeekKind() == 'n'; empty {
				return r.skip()
			}
			var err error
			result, err = r.result()
			return err
		}
		return r.skip()
	}, "id", "method", "error", "result")
	switch {
	case err != nil:
		return err
	case result != nil && (isRequest || failed):
		return errListBoth
	case empty && !isRequest && !failed:
		result = &found{}
		fallthrough
	case result != nil:
		return r.settle(r.asked(id), result)
	case !isRequest && !failed:
		return errListNone
	}
	return nil
}

// found is what a result has, before it is known what was asked for.
type found struct {
	object       bool
	open         int // behind the bracket of the object
	empty        bool
	lists        []edit // their items' names are in names
	names        [][]Item
	has          map[string]bool // kinds that it lists, if only by null
	scope        *span           // the value of cacheScope
	other        bool            // it has arrays or objects that are none of these, besides _meta
	unfinished   bool            // input_required: the answer is still to come
	failed       bool            // isError
	content, set jsontext.Value  // of a tool's result: content and structuredContent
	contentAt    int
	setAt        int
}

// result reads a result, whatever it is.
func (r *listReader) result() (*found, error) {
	f := &found{has: map[string]bool{}}
	if r.d.PeekKind() != '{' {
		f.other = r.d.PeekKind() == '['
		return f, r.skip()
	}
	f.object, f.empty = true, true
	known := []string{"cacheScope", "resultType", "_meta", "isError", "content", "structuredContent"}
	for _, l := range lists {
		known = append(known, l.member)
	}
	err := r.membersAt(func(open int) { f.open = open }, func(name string) error {
		f.empty = false
		return r.resultMember(f, name)
	}, known...)
	return f, err
}

func (r *listReader) resultMember(f *found, name string) error {
	kind := r.d.PeekKind()
	switch name {
	case "cacheScope":
		v, err := r.value()
		end := int(r.d.InputOffset())
		f.scope = &span{end - len(v), end}
		return err
	case "resultType":
		v, err := r.value()
		s, _ := text(v)
		f.unfinished = s == "input_required"
		f.other = f.other || s == "task" // the answer comes to another question, by whose id nobody knows what it lists
		return err
	case "isError":
		f.failed = kind == 't'
		return r.skip()
	case "_meta":
		return r.skip()
	case "content", "structuredContent":
		v, err := r.value()
		at := int(r.d.InputOffset()) - len(v)
		if name == "content" {
			f.content, f.contentAt = v, at
		} else {
			f.set, f.setAt = v, at
		}
		return err
	}
	for _, l := range lists {
		if l.member != name {
			continue
		}
		if kind == 'n' {
			f.has[l.kind] = true
			return r.skip()
		}
		if kind == '[' {
			f.has[l.kind] = true
			return r.list(f, l.kind, l.name)
		}
	}
	f.other = f.other || kind == '[' || kind == '{'
	return r.skip()
}

// list reads the items of a list.
func (r *listReader) list(f *found, kind, member string) error {
	e := edit{start: int(r.d.InputOffset()), items: []span{}}
	var names []Item
	err := r.elements(func() error {
		if r.items++; r.items > maxItems {
			return errListLong
		}
		name, at, err := r.item(member, false)
		names, e.items = append(names, Item{Kind: kind, Name: name}), append(e.items, at)
		return err
	})
	e.end = int(r.d.InputOffset()) - 1
	if len(e.items) > 0 {
		e.start = e.items[0].start
		e.end = e.items[len(e.items)-1].end
	}
	f.lists, f.names = append(f.lists, e), append(f.names, names)
	return err
}

// item reads one item; if bare, it may be a name alone.
func (r *listReader) item(member string, bare bool) (name string, at span, err error) {
	if bare && r.d.PeekKind() == '"' {
		v, err := r.value()
		name, _ = text(v)
		end := int(r.d.InputOffset())
		return name, span{end - len(v), end}, err
	}
	if r.d.PeekKind() != '{' {
		return "", span{}, errListItem
	}
	ok := false
	err = r.membersAt(func(open int) { at.start = open - 1 }, func(n string) error {
		if n != member {
			return r.skip()
		}
		v, err := r.value()
		name, ok = text(v)
		return err
	}, member)
	at.end = int(r.d.InputOffset())
	if err == nil && !ok {
		err = errListItem
	}
	return name, at, err
}

// settle takes what was found into the Listing, now that it is known what was asked for.
func (r *listReader) settle(asked Asked, f *found) error {
	if asked.List != "" && !f.has[asked.List] {
		// Nothing that could be a list stands in it, or the answer is still to come.
		if inner := f.other || f.content != nil || f.set != nil; !f.object || inner && !f.unfinished {
			return errListNone
		}
	}
	if asked.List != "" || len(f.lists) > 0 {
		r.private(f)
	}
	for i, e := range f.lists {
		e.first = len(r.l.Items)
		r.l.Items = append(r.l.Items, f.names[i]...)
		r.l.add(e)
	}
	if asked.Search && !f.failed {
		return r.search(f)
	}
	return nil
}

// private makes the result's cacheScope private. MCP 2026-07-28, Caching: a public one may be served to anybody.
func (r *listReader) private(f *found) {
	const member = `"cacheScope":"private"`
	switch {
	case f.scope != nil:
		if string(r.l.data[f.scope.start:f.scope.end]) != `"private"` {
			r.l.add(edit{start: f.scope.start, end: f.scope.end, with: `"private"`})
		}
	case f.object && f.empty:
		r.l.add(edit{start: f.open, end: f.open, with: member, modern: true})
	case f.object:
		r.l.add(edit{start: f.open, end: f.open, with: member + ",", modern: true})
	}
}

// add puts an edit at its place: members come in any order.
func (l *Listing) add(e edit) {
	i := len(l.edits)
	for i > 0 && l.edits[i-1].start > e.start {
		i--
	}
	l.edits = append(l.edits, edit{})
	copy(l.edits[i+1:], l.edits[i:])
	l.edits[i] = e
}

// members walks an object; each reads the value of a name, which is one of known, or empty for another. A name that differs from a known
// one only by case is refused: somebody else might take it for that.
func (r *listReader) members(each func(name string) error, known ...string) error {
	return r.membersAt(func(int) {}, each, known...)
}

func (r *listReader) membersAt(begin func(open int), each func(name string) error, known ...string) error {
	if r.d.PeekKind() != '{' {
		return errListNone
	}
	if _, err := r.d.ReadToken(); err != nil {
		return errListJSON
	}
	begin(int(r.d.InputOffset()))
	for r.d.PeekKind() != '}' {
		raw, err := r.d.ReadValue()
		if err != nil {
			return errListJSON
		}
		name, like := oneOf(raw, known)
		if like != "" {
			return errListCase
		}
		if err := each(name); err != nil {
			return err
		}
	}
	if _, err := r.d.ReadToken(); err != nil {
		return errListJSON
	}
	return nil
}

// elements walks an array.
func (r *listReader) elements(each func() error) error {
	if _, err := r.d.ReadToken(); err != nil {
		return errListJSON
	}
	for r.d.PeekKind() != ']' {
		if err := each(); err != nil {
			return err
		}
	}
	if _, err := r.d.ReadToken(); err != nil {
		return errListJSON
	}
	return nil
}

func (r *listReader) skip() error {
	if r.d.SkipValue() != nil {
		return errListJSON
	}
	return nil
}

// value reads the next value. It is a part of the data, not of the decoder's buffer.
func (r *listReader) value() (jsontext.Value, error) {
	v, err := r.d.ReadValue()
	if err != nil {
		return nil, errListJSON
	}
	end := int(r.d.InputOffset())
	return jsontext.Value(r.l.data[end-len(v) : end : end]), nil
}
