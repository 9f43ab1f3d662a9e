package gateway

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/mcp"
)

// A list shows a caller what it may use, and nothing else. That is a courtesy, for the call itself is decided again, but it
// fails closed: what may be a list and cannot be read is not passed on.
//
// Lists are found by the request that they answer and by their shape. A client of a session can have an answer sent where
// nobody remembers the question: on a stream that it opens again with Last-Event-ID, or on that of another request with the
// same id. So every event of every stream is looked at, which is no more reading than its record needs, and every answer in
// one piece of a revision with sessions.

// maxList bounds an answer that is read whole, as it is after it is unpacked.
const maxList = 16 << 20

// codeList is the code of an answer that may be a list and cannot be read. It stays as it is.
const codeList = "upstream.list"

// errStray is a list in an answer to something else, of which a part has gone out already.
var errStray = errors.New("a list stands in the answer to something else")

// filter takes out of the answers to one call what its caller may not use.
type filter struct {
	s      *Server
	ctx    context.Context
	call   guard.Call
	asked  map[string]mcp.Asked      // :: id of a request → what it lists; a request that lists nothing is not here
	redact map[string]*mcp.Redaction // :: id of a request → what is taken out of its answer; nil: nothing of any
	sealed bool                      // ids of events are sealed for the caller
	whole  bool                      // the answer has been read and filtered, all of it
	id     string                    // of the call's record
	one    [1]mcp.Reply              // room for what nearly every event has at most
}

func (s *Server) filter(ctx context.Context, call guard.Call, redact map[string]*mcp.Redaction, id string) filter {
	f := filter{s: s, ctx: ctx, call: call, redact: redact, id: id}
	for _, op := range call.Message.Operations {
		asked := mcp.Asked{List: mcp.ListedBy(op.Method), Search: s.searches(op)}
		if op.Kind != mcp.KindRequest || asked == (mcp.Asked{}) {
			continue
		}
		if f.asked == nil {
			f.asked = map[string]mcp.Asked{}
		}
		f.asked[op.ID] = asked
	}
	return f
}

// searches reports whether an operation calls a tool whose result lists tools.
func (s *Server) searches(op mcp.Operation) bool {
	return op.Method == "tools/call" && slices.Contains(s.c.ToolSearch, op.Name)
}

// about is what is known of the question that an answer with this id answers.
func (f *filter) about(id string) mcp.Asked {
	if asked, ok := f.asked[id]; ok || len(f.s.c.ToolSearch) == 0 {
		return asked
	}
	q, _ := f.s.c.Tasks.question(f.call, id) // sent again, or sent where something else was asked for
	return mcp.Asked{Search: q.search}
}

// lists reports whether the call asks for lists.
func (f *filter) lists() bool { return len(f.asked) > 0 }

// wants reports whether an answer, of which r is known, must be read for lists.
func (f *filter) wants(r mcp.Reply, ok bool) bool {
	if r.Lists {
		return true
	}
	return ok && !r.Failed && f.about(r.ID) != (mcp.Asked{})
}

// pass is data without what the caller may not use.
func (f *filter) pass(data []byte) ([]byte, error) {
	l, err := mcp.ReadListing(data, f.about)
	if err != nil {
		return nil, err
	}
	defined, err := f.defined(l)
	if err != nil {
		return nil, err
	}
	seen := f.seen(l.Items, defined)
	f.show(l, seen)
	return l.Bytes(seen, f.call.Message.Revision == mcp.V20260728), nil
}

// seen says which items the caller may use, of those whose definitions may be shown; nil: all may.
func (f *filter) seen(items []mcp.Item, defined []bool) []bool {
	if len(items) == 0 {
		return nil
	}
	seen := f.s.guard.Visible(f.ctx, f.call, items)
	for i := range defined {
		seen[i] = seen[i] && defined[i]
	}
	for i, item := range items {
		// TASK-NO-CONTEXT: where nobody knows who calls, nobody is shown what others do.
		if item.Kind == mcp.ItemTask && (f.s.c.InsecureOpen || !f.s.c.Tasks.of(f.call, item.Name)) {
			seen[i] = false
		}
	}
	return seen
}

// fault is the answer in place of a list that cannot be read, or of an answer out of which nothing can be taken.
func (f *filter) fault(err error, status int) *fault {
	f.s.c.Slog.WarnContext(f.ctx, "answer withheld", "request", f.call.Request.ID, "server", f.call.Server, "error", err)
	if status < http.StatusBadRequest {
		status = http.StatusBadGateway
	}
	switch {
	case errors.Is(err, errUnkept):
		return newFault(f.call, http.StatusServiceUnavailable, codeUnkept, "what this server says of what it has could not be recorded; try again later")
	case f.redact != nil, errors.Is(err, errRedact):
		return newFault(f.call, status, codeRedact, "a rule wants something taken out of this answer, and it cannot be read")
	}
	return newFault(f.call, status, codeList, "the MCP server behind this address sent a list that cannot be read, so that it is not known what in it is for you")
}
