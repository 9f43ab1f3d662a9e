package cedar

import (
	"context"

	"github.com/cedar-policy/cedar-go"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/policy"
)

// The codes of decisions. They stay as they are.
const (
	codeAllowed   = "policy.allowed"
	codeNoPermit  = "policy.no_permit"   // nothing permits it
	codeForbidden = "policy.forbidden"   // a rule forbids it
	codeError     = "policy.error"       // a forbid could not be evaluated: it counts as one that forbids
	codeBounds    = "policy.bounds"      // more is said of the caller than is looked at
	codeServer    = "policy.server"      // the bundle says nothing of the server
	codeUnknown   = "definition.unknown" // the caller was shown a definition that nobody accepted
	codeMissing   = "definition.missing" // nobody accepted a definition of it

	codeScope    = "insufficient_scope"
	codeSignIn   = "insufficient_user_authentication"
	codeAccount  = "account_link_required"
	codeApproval = "approval_required"
)

var _ policy.Decider = (*Engine)(nil)

// Decide is a policy.Decider's. What it cannot judge it denies, with a code.
func (e *Engine) Decide(_ context.Context, r policy.Request) policy.Decision {
	d := e.decide(r)
	d.Bundle = e.digest
	return d
}

func (e *Engine) decide(r policy.Request) policy.Decision {
	server, ok := e.servers[r.Server]
	if !ok {
		return deny(codeServer, "the policy says nothing of this server")
	}
	if r.Caller.Subject == "" {
		return deny("no_caller", "nobody calls")
	}
	who, ok := e.subject(r)
	if !ok {
		return deny(codeBounds, "more groups are said of the caller than are looked at")
	}
	if r.Shown != (mcp.Hash{}) && !server.accepts(shown(r)) {
		return deny(codeUnknown, "what this is has changed since it was accepted here: it waits for the administrator")
	}
	item, named := r.Operation.Item()
	switch {
	case !named || item.Kind == mcp.ItemTask: // whose a task is, is not decided by rules
		return e.connect(&who, server, r)
	case item.Kind == mcp.ItemResource:
		return e.resource(&who, server, r)
	}
	a := server.find(item)
	if a == nil {
		return deny(codeMissing, "nobody has accepted this here: it waits for the administrator")
	}
	if r.Operation.Method == "completion/complete" {
		return e.complete(&who, a, r)
	}
	return e.judge(&who, a, r)
}

// resource judges the use of an address by everything that it could be: a template that could make it is not left out because
// another could too, or because of how the address is spelt. All must allow.
func (e *Engine) resource(who *subject, server *server, r policy.Request) policy.Decision {
	if len(r.Operation.Name) > maxAddress {
		return deny(codeBounds, "the address is longer than is looked at")
	}
	all := policy.Decision{Verdict: policy.Allow, Code: codeAllowed}
	for _, a := range server.addressed(r.Operation.Name) {
		d := e.judge(who, a, r)
		if d.Verdict == policy.Deny {
			return d
		}
		if d.Verdict < all.Verdict {
			all.Verdict, all.Code, all.Title = d.Verdict, d.Code, d.Title
		}
		all.Lacking, all.Rules, all.Obligations = all.Lacking.Union(d.Lacking), append(all.Rules, d.Rules...), append(all.Obligations, d.Obligations...)
	}
	return all
}

// complete judges the completion of an argument, whose arguments are not those of the call to come: it is what some call could be. What
// every call lacks, it lacks too, for it tells what there is.
func (e *Engine) complete(who *subject, a *action, r policy.Request) policy.Decision {
	record := e.context(&r, a, a.openPlan, nil)
	d := e.step1(who, a, &a.open, record)
	if d.Verdict != policy.Allow {
		return d
	}
	return e.step2(who, a, &a.openRemedy, record, d)
}

// judge is the three steps for one action with its arguments.
func (e *Engine) judge(who *subject, a *action, r policy.Request) policy.Decision {
	args, refused := a.args.read(r.Operation, a.reads.member("args"))
	if refused != nil {
		return refused.decision()
	}
	record := e.context(&r, a, a.plan, &args)
	d := e.step1(who, a, &a.decide, record)
	if d.Verdict != policy.Allow {
		return d
	}
	return e.step2(who, a, &a.remedy, record, d)
}

// step1 is permits and forbids for which there is no remedy.
func (e *Engine) step1(who *subject, a *action, set *ruleSet, record cedar.Record) policy.Decision {
	verdict, found := e.evaluate(who, a, set, record)
	if id := e.erred(found); id != "" {
		return policy.Decision{Code: codeError, Title: "a rule about this could not be evaluated", Rules: []string{id}}
	}
	d := policy.Decision{Code: codeNoPermit, Title: "nothing permits this"}
	if len(found.Reasons) > 0 {
		d.Rules = make([]string, len(found.Reasons))
	}
	for i, reason := range found.Reasons {
		d.Rules[i] = string(reason.PolicyID)
	}
	switch {
	case verdict == cedar.Allow:
		d.Verdict, d.Code, d.Title = policy.Allow, codeAllowed, ""
		d.Obligations = e.obligations(d.Rules)
	case len(found.Reasons) > 0:
		d.Code, d.Title = codeForbidden, e.title(d.Rules, "a rule forbids this")
	}
	return d
}

// step2 makes a challenge of what was allowed, if a forbid with a remedy fires.
func (e *Engine) step2(who *subject, a *action, set *ruleSet, record cedar.Record, allowed policy.Decision) policy.Decision {
	if len(set.rules) == 0 {
		return allowed
	}
	_, found := e.evaluate(who, a, set, record)
	if id := e.erred(found); id != "" {
		return policy.Decision{Code: codeError, Title: "a rule about this could not be evaluated", Rules: []string{id}}
	}
	if len(found.Reasons) == 0 {
		return allowed
	}
	d := policy.Decision{Verdict: policy.Challenge, Rules: allowed.Rules}
	var fired []string
	for _, reason := range found.Reasons {
		fired = append(fired, string(reason.PolicyID))
		d.Lacking = d.Lacking.Union(e.rules[string(reason.PolicyID)].lacking)
	}
	d.Rules = append(d.Rules, fired...)
	var words string
	d.Code, words = lacks(d.Lacking)
	d.Title = e.title(fired, words)
	return d
}

// lacks is the code of what is lacking, and what it is called. What the caller can do least about comes first.
func lacks(l policy.Lacking) (code, words string) {
	switch {
	case l.Approval:
		return codeApproval, "this needs an approval"
	case l.Account != "":
		return codeAccount, "this needs an account of the person's that is not linked"
	case l.ACR != "" || l.MaxAge > 0:
		return codeSignIn, "this needs a stronger or more recent sign-in"
	}
	return codeScope, "the token lacks scope for this"
}

// evaluate runs the rules that can be about the caller.
func (e *Engine) evaluate(who *subject, a *action, set *ruleSet, record cedar.Record) (cedar.Decision, cedar.Diagnostic) {
	who.action = a.known
	return cedar.Authorize(rulesFor{set, who.within}, who, cedar.Request{Principal: who.uid, Action: a.known.UID, Resource: serverUID(a.server), Context: record})
}

// erred is a forbid that could not be evaluated; empty: none. In Cedar it would be left out and let the call through. A permit
// that could not be evaluated permits nothing, which is safe, and is counted.
func (e *Engine) erred(found cedar.Diagnostic) string {
	for _, one := range found.Errors {
		if r := e.rules[string(one.PolicyID)]; !r.permits() {
			return r.id
		}
		e.skipped.Add(1)
	}
	return ""
}

// obligations are those of the permits that matched, each once.
func (e *Engine) obligations(ids []string) (all []policy.Obligation) {
	for _, id := range ids {
		all = append(all, e.rules[id].obligations...)
	}
	return all
}

// title is the first public title of rules, else words.
func (e *Engine) title(ids []string, words string) string {
	for _, id := range ids {
		if t := e.rules[id].title; t != "" {
			return t
		}
	}
	return words
}

func deny(code, title string) policy.Decision { return policy.Decision{Code: code, Title: title} }

func (r *refusal) decision() policy.Decision {
	title := r.why
	if r.at != "" {
		title = r.at + ": " + r.why
	}
	return deny(r.code, title)
}

// shown is what an operation uses, with the definition that the caller was shown.
func shown(r policy.Request) mcp.Item {
	item, _ := r.Operation.Item()
	item.Definition = r.Shown
	return item
}
