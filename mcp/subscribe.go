package mcp

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// maxSubscriptions bounds what one subscriptions/listen may name.
const maxSubscriptions = 1000

// Also returns what the operation is about besides Item: the resources, and the tasks, of which a subscriptions/listen wants to hear
// (MCP 2026-07-28, Subscriptions, Opening a Stream). Each is judged like an operation of its own, which its Use is.
func (o Operation) Also() []Item { return o.also }

// subscriptions reads params.notifications.
func (p *part) subscriptions() *Error {
	malformed := refuse(400, InvalidParams, "params.notifications is not an object whose resourceSubscriptions, and taskIds, are lists of at most %d texts", maxSubscriptions)
	if len(p.Params) == 0 {
		return nil
	}
	r := listReader{l: &Listing{data: p.Params}, d: jsontext.NewDecoder(bytes.NewReader(p.Params))}
	err := r.members(func(name string) error {
		if name == "" || r.d.PeekKind() == 'n' {
			return r.skip()
		}
		return r.members(func(name string) error { return r.subscribed(p, name) }, "resourceSubscriptions", "taskIds")
	}, "notifications")
	if err != nil {
		return malformed
	}
	return nil
}

func (r *listReader) subscribed(p *part, name string) error {
	if name == "" || r.d.PeekKind() == 'n' {
		return r.skip()
	}
	kind := ItemResource
	if name == "taskIds" {
		kind = ItemTask
	}
	if r.d.PeekKind() != '[' {
		return errListItem
	}
	return r.elements(func() error {
		v, err := r.value()
		if err != nil {
			return err
		}
		s, ok := text(v)
		if !ok || s == "" || len(p.also) == maxSubscriptions {
			return errListItem
		}
		p.also = append(p.also, Item{Kind: kind, Name: s})
		return nil
	})
}
