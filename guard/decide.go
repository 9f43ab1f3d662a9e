package guard

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/token"
)

// denial is a refusal by decision. It is answered as a JSON-RPC error with the id of the operation.
type denial struct {
	answer  *oauth.Error
	id      string            // of the operation that was denied
	lacking policy.Lacking    // all of it, also what no token helps with
	decided []policy.Decision // on the way to it, for the record
}

func (d *denial) Error() string { return d.answer.Error() }
func (d *denial) Unwrap() error { return d.answer }

// decide asks once for each operation of the message. All must be allowed; of a batch that is not, everything that it lacks
// is said at once, and nothing if one of its operations is out of reach whatever the token. After the decisions of the
// operations stand those of what they are about besides.
func (g *Guard) decide(r *http.Request, c Call) ([]policy.Decision, error) {
	all := make([]policy.Decision, 0, len(c.Message.Operations))
	var first *denial
	var worst policy.Decision
	top := 0 // the rank of worst
	for _, op := range asked(c.Message) {
		if !inTask(c.Caller, op) {
			return nil, &denial{answer: notInTask, id: op.ID, decided: all}
		}
		d := g.c.Decider.Decide(r.Context(), policy.Request{Now: c.Request.Now, Server: c.Server, Operation: op, Shown: g.shown(c, op), Caller: c.Caller, Client: c.Request.Client})
		all = append(all, d)
		switch {
		case d.Verdict == policy.Allow:
		case rank(d) > top:
			top, first = rank(d), &denial{id: op.ID}
			d.Lacking = d.Lacking.Union(worst.Lacking)
			worst = d
		default:
			worst.Lacking = worst.Lacking.Union(d.Lacking)
		}
	}
	if first != nil {
		if top == hopeless {
			worst.Lacking = policy.Lacking{} // what others of the batch lack would not help
		}
		first.answer, first.lacking, first.decided = g.denied(r, c, worst), worst.Lacking, all
		return nil, first
	}
	if len(all) == 0 { // nothing asked is nothing allowed
		return nil, &mcp.Error{Status: http.StatusBadRequest, Code: mcp.InvalidRequest, Message: "the message asks for nothing"}
	}
	return all, nil
}

// asked is every operation of the message, and after them the use of everything that one of them is about besides.
func asked(m mcp.Message) []mcp.Operation {
	all := m.Operations[:len(m.Operations):len(m.Operations)] // what is appended stands elsewhere
	for _, op := range m.Operations {
		for _, item := range op.Also() {
			use := item.Use()
			use.ID = op.ID
			all = append(all, use)
		}
	}
	return all
}

// Visible says which items of a list the caller of c may use: what the decider says, with the arguments left open, and of
// that what the task of the token leaves. An answer that does not fit the question is no to everything.
func (g *Guard) Visible(ctx context.Context, c Call, items []mcp.Item) []bool {
	seen := g.c.Decider.Visible(ctx, policy.Request{Now: c.Request.Now, Server: c.Server, Caller: c.Caller, Client: c.Request.Client}, items)
	if len(seen) != len(items) {
		return make([]bool, len(items))
	}
	for i, item := range items {
		seen[i] = seen[i] && inTask(c.Caller, item.Use())
	}
	return seen
}

// inTask reports whether the task of a token leaves an operation. A stream, its end and an answer to a question of the
// server ask for nothing by themselves. It comes before the Decider: no policy widens what a person agreed to.
func inTask(c token.Caller, op mcp.Operation) bool {
	switch op.Kind {
	case mcp.KindStream, mcp.KindEnd, mcp.KindResponse:
		return true
	}
	return c.Task.Allows(op.Method, op.Name)
}

// notInTask has no challenge: a new token for the same task would do no better.
var notInTask = &oauth.Error{Status: http.StatusForbidden, Code: "access_denied", Reason: "task", Description: "the token is for one task, and this operation is not in it"}

// Record begins the record of a call that was admitted.
func (c Call) Record() audit.Record {
	r := c.record()
	r.Verdict = policy.Allow.String()
	decided(&r, c.Decisions)
	r.Code = audit.Listed
	for _, op := range c.Message.Operations {
		if k := code(op); strength[k] > strength[r.Code] {
			r.Code = k
		}
	}
	return r
}

// decided puts decisions into a record, and what those that allow ask to be done.
func decided(r *audit.Record, all []policy.Decision) {
	for _, d := range all {
		r.Rules, r.Bundle, r.Reason = append(r.Rules, d.Rules...), d.Bundle, d.Code
		if s := d.Shadow; s != nil {
			r.Shadow = append(r.Shadow, audit.Shadow{Live: d.Verdict.String(), Verdict: s.Verdict.String(), Code: s.Code, Rules: s.Rules, Bundle: s.Bundle})
		}
		if f := d.Facts; f != nil && r.Known == nil {
			caller := r.Caller
			r.Known = func() audit.Known { return knownOf(caller, *f) }
		}
		if d.Verdict != policy.Allow {
			continue
		}
		for _, o := range d.Obligations {
			r.Obligations = append(r.Obligations, o.Name+":"+o.Value)
			if o.Name == policy.Audit && levels[o.Value] > levels[r.Level] {
				r.Level = o.Value
			}
		}
	}
}

// knownOf is what a decision knew of a caller, in the words in which calls are described.
func knownOf(c token.Caller, f policy.Facts) audit.Known {
	k := audit.Known{Name: f.Name, Groups: slices.Concat(c.Groups, f.Groups), Attributes: f.Attributes, Workload: f.Client.Workload}
	for how, is := range map[string]bool{"dpop": c.Key != "", "authenticated": f.Client.Authenticates, "listed": f.Client.Source == oauth.Listed, "document": f.Client.Source == oauth.Document} {
		if is {
			k.Evidence = append(k.Evidence, how)
		}
	}
	slices.Sort(k.Evidence)
	return k
}

func (c Call) record() audit.Record {
	return audit.Record{Now: c.Request.Now, Request: c.Request.ID, Client: c.Request.Client, Caller: c.Caller, Server: c.Server, Message: c.Message, Trace: c.Trace}
}

// strength orders codes: a batch is recorded as the strongest of what it asks.
var strength = map[audit.Code]int{audit.Listed: 0, audit.Streamed: 1, audit.SessionEnded: 2, audit.Read: 3, audit.Called: 4}

// light are the methods that change nothing and show no content; what is not listed here is recorded like a tool call.
var light = map[string]audit.Code{
	"initialize": audit.Listed, "ping": audit.Listed, "server/discover": audit.Listed, "logging/setLevel": audit.Listed,
	"tools/list": audit.Listed, "prompts/list": audit.Listed, "resources/list": audit.Listed, "resources/templates/list": audit.Listed,
	"resources/read": audit.Read, "prompts/get": audit.Read, "completion/complete": audit.Read,
	"resources/subscribe": audit.Read, "resources/unsubscribe": audit.Read, "subscriptions/listen": audit.Streamed,
}

func code(op mcp.Operation) audit.Code {
	switch op.Kind {
	case mcp.KindStream:
		return audit.Streamed
	case mcp.KindEnd:
		return audit.SessionEnded
	case mcp.KindResponse:
		return audit.Listed
	case mcp.KindNotification:
		if strings.HasPrefix(op.Method, "notifications/") {
			return audit.Listed
		}
	}
	if k, ok := light[op.Method]; ok {
		return k
	}
	return audit.Called // also a notification: a server may carry out what has no id
}
