package admin

import (
	"slices"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/audit/verify"
)

// Query asks for records of the audit log. A record must fit every member that is not zero.
type Query struct {
	Person   string    `json:"person,omitempty"`   // pseudonym, of the subject, of an actor, or of whoever was erased
	Agent    string    `json:"agent,omitempty"`    // client_id, of the client or of an actor
	Tool     string    `json:"tool,omitempty"`     // name of a tool or prompt
	Server   string    `json:"server,omitempty"`   // resource identifier
	Decision string    `json:"decision,omitempty"` // verdict of the policy
	Code     string    `json:"code,omitempty"`
	Grant    string    `json:"grant,omitempty"`
	Request  string    `json:"request,omitempty"`
	ID       string    `json:"id,omitempty"`    // of the act
	About    string    `json:"about,omitempty"` // the client, key, setting or definition that an act is about
	Token    string    `json:"token,omitempty"` // jti
	Since    time.Time `json:"since,omitzero"`
	Until    time.Time `json:"until,omitzero"`  // the first moment that does not belong
	Before   int64     `json:"before,omitzero"` // only records with a smaller index: the page after one that ended there; 0: all
	Limit    int       `json:"limit,omitzero"`  // at most so many; 0: 100, and never more than 1,000
}

// Hit is a record that fits, with the index by which it can be proven.
type Hit struct {
	Index int64        `json:"index"`
	Entry verify.Entry `json:"record"`
}

// The bounds of a page.
const (
	usualPage   = 100
	largestPage = 1000
)

// Page is how many records q asks for.
func (q Query) Page() int {
	if q.Limit <= 0 {
		return usualPage
	}
	return min(q.Limit, largestPage)
}

// Fits reports whether a record is one that q asks for, its index left out.
func (q Query) Fits(e *verify.Entry) bool {
	for _, t := range q.Terms() {
		if !slices.Contains(TermsOf(e), t) {
			return false
		}
	}
	if q.Since.IsZero() && q.Until.IsZero() {
		return true
	}
	at, err := time.Parse(time.RFC3339, e.Time)
	return err == nil && !at.Before(q.Since) && (q.Until.IsZero() || at.Before(q.Until))
}

// Term is one thing by which records are found.
type Term struct{ Kind, Value string }

// Terms are what a record must have for q, what few records have first.
func (q Query) Terms() (all []Term) {
	for _, t := range []Term{{"id", q.ID}, {"request", q.Request}, {"token", q.Token}, {"grant", q.Grant}, {"about", q.About}, {"person", q.Person}, {"agent", q.Agent},
		{"tool", q.Tool}, {"code", q.Code}, {"decision", q.Decision}, {"server", q.Server}} {
		if t.Value != "" {
			all = append(all, t)
		}
	}
	return all
}

// TermsOf is all by which a record is found.
func TermsOf(e *verify.Entry) (all []Term) {
	add := func(kind, value string) {
		if t := (Term{kind, value}); value != "" && !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	add("id", e.ID)
	add("request", e.Request)
	add("grant", e.Grant)
	add("about", e.About)
	add("agent", e.Client)
	add("code", e.Code)
	add("server", e.Server)
	if e.Subject != nil {
		add("person", e.Subject.Pseudonym)
	}
	if e.Code == string(audit.PersonErased) {
		add("person", e.About)
	}
	for _, a := range e.Chain {
		add("person", a.Pseudonym)
		add("agent", a.Client)
	}
	for _, t := range e.Tokens {
		add("token", t.ID)
	}
	for _, c := range e.Calls {
		add("tool", c.Name)
	}
	if e.Policy != nil {
		add("decision", e.Policy.Verdict)
	}
	return all
}
