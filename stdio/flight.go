package stdio

import (
	"context"
	"errors"
	"time"

	"github.com/doorward-mcp/doorward/mcp"
)

// cancelGrace is how long a request that its client has cancelled may still be answered: most servers never do.
const cancelGrace = 5 * time.Second

var errCollision = errors.New("a request with this id is in flight")

// A flight is a POST with requests that are not all answered. What it will still say is in its stream.
type flight struct {
	*stream
	operations []mcp.Operation // requests only
	revision   mcp.Revision
	left       int // requests without response; guarded by the process's mu
	order      int // among the flights of the process
	announced  int // how often its client was told that the server is starting; guarded by the process's mu

	tokens  []string          // of progress, as the process knows them
	names   map[string]string // :: name on the process → what the client calls it; nil: they are the same
	renames []rename          // of each message, in order; nil: none
	asker   any               // whose it is on a shared process: a *guest or an owner
}

// newFlight is the flight of a message. On a shared process its requests have names of their own.
func newFlight(m mcp.Message, shared bool) *flight {
	f := &flight{stream: newStream(), revision: m.Revision}
	for _, op := range m.Operations {
		if op.Kind == mcp.KindRequest {
			f.operations = append(f.operations, op)
		}
	}
	f.left = len(f.operations)
	if shared {
		f.rename(m)
		return f
	}
	for _, op := range f.operations {
		if t := readParams(op.Params).token; t != "" {
			f.tokens = append(f.tokens, t)
		}
	}
	return f
}

func (f *flight) opensSession() bool { return f.operations[0].Method == "initialize" }

// begin puts a flight on the process, or says why not: errEnded or errCollision.
func (q *process) begin(f *flight) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closing {
		return errEnded
	}
	now := q.pool.now()
	for id, until := range q.cancelled {
		if now.After(until) {
			delete(q.cancelled, id)
		}
	}
	for _, op := range f.operations {
		_, late := q.cancelled[op.ID]
		if q.flights[op.ID] != nil || late {
			return errCollision
		}
	}
	q.count++
	f.order = q.count
	for _, op := range f.operations {
		q.flights[op.ID] = f
	}
	for _, t := range f.tokens {
		q.tokens[t] = f
	}
	q.timer.Stop()
	return nil
}

// drop takes a request out of the air. It is called with mu held.
func (q *process) drop(f *flight, id string) {
	delete(q.flights, id)
	f.left--
	if f.left == 0 {
		for t, other := range q.tokens {
			if other == f {
				delete(q.tokens, t)
			}
		}
	}
	q.rest()
}

// flying says whether a request with the id is in flight.
func (q *process) flying(id string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.flights[id] != nil
}

// abandon cancels a flight whose client does not want its answer any more. What the server still says to it is dropped.
func (q *process) abandon(f *flight) {
	f.leave()
	if f.opensSession() && q.share != nil {
		return // others wait for its answer too
	}
	if f.opensSession() && q.flying(f.operations[0].ID) {
		q.end("its initialize was given up") // MCP: an initialize cannot be cancelled
		return
	}
	q.mu.Lock()
	var lines [][]byte
	until := q.pool.now().Add(lateAnswer)
	for _, op := range f.operations {
		if q.flights[op.ID] != f {
			continue
		}
		q.drop(f, op.ID)
		q.cancelled[op.ID] = until
		lines = append(lines, []byte(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":`+op.ID+`,"reason":"the client went away"}}`+"\n"))
	}
	q.mu.Unlock()
	if len(lines) > 0 && q.input.put(lines...) != nil {
		q.log.Warn("a server process was not told of a cancellation: it does not read its input")
	}
}

// giveUp answers a request that its client has cancelled and the server does not answer.
func (q *process) giveUp(id string) {
	q.mu.Lock()
	f := q.flights[id]
	q.mu.Unlock()
	if f == nil {
		return
	}
	time.AfterFunc(cancelGrace, func() {
		q.mu.Lock()
		same := q.flights[id] == f
		q.mu.Unlock()
		if same {
			q.respond(said{data: mcp.ErrorBody(id, mcp.InternalError, "the client cancelled the request", nil), id: id})
		}
	})
}

// withdraw takes back a flight that the process never got.
func (q *process) withdraw(f *flight) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, op := range f.operations {
		if q.flights[op.ID] == f {
			q.drop(f, op.ID)
		}
	}
}

// fall ends whatever is in flight on a process that is gone, and takes it out of the pool.
func (q *process) fall() {
	q.mu.Lock()
	q.closing = true
	broken := map[*flight]bool{}
	for _, f := range q.flights {
		broken[f] = true
	}
	clear(q.flights)
	clear(q.tokens)
	q.mu.Unlock()
	q.pool.forget(q, !q.spoke.Load() && !q.dismissed.Load())
	why, late := q.why()
	for f := range broken {
		if late != nil && f.announced > 0 { // its answer has begun, and can still say why
			for _, op := range f.operations {
				f.put(said{data: mcp.ErrorBody(f.clientsName(op.ID), mcp.InternalError, why, nil), id: op.ID})
			}
			f.end(nil)
			continue
		}
		f.end(errEnded)
	}
	q.unclaimed.end(nil)
	q.voice.over()
	q.drops.over()
}

// tell sends a line that is no request.
func (q *process) tell(ctx context.Context, text []byte) error {
	select {
	case <-q.started:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closing {
		return errEnded
	}
	q.rest()
	return q.input.put(text)
}
