package stdio

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/doorward-mcp/doorward/mcp"
)

var (
	errNobody         = errors.New("no caller")
	errNoMessage      = errors.New("no message")
	errSessionMissing = errors.New("the session id is missing")
	errStart          = errors.New("the process could not be started")
)

// first waits for what a flight says first, and answers in the form that it asks for.
func (c *call) first(ctx context.Context, q *process, f *flight) (*http.Response, error) {
	var replies []said
	for {
		m, ok, err := f.next(ctx, 0)
		switch {
		case ok && m.method == "":
			replies = append(replies, m)
		case ok:
			return c.streamed(ctx, q, f, append(replies, m)), nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			return c.died(q, f, replies), nil
		default:
			return c.whole(q, f, replies), nil
		}
	}
}

// whole is the answer that has come in one piece.
func (c *call) whole(q *process, f *flight, replies []said) *http.Response {
	status := http.StatusOK
	if !c.batch() && !f.revision.Sessions() {
		status = statusOf(replies[0])
	}
	res := respond(status, c.join(replies))
	if replies[0].result {
		c.introduce(res, q, f)
	}
	return res
}

// introduce tells the client the id of its new session.
func (c *call) introduce(res *http.Response, q *process, f *flight) {
	switch {
	case !f.opensSession():
	case c.guest != nil:
		res.Header.Set("Mcp-Session-Id", c.guest.id)
	case q.session != "":
		res.Header.Set("Mcp-Session-Id", q.session)
	}
}

// batch says whether the answer is an array, because the body was one.
func (c *call) batch() bool {
	return bytes.HasPrefix(bytes.TrimLeft(c.message.Body, " \t\r\n"), []byte("["))
}

func (c *call) join(replies []said) []byte {
	if !c.batch() {
		return replies[0].data
	}
	parts := make([][]byte, len(replies))
	for i, r := range replies {
		parts[i] = r.data
	}
	return append(append([]byte("["), bytes.Join(parts, []byte(","))...), ']')
}

// statusOf is the HTTP status of an error in 2026-07-28 (Transports: 404 for an unknown method, 400 for a request that the protocol refuses).
func statusOf(m said) int {
	switch m.code {
	case mcp.MethodNotFound:
		return http.StatusNotFound
	case mcp.InvalidParams, mcp.HeaderMismatch, mcp.UnsupportedRevision, missingCapability:
		return http.StatusBadRequest
	}
	return http.StatusOK
}

// missingCapability is the code of MissingRequiredClientCapabilityError (2026-07-28).
const missingCapability = -32021

// streamed is the answer that has begun with something else than a response.
func (c *call) streamed(ctx context.Context, q *process, f *flight, head []said) *http.Response {
	e := &events{ctx: ctx, from: f.stream}
	for _, m := range head {
		e.add(m)
	}
	// Closing the stream cancels where the revision says so; elsewhere the work goes on, and nobody waits for its answer.
	e.left = func(atEnd bool) {
		switch {
		case atEnd:
		case f.revision.ClosingCancels():
			q.abandon(f)
		default:
			f.leave()
		}
	}
	res := stream200(e)
	c.introduce(res, q, f)
	return res
}

// died is the answer to requests whose process ended before it had said anything to them.
func (c *call) died(q *process, f *flight, replies []said) *http.Response {
	why, status := "the process of the MCP server ended before it answered", http.StatusOK
	if !q.spoke.Load() {
		status = http.StatusBadGateway
		why = "the command of the MCP server ended before it said anything"
		if q.complained.Load() {
			why += "; what it wrote to standard error is in the gateway's log"
		}
	}
	if known, late := q.why(); known != "" {
		why = known
		if late != nil {
			status = http.StatusGatewayTimeout
		}
	}
	answered := map[string]bool{}
	for _, r := range replies {
		answered[r.id] = true
	}
	for _, op := range f.operations {
		if !answered[op.ID] {
			replies = append(replies, said{data: mcp.ErrorBody(f.clientsName(op.ID), mcp.InternalError, why, nil)})
		}
	}
	return respond(status, c.join(replies))
}

// refusal is the answer to what did not reach a process.
func (c *call) refusal(err error) *http.Response {
	var soon tooSoon
	switch {
	case errors.Is(err, errNobody):
		return c.refuse(http.StatusForbidden, mcp.Denied, "nobody is known to call", 0)
	case errors.Is(err, errNoSession):
		return c.refuse(http.StatusNotFound, mcp.InvalidRequest, "there is no such session: initialize again", 0)
	case errors.Is(err, errSessionMissing):
		return c.refuse(http.StatusBadRequest, mcp.InvalidRequest, "Mcp-Session-Id is missing: begin with initialize", 0)
	case errors.Is(err, errCollision):
		return c.refuse(http.StatusBadRequest, mcp.InvalidRequest, "a request with this id is in flight in the session", 0)
	case errors.Is(err, errBatch):
		return c.refuse(http.StatusBadRequest, mcp.InvalidRequest, "in a batch for this server, requests stand alone", 0)
	case errors.Is(err, errNoMessage), errors.Is(err, errMeta):
		return c.refuse(http.StatusBadRequest, mcp.InvalidParams, "params and params._meta must be objects", 0)
	case errors.As(err, &soon):
		return c.refuse(http.StatusBadGateway, mcp.InternalError, "the command of the MCP server ended before it said anything, and is not started again yet", soon.wait)
	case errors.Is(err, errFull):
		return c.refuse(http.StatusServiceUnavailable, mcp.InternalError, "all processes of the MCP server are busy", 5*time.Second)
	case errors.Is(err, errUnread):
		return c.refuse(http.StatusServiceUnavailable, mcp.InternalError, "the MCP server does not read what it is sent", 5*time.Second)
	case errors.Is(err, errClosed):
		return c.refuse(http.StatusServiceUnavailable, mcp.InternalError, "the gateway is ending", 5*time.Second)
	case errors.Is(err, errStart):
		return c.refuse(http.StatusBadGateway, mcp.InternalError, "the command of the MCP server cannot be started; the gateway's log says why", 0)
	}
	return c.refuse(http.StatusBadGateway, mcp.InternalError, "the process of the MCP server has ended", 0)
}

func (c *call) refuse(status, code int, why string, again time.Duration) *http.Response {
	id := ""
	if ops := c.message.Operations; len(ops) == 1 && ops[0].Kind == mcp.KindRequest {
		id = ops[0].ID
	}
	res := respond(status, mcp.ErrorBody(id, code, why, nil))
	if again > 0 {
		res.Header.Set("Retry-After", strconv.Itoa(int((again+time.Second-1)/time.Second)))
	}
	return res
}

// respond makes an answer in one piece; without a body it has no type either.
func respond(status int, body []byte) *http.Response {
	res := newResponse(status, io.NopCloser(bytes.NewReader(body)))
	res.ContentLength = int64(len(body))
	if body != nil {
		res.Header.Set("Content-Type", "application/json")
		res.Header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	return res
}

func stream200(e *events) *http.Response {
	res := newResponse(http.StatusOK, e)
	res.ContentLength = -1
	res.Header.Set("Content-Type", "text/event-stream")
	return res
}

func newResponse(status int, body io.ReadCloser) *http.Response {
	return &http.Response{
		Status: strconv.Itoa(status) + " " + http.StatusText(status), StatusCode: status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Cache-Control": {"no-store"}}, Body: body,
	}
}

// events is a stream as server-sent events.
type events struct {
	ctx    context.Context
	from   *stream
	reader int
	buf    []byte
	err    error
	once   sync.Once
	left   func(atEnd bool) // called once, at the end or when the body is closed
}

func (e *events) add(m said) {
	e.buf = append(e.buf, "data: "...)
	e.buf = append(e.buf, m.data...)
	e.buf = append(e.buf, "\n\n"...)
}

func (e *events) Read(p []byte) (int, error) {
	if len(e.buf) == 0 && e.err == nil {
		m, ok, err := e.from.next(e.ctx, e.reader)
		switch {
		case ok:
			e.buf = e.buf[:0]
			e.add(m)
		case err != nil:
			e.err = err
		default:
			e.err = io.EOF
		}
	}
	if len(e.buf) == 0 {
		e.once.Do(func() { e.left(errors.Is(e.err, io.EOF)) })
		return 0, e.err
	}
	n := copy(p, e.buf)
	e.buf = e.buf[n:]
	return n, nil
}

// Close says that nobody reads any more.
func (e *events) Close() error {
	e.once.Do(func() { e.left(false) })
	return nil
}
