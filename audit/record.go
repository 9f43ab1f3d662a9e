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
	About   string // the OAuth client, key, setting or definition that the act is about, never a person
	Name    string // of a person, as it was typed: the log commits to it and does not have it
	Server  string // the resource's identifier
	Message mcp.Message
	Verdict string // what was decided
	Reason  string // why, stable
	Rules   []string
	Bundle  string

	Obligations []string     // what the rules ask to be done with the call, such as redact:/ssn
	Level       string       // how much of the call the rules want recorded; empty: they do not say
	Known       func() Known // what was known of the caller besides its token; asked where the level records arguments; nil: nothing
	Trace       string       // traceparent (W3C Trace Context) of the request; empty: none
	Shown       []mcp.Hash   // definitions that the caller was shown of what the operations are about, one for each
	Secrets     []string     // JSON pointers into the arguments to what is never kept, besides what its name gives away
	Shadow      []Shadow     // what a candidate of the rules would have decided, where it differs
}

// Known is what was known of a caller besides its token.
type Known struct {
	Name       string         `json:"name,omitempty"`
	Groups     []string       `json:"groups,omitempty"` // of the token too
	Attributes map[string]any `json:"attributes,omitempty"`
	Evidence   []string       `json:"evidence,omitempty"` // how it is known who the client is: dpop, authenticated, listed or document
	Workload   bool           `json:"workload,omitempty"`
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
	Answer  []byte        // JSON of what came back, where Intent.Full asks for it
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
	Level   Level
	Record  Record
	Outcome Outcome // of an outcome
	Count   int     // of a refusal: how many it stands for; 0 counts as 1
}
