package gateway

import (
	"bytes"
	"encoding/base64"
	"net/http"

	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/mcp"
)

const lastEventHeader = "Last-Event-Id"

// The id of an event says where a stream goes on after a break (MCP 2025-11-25, Transports, Resumability). In a session the
// upstream looks for it in the session, whose id is the caller's alone. An upstream without sessions knows one caller, us: an
// id that anybody else saw or guessed would have it send again what was for somebody else. So there the client gets each id
// sealed for itself.

// resume puts the id after which the client wants to go on into what is sent. An id that is not its own is refused, and one
// where no stream can go on is left out.
func (s *Server) resume(to http.Header, c guard.Call) error {
	given := to[lastEventHeader]
	if len(given) == 0 || c.Message.Session != "" {
		return nil
	}
	delete(to, lastEventHeader)
	if s.c.Box == nil || !c.Message.Revision.Sessions() || given[0] == "" {
		return nil
	}
	sealed, err := base64.RawURLEncoding.DecodeString(given[0])
	if err == nil {
		sealed, err = s.c.Box.Open(sealed, belongs(ofEvents, c))
	}
	if err != nil || len(given) != 1 {
		return &mcp.Error{Status: http.StatusBadRequest, Code: mcp.InvalidRequest, Message: "there is no such event: open a stream without Last-Event-ID", ID: firstID(c)}
	}
	to[lastEventHeader] = []string{string(sealed)}
	return nil
}

// sealsEvents reports whether the ids of a stream's events are sealed: it belongs to no session.
func (s *Server) sealsEvents(c guard.Call, res *http.Response) bool {
	return s.c.Box != nil && c.Message.Session == "" && res.Header.Get(sessionHeader) == "" && c.Message.Revision.Sessions()
}

// sealID is an event whose id is its caller's, every other line as it was. WHATWG HTML §9.2.6: the field is id, one space
// after the colon is not part of it, and one with a NULL in it counts for nothing.
func (f *filter) sealID(raw []byte) []byte {
	if !f.sealed || !bytes.Contains(raw, []byte("id")) {
		return raw
	}
	out := make([]byte, 0, len(raw)+128)
	for len(raw) > 0 {
		end := bytes.IndexAny(raw, "\r\n")
		if end < 0 {
			end = len(raw)
		}
		line, rest := raw[:end], raw[end:]
		out = append(out, f.sealedLine(line)...)
		n := len(rest) - len(bytes.TrimLeft(rest, "\r\n"))
		out, raw = append(out, rest[:n]...), rest[n:]
	}
	return out
}

func (f *filter) sealedLine(line []byte) []byte {
	name, value, _ := bytes.Cut(bytes.TrimPrefix(line, []byte("\ufeff")), []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	if string(name) != "id" || len(value) == 0 || bytes.IndexByte(value, 0) >= 0 {
		return line
	}
	id, err := f.s.c.Box.Seal(value, belongs(ofEvents, f.call))
	if err != nil { // an id is for going on after a break: without one, nothing goes on
		return []byte("id")
	}
	return base64.RawURLEncoding.AppendEncode([]byte("id: "), id)
}
