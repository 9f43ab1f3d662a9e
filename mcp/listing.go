package mcp

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// ListedBy returns the kind of item that a method lists; empty: it lists nothing. Case does not count, since a server might not go by it.
func ListedBy(method string) string {
	switch strings.ToLower(method) {
	case "tools/list":
		return ItemTool
	case "prompts/list":
		return ItemPrompt
	case "resources/list":
		return ItemResource
	case "resources/templates/list":
		return ItemTemplate
	case "tasks/list":
		return ItemTask
	}
	return ""
}

// lists are the members of a result that are lists: the items' kind, and the member of an item that names it.
var lists = []struct{ member, kind, name string }{
	{"tools", ItemTool, "name"}, {"prompts", ItemPrompt, "name"}, {"resources", ItemResource, "uri"},
	{"resourceTemplates", ItemTemplate, "uriTemplate"}, {"tasks", ItemTask, "taskId"},
}

// Asked is what is known of the request that a response answers. The zero Asked is nothing.
type Asked struct {
	List   string // the kind of item that it lists, as ListedBy; empty: it may list any or none
	Search bool   // a call of a tool whose result lists tools, in structuredContent or as JSON in its text
}

// A Listing is a JSON-RPC response, or a batch with responses, and the items of every list in it. It shares memory with what was read.
type Listing struct {
	Items []Item // of all lists, in their order

	data  []byte
	edits []edit // in the order of their places, none within another
}

// edit is a place at which Bytes may write something else.
type edit struct {
	start, end int
	items      []span   // list: the items that stand there
	first      int      // list: the index in Items of the first of them
	text       *Listing // text: the JSON that a string holds; its Items are copied to the outer Listing from first on
	with       string   // neither: what stands there instead
	modern     bool     // with: only where results must have the member
}

type span struct{ start, end int }

// ReadListing reads what a server answered. What is asked for is found by id, as Operation.ID; lists are found by their shape too, for an
// answer may come where nobody remembers the question. It refuses what two readers could understand differently, and an answer to a list
// that is none: what it does not understand must not be passed on.
func ReadListing(data []byte, asked func(id string) Asked) (*Listing, error) {
	l := &Listing{data: data}
	if tooDeep(data) {
		return nil, fmt.Errorf("reading a list: it is nested more than %d deep", maxDepth)
	}
	s := borrow(data)
	defer s.giveBack(len(data))
	r := listReader{l: l, d: &s.d, asked: asked}
	if err := r.messages(); err != nil {
		return nil, fmt.Errorf("reading a list: %w", err)
	}
	return l, nil
}

// Definitions calls each with every item, by its index in Items, and what the list says of it. That is good as long as what was read.
func (l *Listing) Definitions(each func(i int, raw jsontext.Value)) {
	for _, e := range l.edits {
		if e.text != nil {
			e.text.Definitions(func(i int, raw jsontext.Value) { each(e.first+i, raw) })
		}
		for i, item := range e.items {
			each(e.first+i, l.data[item.start:item.end])
		}
	}
}

// Bytes is what was read without the items that keep says no to, every other byte as it was but for cacheScope, which is private in every
// result that has a list (MCP 2026-07-28, Caching). modern adds it where it is missing. keep has an answer for each of Items.
func (l *Listing) Bytes(keep []bool, modern bool) []byte {
	out := make([]byte, 0, len(l.data)+32)
	at := 0
	for _, e := range l.edits {
		if e.modern && !modern {
			continue
		}
		out = append(out, l.data[at:e.start]...)
		at = e.end
		switch {
		case e.text != nil:
			out = e.text.quoted(out, l.data[e.start:e.end], keep[e.first:e.first+len(e.text.Items)])
		case e.items != nil:
			out = e.list(out, l.data, keep[e.first:e.first+len(e.items)])
		default:
			out = append(out, e.with...)
		}
	}
	return append(out, l.data[at:]...)
}

// list writes the items that are kept. If all are, what stands between them is kept too.
func (e edit) list(out, data []byte, keep []bool) []byte {
	all := true
	for _, k := range keep {
		all = all && k
	}
	if all {
		return append(out, data[e.start:e.end]...)
	}
	first := true
	for i, item := range e.items {
		if !keep[i] {
			continue
		}
		if !first {
			out = append(out, ',')
		}
		out, first = append(out, data[item.start:item.end]...), false
	}
	return out
}

// quoted writes the listing as the JSON string that it was read from.
func (l *Listing) quoted(out, was []byte, keep []bool) []byte {
	now := l.Bytes(keep, false)
	if bytes.Equal(now, l.data) {
		return append(out, was...)
	}
	quoted, err := jsontext.AppendQuote(out, now)
	if err != nil {
		panic("mcp: text that was read as JSON cannot fail to be quoted: " + err.Error())
	}
	return quoted
}
