package audit

import (
	"encoding/base64"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/audit/verify"
	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/token"
)

// maxChain is how many actors of a chain a record has, from the current one on.
const maxChain = 10

// known is what the vault has told about those whom a record is about, before it is handed over.
type known struct {
	subject Subject
	actors  []string // pseudonyms of the chain's actors who are no clients; empty: of a client
	day     [32]byte // of the moment
}

// principal is whom the record is for.
func (e *Entry) principal() token.Principal {
	switch {
	case e.Outcome.Subject.Subject != "":
		return e.Outcome.Subject
	case e.Record.Caller.Subject != "":
		return e.Record.Caller.Principal
	}
	return e.Record.Subject
}

func (e *Entry) chain() []token.Actor {
	if len(e.Outcome.Actors) > 0 {
		return e.Outcome.Actors
	}
	return e.Record.Caller.Chain
}

// kept is the record as it is kept, besides what the journal numbers it with. Everything of a caller's that is not one of a few
// known words is committed to, never copied.
func kept(e *Entry, k *known, at time.Time) *verify.Entry {
	r, o := &e.Record, &e.Outcome
	v := &verify.Entry{V: verify.Version, ID: e.ID, Code: string(r.Code), Phase: string(e.Phase), Time: stamp(at), Request: r.Request, Count: e.Count,
		Client: k.word(first(o.Client, r.Caller.Client)), Grant: k.word(first(o.Grant, r.Caller.Grant)), Server: r.Server, Task: k.word(task(o.Task, r.Caller.Task)), Result: o.Result, Reason: first(o.Reason, r.Reason)}
	if !r.Now.IsZero() && r.Request != "" {
		v.Micros = max(at.Sub(r.Now).Microseconds(), 0)
	}
	if k.subject.Pseudonym != "" {
		v.Subject = &verify.Subject{Pseudonym: k.subject.Pseudonym}
	}
	if r.Client.IsValid() {
		v.Net = mark(k.day, "net", r.Client.String())
	}
	if e.Phase == PhaseOutcome { // what was known before the act stands in its intent
		v.Scopes = o.Scopes
		if o.Token != "" {
			v.Tokens = []verify.Token{{Kind: "access_token", ID: o.Token, Scopes: o.Scopes}}
		}
		if len(o.Actors) > 0 {
			v.Chain, v.Omitted = k.chain(o.Actors)
		}
		if e.Level.atLeast(LevelFull) && k.subject.Pseudonym != "" {
			// The error is of an answer that is no JSON: then nothing of it is kept either.
			v.Answer, _ = commitment(k.subject.Key, "answer", e.ID, o.Answer)
		}
		return v
	}
	if r.Name != "" {
		v.Name = mark(k.day, "name", strings.ToLower(r.Name))
	}
	v.About, v.Trace, v.Proto = k.word(r.About), r.Trace, string(r.Message.Revision)
	v.Chain, v.Omitted = k.chain(r.Caller.Chain)
	k.said(v, &r.Caller)
	v.Calls = calls(e, k)
	if e.Level.atLeast(LevelArgs) && len(r.Message.Operations) > 0 {
		v.Sealed = string(e.Level)
	}
	if r.Verdict != "" || len(r.Rules) > 0 {
		v.Policy = &verify.Decision{Verdict: r.Verdict, Code: r.Reason, Bundle: r.Bundle, Rules: r.Rules, Obligations: r.Obligations}
		for _, s := range r.Shadow {
			v.Policy.Shadow = append(v.Policy.Shadow, verify.Shadow{Live: s.Live, Verdict: s.Verdict, Code: s.Code, Bundle: s.Bundle, Rules: s.Rules})
		}
	}
	return v
}

// said is what the caller's token says.
func (k *known) said(v *verify.Entry, c *token.Caller) {
	if v.Subject != nil {
		v.Subject.ACR = c.ACR
		if !c.Authenticated.IsZero() {
			v.Subject.SignedIn = c.Authenticated.UTC().Format(time.RFC3339)
		}
	}
	if c.ID == "" && c.Hash == ([32]byte{}) {
		return
	}
	t := verify.Token{Kind: "access_token", ID: k.word(c.ID), Hash: sumText(c.Hash), Foreign: c.Foreign, Scopes: c.Scopes, Key: c.Key}
	if !c.Expires.IsZero() {
		t.Expires = c.Expires.UTC().Format(time.RFC3339)
	}
	v.Tokens = []verify.Token{t}
}

func (k *known) chain(chain []token.Actor) (all []verify.Actor, omitted int) {
	for i, a := range chain[:min(len(chain), maxChain)] {
		v := verify.Actor{Client: k.word(a.Client), How: a.How, Verified: a.How != "act-claim" && a.How != ""}
		if i < len(k.actors) {
			v.Pseudonym = k.actors[i]
		}
		all = append(all, v)
	}
	return all, max(len(chain)-maxChain, 0)
}

// calls are the operations, with commitments in place of what they are about.
func calls(e *Entry, k *known) []verify.Call {
	ops := e.Record.Message.Operations
	if len(ops) == 0 {
		return nil
	}
	all := make([]verify.Call, len(ops))
	for i := range ops {
		all[i] = call(e, k, &ops[i])
		if i < len(e.Record.Shown) {
			all[i].Definition = e.Record.Shown[i].String()
		}
	}
	return all
}

func call(e *Entry, k *known, op *mcp.Operation) verify.Call {
	v := verify.Call{Method: op.Method}
	switch op.Kind {
	case mcp.KindStream:
		v.Method = "GET"
	case mcp.KindEnd:
		v.Method = "DELETE"
	case mcp.KindResponse:
		v.Method = "response"
	}
	if !plain(v.Method) {
		v.Method = "unknown"
	}
	item, ok := op.Item()
	switch {
	case !ok:
	case (item.Kind == mcp.ItemTool || item.Kind == mcp.ItemPrompt) && plain(item.Name):
		v.Name = item.Name
	default:
		v.NameSum = mark(k.subject.Key, "name", e.ID+"\x00"+item.Name)
	}
	if kinds[e.Record.Code].class == Bounded || k.subject.Pseudonym == "" {
		return v // lists have no arguments, and what a stranger says is not kept in any form
	}
	// The error is of a value that is no JSON: mcp.Read has refused that.
	v.Args, _ = commitment(k.subject.Key, "args", e.ID, op.Args, e.Record.Secrets...)
	return v
}

// word is an identifier that came from outside, if it looks like one; else a commitment to it under the day's key. A stranger may
// send somebody's address as a client_id.
func (k *known) word(id string) string {
	for _, c := range []byte(id) {
		if c < ' ' || c > '~' || c == '@' || c == '?' || c == '#' || c == '%' {
			return "~" + mark(k.day, "word", id)
		}
	}
	if len(id) > 512 {
		return "~" + mark(k.day, "word", id)
	}
	return id
}

// plain reports whether a name can be a method, a tool or a prompt and nothing that a caller would smuggle into the log. It is
// what SEP-986 allows, and nothing with an @.
func plain(name string) bool {
	if name == "" || len(name) > 128 {
		return false
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' && c != '.' && c != '/' {
			return false
		}
	}
	return true
}

// sumText is a SHA-256 as records have it; empty for the zero one.
func sumText(sum [32]byte) string {
	if sum == ([32]byte{}) {
		return ""
	}
	return base64.RawStdEncoding.EncodeToString(sum[:])
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }
