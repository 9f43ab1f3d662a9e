package gateway

import (
	"errors"
	"fmt"
	"strings"

	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/policy"
)

// A rule may allow a call on the condition that something is taken out of its answer. It is, wherever the answer comes: in one
// piece, in a stream, in a batch, on a stream that the client opens later, or as the result of a task. What cannot be read is
// not passed on. While nothing was ever taken out of a server's answers, and Config.Redacts does not say that something may be,
// none is looked at for it; from then on, an answer on a stream is passed on only if it is known what was asked.

// codeRedact is the code of an answer out of which nothing can be taken. It stays as it is.
const codeRedact = "upstream.redact"

// errRedact is an answer out of which nothing can be taken.
var errRedact = errors.New("something is to be taken out of it")

// redactions is what is taken out of the answers to a call, by the id of the request; nil: nothing.
func redactions(c guard.Call) (all map[string]*mcp.Redaction, err error) {
	for i, d := range c.Decisions {
		var pointers []string
		for _, o := range d.Obligations {
			if o.Name != policy.Redact {
				continue
			}
			pointers = append(pointers, strings.Fields(o.Value)...)
		}
		if len(pointers) == 0 {
			continue
		}
		r, err := mcp.NewRedaction(pointers...)
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = map[string]*mcp.Redaction{}
		}
		all[c.Message.Operations[i].ID] = r // a batch has every id once
	}
	return all, nil
}

// asks is what must be known when the answers to a call come, remembered before the upstream has the call.
func (s *Server) asks(c guard.Call) (map[string]*mcp.Redaction, error) {
	redact, err := redactions(c)
	if err != nil {
		return nil, err
	}
	if redact != nil {
		s.redacting.Store(true)
	}
	for _, op := range c.Message.Operations {
		if op.Kind != mcp.KindRequest {
			continue
		}
		if item, ok := op.Item(); ok && item.Kind == mcp.ItemTask && s.redacting.Load() {
			if r := s.c.Tasks.redaction(c, item.Name).With(redact[op.ID]); r != nil {
				if redact == nil {
					redact = map[string]*mcp.Redaction{}
				}
				redact[op.ID] = r
			}
		}
		q := question{search: s.searches(op), redact: redact[op.ID]}
		if q.search || s.redacting.Load() && c.Message.Revision.Sessions() {
			s.c.Tasks.remember(c, op.ID, q)
		}
	}
	return redact, nil
}

// redaction is what is taken out of the answer to a request; known: what was asked for is. In a session, the answer to one
// request can come to another with the same id.
func (f *filter) redaction(id string) (r *mcp.Redaction, known bool) {
	r = f.redact[id]
	if !f.call.OpensStream() && f.call.Message.Session == "" {
		return r, f.redact == nil || f.isAsked(id)
	}
	q, known := f.s.c.Tasks.question(f.call, id)
	return r.With(q.redact), known || f.isAsked(id)
}

// redactsBody reports whether something is to be taken out of an answer in one piece.
func (f *filter) redactsBody() bool {
	if f.redact != nil {
		return true
	}
	if !f.s.redacting.Load() || f.call.Message.Session == "" {
		return false
	}
	for _, op := range f.call.Message.Operations {
		if taken, _ := f.redaction(op.ID); taken != nil && op.Kind == mcp.KindRequest {
			return true
		}
	}
	return false
}

// isAsked reports whether the call has a request with this id.
func (f *filter) isAsked(id string) bool {
	for _, op := range f.call.Message.Operations {
		if op.Kind == mcp.KindRequest && op.ID == id {
			return true
		}
	}
	return false
}

// redacts reports whether something may have to be taken out of what came, of which r is known.
func (f *filter) redacts(data []byte, r mcp.Reply, ok bool) bool {
	if !f.s.redacting.Load() {
		return false
	}
	if !ok {
		return f.redact != nil || f.call.OpensStream() || strings.HasPrefix(strings.TrimLeft(string(data[:min(len(data), 64)]), " \t\r\n"), "[")
	}
	taken, known := f.redaction(r.ID)
	return taken != nil || !known
}

// takeOut is data without what is to be taken out of it; nothing: it is not passed on.
func (f *filter) takeOut(data []byte) ([]byte, error) {
	out, err := mcp.Redact(data, mcp.Redactions{
		Answer: f.redaction,
		Task:   func(id string) *mcp.Redaction { return f.s.c.Tasks.redaction(f.call, id) },
		Words:  f.redact != nil || f.call.OpensStream(),
		Modern: f.call.Message.Revision == mcp.V20260728,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errRedact, err)
	}
	return out, nil
}
