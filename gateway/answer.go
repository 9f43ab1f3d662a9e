package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/mcp"
)

// answer is an upstream's answer on its way to the client. run passes it on up to the message that ends it, which is
// held; release lets go what was held, after the outcome has been recorded, and what may still follow.
type answer struct {
	filter
	w        http.ResponseWriter
	flush    func() error
	res      *http.Response
	held     []byte
	more     bool // the upstream has not ended yet
	gone     bool // the client went away; the upstream is read to its end
	events   mcp.Events
	pending  int // requests of the message that have no response yet
	outcome  audit.Outcome
	canceled context.CancelCauseFunc
	keeps    bool // the answer is recorded, as the client gets it
}

const chunk = 32 << 10

var buffers = sync.Pool{New: func() any { b := make([]byte, chunk); return &b }}

// answer is what res will be to the client. Nothing is written yet.
func (s *Server) answer(ctx context.Context, w http.ResponseWriter, call guard.Call, redact map[string]*mcp.Redaction, id string, res *http.Response, end context.CancelCauseFunc) *answer {
	a := &answer{filter: s.filter(ctx, call, redact, id), w: w, flush: http.NewResponseController(w).Flush, res: res, canceled: end}
	a.sealed = s.sealsEvents(call, res)
	for _, op := range call.Message.Operations {
		if op.Kind == mcp.KindRequest {
			a.pending++
		}
	}
	return a
}

// begin writes the head of the answer.
func (a *answer) begin() {
	h := a.w.Header()
	pass(h, a.res.Header, returned)
	if shared(h["Cache-Control"]) || a.redact != nil {
		h["Cache-Control"] = []string{"no-store"}
	}
	guard.Inert(h)
	if !streams(a.res) {
		a.w.WriteHeader(a.res.StatusCode)
		return
	}
	delete(h, "Content-Length")             // of what the upstream sends: lists may become shorter
	h["X-Accel-Buffering"] = []string{"no"} // MCP 2026-07-28, Receiving Messages: proxies before us must not hold events
	a.w.WriteHeader(a.res.StatusCode)
	_ = a.flush() // the client learns at once that the stream is open
}

// shared reports whether caches that serve several people may keep an answer although its request had a token. RFC 9111
// §3.5: what an upstream says there, it says without knowing that there is one.
func shared(lines []string) bool {
	for _, line := range lines {
		line = strings.ToLower(line)
		if strings.Contains(line, "public") || strings.Contains(line, "s-maxage") || strings.Contains(line, "must-revalidate") {
			return true
		}
	}
	return false
}

func (a *answer) close() {
	_ = a.res.Body.Close()
}

// run is the part of the answer before its end.
func (a *answer) run() (audit.Outcome, error) {
	if a.res.StatusCode >= 400 {
		a.outcome.Result, a.outcome.Reason = "failed", http.StatusText(a.res.StatusCode)
	}
	if streams(a.res) {
		err := a.runEvents()
		return a.outcome, err
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	err := a.runBody(*buf)
	return a.outcome, err
}

// runBody passes a plain body on and holds its last piece.
func (a *answer) runBody(buf []byte) error {
	whole := true // held is everything so far: small answers are read for their outcome
	scan := a.strays()
	for {
		n, err := a.res.Body.Read(buf)
		if n > 0 {
			if len(a.held)+n > chunk {
				if scan != nil && scan.Lists(a.held) {
					return errStray
				}
				if err := a.send(a.held); err != nil {
					return err
				}
				a.held, whole = a.held[:0], false
			}
			a.held = append(a.held, buf[:n]...)
			a.keep(buf[:n])
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return a.broken(err)
		}
	}
	var replies []mcp.Reply
	if whole && a.res.StatusCode < 400 {
		replies = mcp.Responses(a.held)
	}
	for _, r := range replies {
		a.judge(r)
	}
	if scan != nil && a.stray(scan, replies) {
		return errStray
	}
	return nil
}

// stray reports whether a list stands in what is held. What was read as one response needs no second look.
func (a *answer) stray(scan *mcp.Scan, replies []mcp.Reply) bool {
	if len(replies) == 1 && !bytes.HasPrefix(bytes.TrimLeft(a.held, " \t\r\n"), []byte("[")) {
		return replies[0].Lists
	}
	return scan.Lists(a.held)
}

// runEvents passes events on as they come, up to the response to the last request of the message, which is held.
func (a *answer) runEvents() error {
	in := pieces{from: a.res.Body}
	defer in.close()
	for {
		piece, err := in.read()
		if full := a.events.Write(piece); full != nil {
			return full
		}
		if ended, err := a.take(); ended || err != nil {
			a.more = true
			return err
		}
		if errors.Is(err, io.EOF) {
			a.held = append(a.held, a.last(a.events.Rest())...)
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
		raw, replies := a.event(e)
		for _, r := range replies {
			a.judge(r)
			a.pending--
			ended = ended || a.pending == 0
		}
		if a.keeps && len(replies) > 0 {
			a.keepEvent(raw)
		}
		if ended {
			a.held = append(a.held, raw...)
			break
		}
		ready = append(ready, raw...)
	}
	if len(ready) == 0 {
		return ended, nil
	}
	if err := a.send(ready); err != nil {
		return ended, err
	}
	return ended, a.flushed()
}

// maxKept bounds the answer that is recorded. A longer one is not, for half of it would be no JSON.
const maxKept = 256 << 10

// keep adds to the answer that is recorded, if one is.
func (a *answer) keep(b []byte) {
	if !a.keeps {
		return
	}
	if len(a.outcome.Answer)+len(b) > maxKept {
		a.keeps, a.outcome.Answer = false, nil
		return
	}
	a.outcome.Answer = append(a.outcome.Answer, b...)
}

// keepEvent keeps the response that an event carries. Of several in one answer the last is kept: others belong to other records' ids.
func (a *answer) keepEvent(raw []byte) {
	var events mcp.Events
	if events.Write(raw) != nil {
		return
	}
	if e, ok := events.Next(); ok && len(e.Data) <= maxKept {
		a.outcome.Answer = bytes.Clone(e.Data)
	}
}

// judge takes a response into the outcome, before the client has it. What failed stays.
func (a *answer) judge(r mcp.Reply) {
	if r.Task != "" && makesTask(a.call, r.ID) {
		taken, _ := a.redaction(r.ID)
		a.s.c.Tasks.made(a.call, r.Task, taken)
	}
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
	if a.call.Message.Revision.ClosingCancels() || a.call.OpensStream() {
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
	in := pieces{from: a.res.Body}
	defer in.close()
	for {
		if _, err := a.take(); err != nil {
			return
		}
		piece, err := in.read()
		if full := a.events.Write(piece); full != nil {
			panic(http.ErrAbortHandler)
		}
		if errors.Is(err, io.EOF) {
			if _, err := a.take(); err == nil && a.send(a.last(a.events.Rest())) == nil {
				_ = a.flushed()
			}
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

func mediaType(res *http.Response) string {
	given := res.Header.Get("Content-Type")
	if given == "application/json" || given == "text/event-stream" { // as nearly all write it: parsing costs as much as the decision
		return given
	}
	mt, _, err := mime.ParseMediaType(given)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) { // clients go by what stands before the parameters
		return ""
	}
	return mt
}
