package stdio

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/token"
)

// callerHeader carries the assertion that tells a server who calls.
const callerHeader = "Doorward-Caller"

// call is the way of one message to its process.
type call struct {
	pool    *Pool
	owner   owner
	message mcp.Message
	guest   *guest // the session on a shared process; nil: there is none
}

// RoundTrip is an http.RoundTripper's.
func (c *call) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close() // it is the message's, which has been read
	}
	res, err := c.answer(r)
	if err != nil && r.Context().Err() != nil {
		return nil, context.Cause(r.Context())
	}
	if err != nil {
		res = c.refusal(err)
	}
	res.Request = r
	return res, nil
}

func (c *call) answer(r *http.Request) (*http.Response, error) {
	if c.owner.Principal == (token.Principal{}) {
		return nil, errNobody
	}
	if len(c.message.Operations) == 0 {
		return nil, errNoMessage
	}
	switch c.message.Operations[0].Kind {
	case mcp.KindStream:
		return c.open(r)
	case mcp.KindEnd:
		return c.delete()
	}
	if slices.ContainsFunc(c.message.Operations, func(o mcp.Operation) bool { return o.Kind == mcp.KindRequest }) {
		return c.ask(r)
	}
	return c.tell(r)
}

// line is what the process gets for the message. Nobody in particular initializes a process that everybody shares.
func (c *call) line(r *http.Request, renames []rename) ([]byte, error) {
	assertion := r.Header.Get(callerHeader)
	if c.pool.Isolation == SharedInsecure && c.message.Operations[0].Method == "initialize" {
		assertion = ""
	}
	text, err := line(c.message.Body, assertion, renames)
	if err != nil {
		return nil, errors.Join(errNoMessage, err)
	}
	return text, nil
}

// process is the one of the session that the message names.
func (c *call) process() (*process, error) {
	if c.message.Session == "" {
		return nil, errSessionMissing
	}
	if !c.shares() {
		return c.pool.session(c.owner, c.message.Session)
	}
	g, err := c.pool.guest(c.owner, c.message.Session)
	if err != nil {
		return nil, err
	}
	c.guest = g
	return g.process, nil
}

// ask sends requests and waits for what comes first.
func (c *call) ask(r *http.Request) (*http.Response, error) {
	shared := c.shares()
	if shared && slices.ContainsFunc(c.message.Operations, func(o mcp.Operation) bool { return o.Kind != mcp.KindRequest }) {
		return nil, errBatch
	}
	f := newFlight(c.message, shared)
	text, err := c.line(r, f.renames)
	if err != nil {
		return nil, err
	}
	q, answer, err := c.board(r.Context(), f)
	if err != nil || answer != nil {
		return answer, err
	}
	if q.failure != nil {
		return nil, errStart
	}
	if err := q.input.put(text); err != nil {
		q.withdraw(f)
		if f.opensSession() && (c.message.Session == "" || q.share != nil) {
			q.end("its session could not begin")
		}
		return nil, err
	}
	c.watch(q)
	context.AfterFunc(r.Context(), func() { q.abandon(f) })
	return c.first(r.Context(), q, f)
}

// board puts the flight on its process.
func (c *call) board(ctx context.Context, f *flight) (q *process, answer *http.Response, err error) {
	if c.shares() {
		return c.boardShared(ctx, f)
	}
	sessions := c.message.Revision.Sessions()
	if !sessions || c.message.Session == "" && f.opensSession() {
		q, err = c.pool.place(ctx, func() (*process, *process, error) { return c.pool.tryBoard(c.owner, f, sessions) })
		return q, nil, err
	}
	if q, err = c.process(); err != nil {
		return nil, nil, err
	}
	if err := q.begin(f); errors.Is(err, errEnded) {
		return nil, nil, errNoSession
	} else if err != nil {
		return nil, nil, err
	}
	return q, nil, nil
}

// tell sends notifications and responses, which nobody answers.
func (c *call) tell(r *http.Request) (*http.Response, error) {
	q, err := c.listener()
	if err != nil {
		return nil, err
	}
	if q != nil && q.share != nil {
		if yes, err := q.forwarded(c.message); !yes {
			return respond(http.StatusAccepted, nil), err
		}
	}
	var renames []rename
	if q != nil && q.share != nil {
		renames = c.cancelled(q)
	}
	text, err := c.line(r, renames)
	if err != nil {
		return nil, err
	}
	if q == nil {
		return respond(http.StatusAccepted, nil), nil
	}
	err = q.tell(r.Context(), text)
	switch {
	case errors.Is(err, errEnded) && c.message.Revision.Sessions():
		return nil, errNoSession
	case errors.Is(err, errEnded):
		return respond(http.StatusAccepted, nil), nil
	case err != nil:
		return nil, err
	}
	c.watch(q)
	return respond(http.StatusAccepted, nil), nil
}

// listener is the process that a notification is for. In 2026-07-28 there may be none, and none is started for it.
func (c *call) listener() (*process, error) {
	if c.message.Revision.Sessions() {
		return c.process()
	}
	if c.shares() {
		return c.pool.sharing(c.shareOf(nil)), nil
	}
	var id string
	if op := c.message.Operations[0]; op.Method == "notifications/cancelled" {
		id = readParams(op.Params).cancelled
	}
	return c.pool.caller(c.owner, id), nil
}

// watch sees to the end of requests that the message cancels.
func (c *call) watch(q *process) {
	for _, op := range c.message.Operations {
		if op.Method != "notifications/cancelled" || op.Kind != mcp.KindNotification {
			continue
		}
		id := readParams(op.Params).cancelled
		if id != "" && q.share != nil {
			id = q.wireName(c.asker(), id)
		}
		if id != "" {
			q.giveUp(id)
		}
	}
}

// asker is whose the requests are that the message may cancel on a shared process.
func (c *call) asker() any {
	if c.guest != nil {
		return c.guest
	}
	return c.owner
}

// cancelled are the names on a shared process of what the messages cancel.
func (c *call) cancelled(q *process) []rename {
	all := make([]rename, len(c.message.Operations))
	for i, op := range c.message.Operations {
		if id := readParams(op.Params).cancelled; op.Kind == mcp.KindNotification && id != "" {
			all[i].cancelled = q.wireName(c.asker(), id)
		}
	}
	return all
}

// open opens the stream for what the server has to say.
func (c *call) open(r *http.Request) (*http.Response, error) {
	q, err := c.process()
	if err != nil {
		return nil, err
	}
	if !q.claim() {
		return nil, errNoSession
	}
	g := c.guest
	if g == nil {
		return stream200(&events{ctx: r.Context(), from: q.unclaimed, reader: q.unclaimed.claim(), left: q.unclaim}), nil
	}
	c.pool.listens(g, 1)
	left := func(atEnd bool) { q.unclaim(atEnd); c.pool.listens(g, -1) }
	return stream200(&events{ctx: r.Context(), from: g.stream, reader: g.stream.claim(), left: left}), nil
}

func (c *call) delete() (*http.Response, error) {
	q, err := c.process()
	if err != nil {
		return nil, err
	}
	if c.guest != nil {
		c.pool.leave(c.guest)
	} else {
		c.pool.endSession(q)
	}
	return respond(http.StatusNoContent, nil), nil
}

// endSession ends a session at once, and its process as it may.
func (p *Pool) endSession(q *process) {
	p.mu.Lock()
	delete(p.sessions, q.session)
	p.mu.Unlock()
	q.end("its client has ended the session")
}

// claim counts a GET stream in.
func (q *process) claim() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closing {
		return false
	}
	q.streams++
	q.timer.Stop()
	return true
}

// unclaim counts a GET stream out.
func (q *process) unclaim(bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.streams--
	q.rest()
}
