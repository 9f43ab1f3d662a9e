package gateway

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"sync"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/mcp"
)

// answer is an upstream's answer on its way to the client. run passes it on up to the message that ends it, which is
// held; release lets go what was held, after the outcome has been recorded, and what may still follow.
type answer struct {
	w        http.ResponseWriter
	flush    func() error
	res      *http.Response
	call     guard.Call
	held     []byte
	more     bool // the upstream has not ended yet
	gone     bool // the client went away; the upstream is read to its end
	events   mcp.Events
	pending  int // requests of the message that have no response yet
	finish   func()
	outcome  audit.Outcome
	canceled context.CancelCauseFunc
}

const chunk = 32 << 10

var buffers = sync.Pool{New: func() any { b := make([]byte, chunk); return &b }}

// begin writes the head of the answer.
func (s *Server) begin(w http.ResponseWriter, call guard.Call, res *http.Response, end context.CancelCauseFunc) *answer {
	a := &answer{w: w, flush: http.NewResponseController(w).Flush, res: res, call: call, canceled: end, finish: func() {}}
	for _, op := range call.Message.Operations {
		if op.Kind == mcp.KindRequest {
			a.pending++
		}
	}
	pass(w.Header(), res.Header, returned)
	w.WriteHeader(res.StatusCode)
	if streams(res) {
		_ = a.flush() // the client learns at once that the stream is open
		done := make(chan struct{})
		a.finish = func() { close(done) }
		go s.watch(call, done, end)
	}
	return a
}

func (a *answer) close() {
	a.finish()
	_ = a.res.Body.Close()
}

// run is the part of the answer before its end.
func (a *answer) run() (audit.Outcome, error) {
	if a.res.StatusCode >= 400 {
		a.outcome.Result, a.outcome.Reason = "failed", http.StatusText(a.res.StatusCode)
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	if streams(a.res) {
		return a.outcome, a.runEvents(*buf)
	}
	return a.outcome, a.runBody(*buf)
}

// runBody passes a plain body on and holds its last piece.
func (a *answer) runBody(buf []byte) error {
	whole := true // held is everything so far: small answers are read for their outcome
	for {
		n, err := a.res.Body.Read(buf)
		if n > 0 {
			if len(a.held)+n > chunk {
				if err := a.send(a.held); err != nil {
					return err
				}
				a.held, whole = a.held[:0], false
			}
			a.held = append(a.held, buf[:n]...)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return a.broken(err)
		}
	}
	if whole && a.res.StatusCode < 400 {
		for _, r := range mcp.Responses(a.held) {
			a.judge(r)
		}
	}
	return nil
}

// runEvents passes events on as they come, up to the response to the last request of the message, which is held.
func (a *answer) runEvents(buf []byte) error {
	for {
		n, err := a.res.Body.Read(buf)
		if full := a.events.Write(buf[:n]); full != nil {
			return full
		}
		if ended, err := a.take(); ended || err != nil {
			a.more = true
			return err
		}
		if errors.Is(err, io.EOF) {
			a.held = append(a.held, a.events.Rest()...)
			return nil
		}
		if err != nil {
			return a.broken(err)
		}
	}
}

// take sends the complete events that have come, in one piece, and reports whether the one that is held ends the answer.
func (a *answer) take() (ended bool, err error) {
	var ready []byte
	for {
		e, ok := a.events.Next()
		if !ok {
			break
		}
		if r, ok := mcp.Response(e.Data); ok && len(e.Data) > 0 {
			a.judge(r)
			if a.pending--; a.pending == 0 {
				a.held = append(a.held, e.Raw...)
				ended = true
				break
			}
		}
		ready = append(ready, e.Raw...)
	}
	if len(ready) == 0 {
		return ended, nil
	}
	if err := a.send(ready); err != nil {
		return ended, err
	}
	return ended, a.flushed()
}

// judge takes a response into the outcome. What failed stays.
func (a *answer) judge(r mcp.Reply) {
	switch {
	case r.Failed:
		a.outcome.Result, a.outcome.Reason = "failed", "rpc_error"
	case r.ToolFailed && a.outcome.Result == "":
		a.outcome.Result, a.outcome.Reason = "failed", "tool_error"
	}
}

// send writes to the client. When it is gone, an older revision's call is read to its end all the same.
func (a *answer) send(b []byte) error {
	if a.gone || len(b) == 0 {
		return nil
	}
	if _, err := a.w.Write(b); err != nil {
		return a.lost()
	}
	return nil
}

// flushed sends on what was written, where the client waits for it: a plain answer goes out whole when it ends.
func (a *answer) flushed() error {
	if a.gone || !streams(a.res) {
		return nil
	}
	if err := a.flush(); err != nil {
		return a.lost()
	}
	return nil
}

func (a *answer) lost() error {
	if a.call.Message.Revision.ClosingCancels() || opensStream(a.call) {
		a.canceled(errGone)
		return errGone
	}
	a.gone = true
	return nil
}

// broken is the end of an answer that its upstream did not end: by our own doing, or by its fault.
func (a *answer) broken(err error) error {
	if cause := context.Cause(a.res.Request.Context()); cause != nil {
		err = cause
	}
	if errors.Is(err, context.Canceled) {
		return errGone
	}
	return err
}

// release sends what was held and passes on what may still follow. An upstream that breaks off is not ended cleanly.
func (a *answer) release() {
	if a.send(a.held) != nil || a.flushed() != nil {
		return
	}
	if !a.more {
		return
	}
	if a.send(a.events.Rest()) != nil || a.flushed() != nil {
		return
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for {
		n, err := a.res.Body.Read(*buf)
		if a.send((*buf)[:n]) != nil || n > 0 && a.flushed() != nil {
			return
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

func mediaType(res *http.Response) string {
	mt, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return mt
}
