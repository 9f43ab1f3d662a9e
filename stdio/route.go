package stdio

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/doorward-mcp/doorward/mcp"
)

// hear takes one line of the process.
func (q *process) hear(text []byte) {
	all, ok := read(text)
	if !ok {
		q.voice.say("server process says what is no MCP on standard output", string(text[:min(len(text), 200)]))
		return
	}
	if !q.spoke.Swap(true) {
		close(q.speaks)
		q.pool.works(q.owner.Principal)
	}
	for _, m := range all {
		if q.share != nil && !jsontext.Value(m.data).IsValid() {
			// What two readers read differently, one of them could take for somebody else's.
			q.voice.say("server process says what is no strict JSON to many", m.id)
			continue
		}
		if m.method == "" {
			q.respond(m)
			continue
		}
		q.route(m)
	}
}

// respond hands a response to the flight that waits for it.
func (q *process) respond(m said) {
	q.mu.Lock()
	f := q.flights[m.id]
	if f == nil && m.id != "" && m.id == q.probed {
		q.mu.Unlock()
		return
	}
	if f == nil {
		_, late := q.cancelled[m.id]
		delete(q.cancelled, m.id)
		q.mu.Unlock()
		if !late {
			q.voice.say("server process answers what was not asked", m.id)
		}
		return
	}
	if f.opensSession() && q.share != nil {
		q.introduction = m
		defer close(q.introduced) // it is asked once, and has one answer
	}
	m.data = f.restore(m.data)
	// In before the flight can be seen to be over: what is idle may be ended.
	f.put(m)
	q.drop(f, m.id)
	last := f.left == 0
	q.mu.Unlock()
	if last {
		f.end(nil)
	}
	if f.opensSession() && !m.result {
		q.end("it refused its session")
		return
	}
	q.keepUp(f)
}

// route hands on a notification or a request of the server.
func (q *process) route(m said) {
	if q.share != nil {
		q.routeShared(m)
		return
	}
	f, unclaimed := q.addressee(m)
	switch {
	case f != nil:
		q.deliver(f, m)
	case unclaimed:
		if n := q.unclaimed.putBounded(m); n > 0 {
			q.drops.say("messages of the server are dropped: no client reads them", m.method)
		}
	case m.id != "":
		// MCP 2026-07-28 has no requests of servers. Without an answer this one would wait for ever.
		_ = q.input.put(append(mcp.ErrorBody(m.id, mcp.MethodNotFound, "a client of this revision takes no requests", nil), '\n'))
	default:
		q.log.Debug("a message of the server belongs to no request", "method", m.method)
	}
}

// addressee says which flight a message belongs to, or that the GET stream has it, or neither.
func (q *process) addressee(m said) (f *flight, unclaimed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case m.token != "" && m.method == "notifications/progress":
		return q.tokens[m.token], false // of a request that is over: MCP says it must stop
	case m.subscription != "":
		return q.flights[m.subscription], false
	}
	sessions := q.session != ""
	request := m.id != ""
	if !sessions && request {
		return nil, false
	}
	if request || m.method == "notifications/message" || m.method == "notifications/cancelled" {
		only, newest := q.candidates()
		if only != nil {
			return only, false
		}
		if request && q.streams == 0 && newest != nil {
			return newest, false
		}
	}
	return nil, sessions
}

// candidates are the only flight that is no subscription, if there is only one, and the newest. It is called with mu held.
func (q *process) candidates() (only, newest *flight) {
	several := false
	for _, f := range q.flights {
		if f.operations[0].Method == "subscriptions/listen" || f == newest {
			continue
		}
		if newest != nil {
			several = true
		}
		if newest == nil || f.order > newest.order {
			newest = f
		}
	}
	if several {
		return nil, newest
	}
	return newest, newest
}
