// Package policy answers: may this caller make this call? It holds the question, the decision, and the decider that
// looks at scopes only. It is pure: it reads no file, no clock and no network.
package policy

import (
	"context"
	"net/netip"
	"time"

	"github.com/doorward-mcp/doorward/mcp"
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
