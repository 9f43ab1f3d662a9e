// Package policy answers: may this caller make this call? It holds the question, the decision, and the deciders that need no
// language: by scopes only, by scopes and then another, informed by what is known besides the token, shadowed by a candidate.
// It is pure: it reads no file, no clock and no network.
package policy

import (
	"context"
	"net/netip"
	"time"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// Decider decides. A nil Decider is refused where one is asked for.
type Decider interface {
	// Decide answers for one operation. The zero Decision denies.
	Decide(context.Context, Request) Decision
	// Visible applies the same rules to items of a list, with the arguments left open: one answer for each item.
	Visible(context.Context, Request, []mcp.Item) []bool
}

// Request is everything that a decision may look at.
type Request struct {
	Now       time.Time
	Server    string // the resource's identifier
	Operation mcp.Operation
	Shown     mcp.Hash // of the definition that the caller was shown of what Operation is about, if nobody has accepted it; zero: there is none
	Caller    token.Caller
	Facts     Facts
	Client    netip.Addr
}

// Facts is what is known of a caller besides its token. The zero Facts is nothing: what is missing is absent, never guessed.
type Facts struct {
	Name       string         // what people call the person: not unique beyond an issuer
	Groups     []string       // besides those of the token
	Attributes map[string]any // of the person: strings, bools, int64 and lists of strings
	Client     ClientFacts
}

// ClientFacts is what is known of the client that makes the call: the current actor. The zero value is a client that nobody
// knows, whose name is its own word.
type ClientFacts struct {
	Source        oauth.Source // how it came to be known
	Authenticates bool         // it proves who it is when it asks for a token, by a secret or a key
	Workload      bool         // it is a workload: what it proves itself with comes from the platform that runs it
}
