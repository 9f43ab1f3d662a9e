package stdio

import (
	"context"
	"net/http"

	"github.com/doorward-mcp/doorward/mcp"
)

// boardShared puts the flight on a process that others use too. An answer is one that the process need not be asked for.
func (c *call) boardShared(ctx context.Context, f *flight) (q *process, answer *http.Response, err error) {
	sessions := c.message.Revision.Sessions()
	if sessions && (c.message.Session != "" || !f.opensSession()) {
		q, err := c.process()
		if err != nil {
			return nil, nil, err
		}
		f.asker = c.guest
		if q.begin(f) != nil {
			return nil, nil, errNoSession
		}
		return q, nil, nil
	}
	if f.opensSession() && len(c.message.Operations) > 1 {
		return nil, nil, errBatch // MCP 2025-03-26, Lifecycle: initialize MUST NOT be part of a batch
	}
	f.asker = c.owner
	first := false
	with := c.shareOf(f)
	q, err = c.pool.place(ctx, func() (*process, *process, error) { return c.pool.tryShare(c.owner, f, with, &first) })
	if err != nil || !f.opensSession() {
		return q, nil, err
	}
	if c.guest, err = c.pool.admit(c.owner, q); err != nil {
		if first {
			q.end("its session could not begin")
		}
		return nil, nil, err
	}
	if first {
		return q, nil, nil
	}
	answer, err = c.introduced(ctx, q)
	return q, answer, err
}

// introduced is what a process said when it was initialized, to another who asks.
func (c *call) introduced(ctx context.Context, q *process) (*http.Response, error) {
	select {
	case <-q.introduced:
	case <-q.ended:
	case <-ctx.Done():
		c.pool.leave(c.guest)
		return nil, context.Cause(ctx)
	}
	q.mu.Lock()
	m := q.introduction
	q.mu.Unlock()
	if m.data == nil {
		c.pool.leave(c.guest)
		return nil, errEnded
	}
	id := c.message.Operations[0].ID
	res := respond(http.StatusOK, restore(m.data, map[string]string{m.id: id}))
	if m.result {
		res.Header.Set("Mcp-Session-Id", c.guest.id)
	}
	return res, nil
}

// forwarded says whether a message without requests goes to a shared process. What a client says about requests of the server does not: it
// was not asked, nobody was. The process is told once that it is initialized.
func (q *process) forwarded(m mcp.Message) (yes bool, err error) {
	for _, op := range m.Operations {
		ok := op.Kind == mcp.KindNotification
		switch op.Method {
		case "notifications/roots/list_changed", "notifications/progress":
			ok = false
		case "notifications/initialized":
			q.mu.Lock()
			ok, q.greeted = !q.greeted, true
			q.mu.Unlock()
		}
		if !ok && len(m.Operations) > 1 {
			return false, errBatch
		}
		if !ok {
			return false, nil
		}
	}
	return true, nil
}

// routeShared hands on a notification or a request of a server that many share: to whom it answers, and to nobody else.
func (q *process) routeShared(m said) {
	q.mu.Lock()
	var f *flight
	switch {
	case m.id != "":
	case m.method == "notifications/progress" && m.token != "":
		f = q.tokens[m.token]
	case m.subscription != "":
		f = q.flights[m.subscription]
	}
	q.mu.Unlock()
	text := told(m.method)
	switch {
	case f != nil:
		m.data = f.restore(m.data)
		q.deliver(f, m)
	case m.id != "" && m.method == "ping":
		_ = q.input.put([]byte(`{"jsonrpc":"2.0","id":` + m.id + `,"result":{}}` + "\n"))
	case m.id != "":
		_ = q.input.put(append(mcp.ErrorBody(m.id, mcp.MethodNotFound, "a process that many share cannot ask any of them", nil), '\n'))
	case text != nil:
		q.pool.announce(q, m.method, text)
	default:
		q.log.Debug("a message of a shared server answers no request", "method", m.method)
	}
}
