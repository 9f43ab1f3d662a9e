// Package policy answers: may this caller make this call? It holds the question, the decision, and the decider that
// looks at scopes only. It is pure: it reads no file, no clock and no network.
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
	Tool      *mcp.Tool // nil: not a tool, or not registered
	Caller    token.Caller
	Client    netip.Addr
}

// Scopes says what each operation of one server needs. It is the first question, and with ScopesOnly the last.
// The zero Scopes asks for oauth.DefaultScope.
type Scopes struct {
	All oauth.Scopes            // every operation; empty: oauth.DefaultScope
	Per map[string]oauth.Scopes // :: "tools/call NAME" or "tools/call" → scopes besides
}

// Needed is everything that op needs.
func (s Scopes) Needed(op mcp.Operation) oauth.Scopes {
	all := s.All
	if len(all) == 0 {
		all = oauth.Scopes{oauth.DefaultScope}
	}
	if len(s.Per) == 0 {
		return all
	}
	return all.Union(s.Per[op.Method]).Union(s.Per[op.Method+" "+op.Name])
}
