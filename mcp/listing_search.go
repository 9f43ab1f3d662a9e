package mcp

import (
	"bytes"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// search takes the tools of a search's result into the Listing: structuredContent {"tools": [...]}, and every text of the content, which
// must be the same as JSON. An element is a definition with a name, or a name alone. What else stands there might tell of tools in words
// that nobody can filter, so it is refused.
func (r *listReader) search(f *found) error {
	if f.other {
		return errListOther
	}
	if len(f.set) > 0 && f.set.Kind() != 'n' {
		if err := r.tools(f.set, f.setAt, r.l); err != nil {
			return err
		}
	}
	if len(f.content) == 0 || f.content.Kind() == 'n' {
		return nil
	}
	if f.content.Kind() != '[' {
		return errListOther
	}
	in := r.within(f.content)
	return in.elements(func() error { return r.block(in, f.contentAt) })
}

// block reads one element of a tool's content: text that is JSON.
func (r *listReader) block(in *listReader, base int) error {
	var kind string
	var said jsontext.Value
	var at int
	err := in.members(func(name string) error {
		switch name {
		case "type":
			v, err := in.value()
			kind, _ = text(v)
			return err
		case "text":
			v, err := in.value()
			said, at = v, base+int(in.d.InputOffset())-len(v)
			return err
		}
		return in.skip()
	}, "type", "text")
	if err != nil {
		return err
	}
	plain, ok := text(said)
	if kind != "text" || !ok {
		return errListOther
	}
	inner := &Listing{data: []byte(plain)}
	if err := r.tools(jsontext.Value(plain), 0, inner); err != nil {
		return err
	}
	r.l.add(edit{start: at, end: at + len(said), text: inner, first: len(r.l.Items)})
	r.l.Items = append(r.l.Items, inner.Items...)
	return nil
}

// tools reads {"tools": [...]} at a place of what into holds.
func (r *listReader) tools(v jsontext.Value, base int, into *Listing) error {
	if v.Kind() != '{' {
		return errListOther
	}
	in := r.within(v)
	e := edit{items: []span{}, first: len(into.Items)}
	seen := false
	err := in.members(func(name string) error {
		kind := in.d.PeekKind()
		if name == "" {
			if kind == '[' || kind == '{' {
				return errListOther
			}
			return in.skip()
		}
		if kind != '[' {
			return errListOther
		}
		seen, e.start = true, base+int(in.d.InputOffset())
		err := in.elements(func() error {
			if r.items++; r.items > maxItems {
				return errListLong
			}
			name, at, err := in.item("name", true)
			into.Items = append(into.Items, Item{Kind: ItemTool, Name: name})
			e.items = append(e.items, span{base + at.start, base + at.end})
			return err
		})
		return err
	}, "tools")
	if err != nil {
		return err
	}
	if len(e.items) > 0 {
		e.start, e.end = e.items[0].start, e.items[len(e.items)-1].end
		into.add(e)
	}
	if _, err := in.d.ReadToken(); !seen || err != io.EOF {
		return errListOther
	}
	return nil
}

// within reads a part of the data with a decoder of its own.
func (r *listReader) within(v jsontext.Value) *listReader {
	return &listReader{l: &Listing{data: v}, d: jsontext.NewDecoder(bytes.NewReader(v)), asked: r.asked}
}
