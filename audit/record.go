package audit

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// Record is what is known before the act. Members that do not apply are zero.
type Record struct {
	Code    Code
	Now     time.Time // the one now of the request
	Request string    // its id
	Client  netip.Addr
	Caller  token.Caller // who calls, verified
	Subject token.Principal
	About   string // the OAuth client, person or key that the act is about
	Server  string // the resource's identifier
	Message mcp.Message
	Verdict string // what was decided
	Reason  string // why, stable
	Rules   []string
	Bundle  string

	Obligations []string // what the rules ask to be done with the call, such as redact:/ssn
	Level       string   // how much of the call the rules want recorded; empty: they do not say
	Shadow      []Shadow // what a candidate of the rules would have decided, where it differs
}

// Shadow is a decision that did not count, beside the verdict that did.
type Shadow struct {
	Live, Verdict string // of the decision that counted, and of this one
	Code          string // why, stable
	Rules         []string
	Bundle        string
}

// String is the decision that did not count, as records have it.
func (s Shadow) String() string {
	parts := append([]string{s.Verdict, s.Code, s.Bundle}, s.Rules...)
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), " ")
}

// Outcome is what is known after it. Subject and Grant are set by acts that found them out.
type Outcome struct {
	Result  string // "done", "refused", "failed", or a word of the act's own
	Reason  string
	Subject token.Principal
	Client  string
	Grant   string
	Token   string // jti
	Scopes  oauth.Scopes
	Actors  []token.Actor // current actor first; empty: the subject's own client
	Task    *token.Task   // what a token or consent is narrowed to; nil: nothing
}

// Phase is which of its records an act has reached.
type Phase string

// The phases.
const (
	PhaseIntent  Phase = "intent"
	PhaseOutcome Phase = "outcome"
	PhaseRefusal Phase = "refusal"
)

// Entry is what a Sink keeps.
type Entry struct {
	ID      string // of the act; intent and outcome share it
	Phase   Phase
	Class   Class
	Record  Record
	Outcome Outcome // of an outcome
	Count   int     // of a refusal: how many it stands for; 0 counts as 1
}
