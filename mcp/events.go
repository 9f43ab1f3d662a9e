package mcp

import (
	"bytes"
	"errors"
)

// DefaultMaxEvent is the bound of Events whose Max is zero.
const DefaultMaxEvent = 16 << 20

// ErrEventTooLarge says that an event of a stream is larger than Events may hold.
var ErrEventTooLarge = errors.New("an event of the stream is too large")

// Event is one event of a server-sent stream, with whatever comments stand before it.
type Event struct {
	Raw  []byte // the very bytes, with the blank line that ends it
	Data []byte // the payload: the data lines joined by newlines; nil: it has none, as a comment has
}

// Events splits a server-sent event stream (WHATWG HTML §9.2) without altering a byte: the Raw of all events, and then Rest, are what was
// written. Lines end in \n, \r or \r\n. An event is complete with its blank line, and is not held back for a \n that may follow a final \r;
// such a \n is the first byte of the next one. The zero Events is ready; it is not for concurrent use.
//
//	for {
//		n, err := body.Read(chunk)
//		if err := events.Write(chunk[:n]); err != nil { … }
//		for e, ok := events.Next(); ok; e, ok = events.Next() { … }
//	}
type Events struct {
	Max int // bytes of an event that is not complete; zero means DefaultMaxEvent

	buf   []byte
	start int  // of the event in buf
	line  int  // of the line that is being looked at
	seen  int  // how far that line was looked at
	cr    bool // the byte before line is a \r that ended one: a \n at line belongs to it
	begun bool // the first line of the stream, which may start with a byte order mark, is over
	data  []byte
	lines int // data lines of the event so far
}

// Write takes the next bytes of the stream and copies them. It makes earlier Events invalid. Take all events with Next before the next Write;
// if what is left is larger than Max, the error is ErrEventTooLarge, and Rest still gives it.
func (e *Events) Write(chunk []byte) error {
	if e.start > 0 {
		e.buf = e.buf[:copy(e.buf, e.buf[e.start:])]
		e.line -= e.start
		e.seen -= e.start
		e.start = 0
	}
	e.buf = append(e.buf, chunk...)
	limit := e.Max
	if limit == 0 {
		limit = DefaultMaxEvent
	}
	if len(e.buf)-len(chunk) > limit {
		return ErrEventTooLarge
	}
	return nil
}

// Next returns the next complete event. It is valid until the next call of Next or Write.
func (e *Events) Next() (Event, bool) {
	for {
		if e.cr && e.line < len(e.buf) {
			if e.buf[e.line] == '\n' {
				e.line++
			}
			e.cr = false
			e.seen = e.line
		}
		end := lineEnd(e.buf, e.seen)
		if end == len(e.buf) {
			e.seen = end
			e.letGo()
			return Event{}, false
		}
		line := e.buf[e.line:end]
		e.cr = e.buf[end] == '\r'
		e.line, e.seen = end+1, end+1
		if len(line) == 0 {
			return e.complete(), true
		}
		e.field(line)
	}
}

// letGo gives back the room of a large event when nothing is left: most streams are idle most of the time.
func (e *Events) letGo() {
	if e.start < len(e.buf) || cap(e.buf)+cap(e.data) <= maxKept {
		return
	}
	e.buf, e.data = nil, nil
	e.start, e.line, e.seen = 0, 0, 0
}

// complete ends the event at the blank line that was just read.
func (e *Events) complete() Event {
	if e.cr && e.line < len(e.buf) && e.buf[e.line] == '\n' {
		e.line, e.seen, e.cr = e.line+1, e.line+1, false
	}
	event := Event{Raw: e.buf[e.start:e.line:e.line]}
	if e.lines > 0 {
		event.Data = e.data
	}
	e.start, e.lines, e.begun = e.line, 0, true
	return event
}

// field takes the payload out of one line.
func (e *Events) field(line []byte) {
	if !e.begun {
		line = bytes.TrimPrefix(line, []byte("\ufeff"))
		e.begun = true
	}
	name, value, _ := bytes.Cut(line, []byte(":"))
	if string(name) != "data" {
		return
	}
	if e.data == nil {
		e.data = make([]byte, 0, 512) // so that an empty payload is not nil
	}
	if e.lines == 0 {
		e.data = e.data[:0]
	} else {
		e.data = append(e.data, '\n')
	}
	e.data = append(e.data, bytes.TrimPrefix(value, []byte(" "))...)
	e.lines++
}

// Rest returns what was written and is no complete event: at the end of a stream that broke off, or that ends without a blank line.
func (e *Events) Rest() []byte { return e.buf[e.start:] }

// lineEnd returns the place of the first line end at or after from, or the length of b.
func lineEnd(b []byte, from int) int {
	end := bytes.IndexByte(b[from:], '\n')
	if end < 0 {
		end = len(b) - from
	}
	if cr := bytes.IndexByte(b[from:from+end], '\r'); cr >= 0 {
		end = cr
	}
	return from + end
}
