package gateway

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/mcp"
)

// HTTP+SSE, the transport of 2024-11-05: a client opens a stream with GET, whose event named endpoint says where its
// messages are to be posted, and the answers to them come on the stream. It is passed through to clients of the same
// transport. Messages go to our own address, with the upstream's in the query, sealed for the caller as a session id is:
// an address that the upstream names for itself is used only at its own origin, and no client ever learns it or sends a
// token there. What is posted is judged as any call is; what comes on the stream is filtered as any stream is.

const (
	revision2024 = "2024-11-05"
	messageParam = "message"
	maxEndpoint  = 2048
)

// withoutOld is r without the revision header of 2024-11-05, which had no such header: some clients send it all the same.
// What its clients send is judged by the rules of the revision that is the next.
func withoutOld(r *http.Request) *http.Request {
	v := r.Header.Values("Mcp-Protocol-Version")
	if len(v) != 1 || v[0] != revision2024 {
		return r
	}
	r = r.WithContext(r.Context())
	r.Header = r.Header.Clone()
	r.Header.Del("Mcp-Protocol-Version")
	return r
}

// oldAddress is where a request of HTTP+SSE goes; nil: where the upstream is. What is not of this transport is refused
// with 405, upon which clients of both look for the old one (MCP 2025-11-25, Transports, Backwards Compatibility).
func (s *Server) oldAddress(r *http.Request, c guard.Call) (*url.URL, error) {
	if r.Method == http.MethodGet && !r.URL.Query().Has(messageParam) {
		return nil, nil
	}
	given := r.URL.Query()[messageParam]
	if r.Method != http.MethodPost || len(given) != 1 {
		return nil, &mcp.Error{Status: http.StatusMethodNotAllowed, Code: mcp.InvalidRequest, Message: "this server speaks HTTP+SSE of 2024-11-05: begin with GET, and post to the address that its stream names", ID: firstID(c)}
	}
	sealed, err := base64.RawURLEncoding.DecodeString(given[0])
	if err == nil {
		sealed, err = s.c.Box.Open(sealed, belongs(ofMessages, c))
	}
	to, malformed := url.Parse(string(sealed))
	if err != nil || malformed != nil {
		return nil, &mcp.Error{Status: http.StatusNotFound, Code: mcp.InvalidRequest, Message: "there is no such stream: begin another with GET", ID: firstID(c)}
	}
	return to, nil
}

// oldAnswer changes what an upstream of HTTP+SSE answers: the addresses that a stream names are ours, and a message that
// was accepted has no answer here.
func (s *Server) oldAnswer(r *http.Request, c guard.Call, res *http.Response) error {
	switch {
	case res.StatusCode >= http.StatusMultipleChoices:
	case r.Method == http.MethodPost:
		_ = res.Body.Close()
		res.Body, res.ContentLength = http.NoBody, 0
		res.Header = http.Header{"Content-Length": {"0"}}
		res.StatusCode = http.StatusAccepted
	case !streams(res) || res.Header.Get("Content-Encoding") != "": // packed events could not be read
		_ = res.Body.Close()
		return newFault(c, 0, codeNotMCP, "the MCP server behind this address did not take the call: it opened no stream of events, so it does not speak HTTP+SSE: is its address right? Most end in /sse")
	default:
		res.Body = &oldStream{body: res.Body, name: func(address string) (string, error) { return s.oldName(r, c, res.Request.URL, address) }}
		res.ContentLength = -1
		res.Header.Del("Content-Length")
	}
	return nil
}

var errEndpoint = errors.New("the upstream names an address elsewhere for messages")

// oldName is our address for messages that go to an upstream's. One of another origin is refused: the upstream would have
// us ask whomever it likes.
func (s *Server) oldName(r *http.Request, c guard.Call, base *url.URL, address string) (string, error) {
	to, err := base.Parse(address)
	if err != nil || to.Scheme != base.Scheme || to.Host != base.Host || to.User != nil || len(address) > maxEndpoint {
		return "", errEndpoint
	}
	to.Fragment = ""
	sealed, err := s.c.Box.Seal([]byte(to.String()), belongs(ofMessages, c))
	return r.URL.EscapedPath() + "?" + messageParam + "=" + base64.RawURLEncoding.EncodeToString(sealed), err
}

// oldStream is a stream whose endpoint events name our address. Every one of them is changed, not the first alone: a later
// one would have the client post, with its token, where the upstream likes. Events come out whole, as soon as they are.
type oldStream struct {
	body   io.ReadCloser
	name   func(address string) (string, error)
	events mcp.Events
	ready  []byte
	failed error
}

func (o *oldStream) Read(p []byte) (int, error) {
	for len(o.ready) == 0 {
		if o.failed != nil {
			return 0, o.failed
		}
		o.fill(p)
	}
	n := copy(p, o.ready)
	o.ready = o.ready[n:]
	return n, nil
}

// fill reads once, into p, which is free until there is something to put into it.
func (o *oldStream) fill(p []byte) {
	n, err := o.body.Read(p)
	if full := o.events.Write(p[:n]); full != nil {
		o.failed = full
		return
	}
	o.ready = o.ready[:0]
	for e, ok := o.events.Next(); ok; e, ok = o.events.Next() {
		if !named(e.Raw, "endpoint") {
			o.ready = append(o.ready, e.Raw...)
			continue
		}
		ours, wrong := o.name(string(bytes.TrimSpace(e.Data)))
		if wrong != nil {
			o.failed = wrong
			return
		}
		o.ready = append(o.ready, "event: endpoint\ndata: "+ours+"\n\n"...)
	}
	// An event that its stream does not end is not dispatched (WHATWG HTML §9.2.6), and is passed to nobody.
	o.failed = err
}

func (o *oldStream) Close() error { return o.body.Close() }

// named reports whether an event has a name. WHATWG HTML §9.2.6: lines end in \n, \r or \r\n, one space after the colon is
// not part of the value, and the last field of a name counts. Here any counts.
func named(raw []byte, name string) bool {
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
	for len(raw) > 0 {
		line := raw
		if i := bytes.IndexAny(raw, "\r\n"); i >= 0 {
			line, raw = raw[:i], raw[i+1:]
		} else {
			raw = nil
		}
		value, ok := bytes.CutPrefix(line, []byte("event:"))
		if ok && string(bytes.TrimPrefix(value, []byte(" "))) == name {
			return true
		}
	}
	return false
}
