package mcp

import (
	"net/textproto"

	"github.com/go-json-experiment/json/jsontext"
)

// Message is one HTTP request's worth of MCP: the bytes as they came and what they ask.
// A batch (2025-03-26) has several Operations, everything else exactly one.
type Message struct {
	Revision   Revision
	Session    string // Mcp-Session-Id as it came: a claim, not authentication; empty in revisions without sessions
	Body       []byte // the bytes that Read was given, to be forwarded as they are
	Operations []Operation
}

// Kind is what an Operation is to JSON-RPC and to the transport. The zero Kind is none of them.
type Kind uint8

// The kinds of Operation.
const (
	KindRequest      Kind = iota + 1
	KindNotification      // a request without answer
	KindResponse          // the client's answer to a request of the server
	KindStream            // HTTP GET: open a stream for what the server has to say
	KindEnd               // HTTP DELETE: end the session
)

// Operation is one thing asked for.
type Operation struct {
	Kind   Kind
	Method string         // empty unless Kind is KindRequest or KindNotification
	Name   string         // what Method is about: the tool's or prompt's name, the resource's address, the task's id; empty if nothing
	ID     string         // as canonical JSON, such as 7 or "a": what a JSON-RPC answer repeats; empty unless Kind is KindRequest or KindResponse
	Args   jsontext.Value // params.arguments of a tool or prompt, a part of Body; nil if there are none
	Params jsontext.Value // the whole params object, a part of Body; nil if there is none

	about string // the kind of Item that Name names
	also  []Item
}

// Item returns what the operation is about. ok is false if it is about nothing that has a name.
func (o Operation) Item() (item Item, ok bool) {
	return Item{Kind: o.about, Name: o.Name}, o.about != ""
}

// Read reads one HTTP request to the MCP endpoint: its method, its headers, and its body, whose size the caller bounds. POST carries
// messages, GET opens a stream, DELETE ends a session. The Message shares memory with body. The error is an *Error, ready to be answered.
func Read(httpMethod string, h textproto.MIMEHeader, body []byte) (Message, error) {
	m, err := read(httpMethod, h, body)
	if err != nil {
		return Message{}, err
	}
	return m, nil
}

func read(httpMethod string, h textproto.MIMEHeader, body []byte) (Message, *Error) {
	switch httpMethod {
	case "POST":
		return readPost(h, body)
	case "GET":
		return readBare(h, body, KindStream)
	case "DELETE":
		return readBare(h, body, KindEnd)
	}
	return Message{}, refuse(405, InvalidRequest, "the MCP endpoint has POST, GET and DELETE, not %.20q", httpMethod)
}

// readBare reads what has no body.
func readBare(h textproto.MIMEHeader, body []byte, kind Kind) (Message, *Error) {
	revision, given, err := revisionHeader(h)
	if err != nil {
		return Message{}, err
	}
	if !given {
		revision = V20250326
	}
	// TR-GET-DELETE-405: from 2026-07-28 on the endpoint has POST alone.
	if !revision.Sessions() {
		return Message{}, refuse(405, InvalidRequest, "revision %s has POST only", revision)
	}
	if len(body) > 0 {
		return Message{}, refuse(400, InvalidRequest, "only a POST has a body")
	}
	session, err := sessionHeader(h)
	if err != nil {
		return Message{}, err
	}
	return Message{Revision: revision, Session: session, Body: body, Operations: []Operation{{Kind: kind}}}, nil
}

func readPost(h textproto.MIMEHeader, body []byte) (Message, *Error) {
	if err := checkContent(h); err != nil {
		return Message{}, err
	}
	// The defaults of jsontext refuse invalid UTF-8 and duplicate names at any depth.
	w := walker{scratch: borrow(body), body: body}
	defer w.giveBack(len(body))
	err := w.walk()
	revision, given, rerr := revisionHeader(h)
	if rerr != nil {
		// The revision is refused first, with the request's id as far as it could be read: a later revision may have other bodies.
		return Message{}, rerr.about(w.id())
	}
	if err != nil {
		return Message{}, w.removed(revision, err).about(w.id())
	}
	if !given {
		revision = w.revision()
	}
	if err := w.check(revision, given, h); err != nil {
		return Message{}, err.about(w.id())
	}
	m := Message{Revision: revision, Body: body, Operations: make([]Operation, len(w.parts))}
	for i := range w.parts {
		m.Operations[i] = w.parts[i].Operation
	}
	// TR-NO-SESSION: where there are no sessions, the header is ignored.
	if revision.Sessions() {
		if m.Session, err = sessionHeader(h); err != nil {
			return Message{}, err.about(w.id())
		}
	}
	return m, nil
}
