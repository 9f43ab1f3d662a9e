package cedar

import (
	"context"

	"github.com/cedar-policy/cedar-go"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/policy"
)

// Visible is a policy.Decider's: an item is shown if some call could be allowed, or allowed after a remedy.
func (e *Engine) Visible(_ context.Context, r policy.Request, items []mcp.Item) []bool {
	seen := make([]bool, len(items))
	l, ok := e.list(r)
	if !ok {
		return seen
	}
	for i, item := range items {
		seen[i] = l.shows(item)
	}
	return seen
}

// list is what one caller may see of one server.
type list struct {
	e      *Engine
	r      policy.Request
	server *server
	who    subject
	plain  *cedar.Record // the context of actions whose rules do not look at the tool
}

func (e *Engine) list(r policy.Request) (*list, bool) {
	server, ok := e.servers[r.Server]
	if !ok || r.Caller.Subject == "" {
		return nil, false
	}
	who, ok := e.subject(r)
	return &list{e: e, r: r, server: server, who: who}, ok
}

func (l *list) shows(item mcp.Item) bool {
	if item.Definition != (mcp.Hash{}) && !l.server.accepts(item) {
		return false
	}
	switch item.Kind {
	case mcp.ItemTask: // whose it is, is not decided by rules; who may not connect sees none
		return l.e.connect(&l.who, l.server, l.r).Verdict == policy.Allow
	case mcp.ItemResource:
		if len(item.Name) > maxAddress {
			return false
		}
		for _, a := range l.server.addressed(item.Name) {
			if !l.could(a) {
				return false
			}
		}
		return true
	}
	a := l.server.find(item)
	return a != nil && l.could(a)
}

// could reports whether some call of an action could be allowed.
func (l *list) could(a *action) bool {
	if !a.open.permits(l.who.within) {
		return false
	}
	verdict, found := l.e.evaluate(&l.who, a, &a.open, l.record(a))
	return l.e.erred(found) == "" && verdict == cedar.Allow
}

// record is the context of an action with its arguments left open. It is the same for all actions whose rules do not look at the
// tool, so it is built once.
func (l *list) record(a *action) cedar.Record {
	if a.openReads.member("tool") != nil {
		return l.e.context(&l.r, a, a.openPlan, nil)
	}
	if l.plain == nil {
		record := l.e.context(&l.r, a, l.server.openPlan, nil)
		l.plain = &record
	}
	return *l.plain
}

// connect decides the protocol itself: what has no rule of its own, such as initialize, lists and streams, is for whom something
// of the server could be allowed, unless a forbid matches.
func (e *Engine) connect(who *subject, server *server, r policy.Request) policy.Decision {
	a := server.connect
	record := e.context(&r, a, a.plan, nil)
	d := e.step1(who, a, &a.decide, record)
	if d.Code == codeNoPermit {
		l := &list{e: e, r: r, server: server, who: *who}
		for _, other := range server.inOrder {
			if l.could(other) {
				d = policy.Decision{Verdict: policy.Allow, Code: codeAllowed}
				break
			}
		}
	}
	if d.Verdict != policy.Allow {
		return d
	}
	return e.step2(who, a, &a.remedy, record, d)
}
