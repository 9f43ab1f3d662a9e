package policy

import (
	"context"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/token"
)

// Informed finds out what is known of the caller before Next is asked.
type Informed struct {
	Facts func(context.Context, token.Caller) Facts
	Next  Decider
}

var _ Decider = Informed{}

// Decide is a Decider's.
func (i Informed) Decide(ctx context.Context, r Request) Decision {
	r.Facts = i.Facts(ctx, r.Caller)
	return i.Next.Decide(ctx, r)
}

// Visible is a Decider's.
func (i Informed) Visible(ctx context.Context, r Request, items []mcp.Item) []bool {
	r.Facts = i.Facts(ctx, r.Caller)
	return i.Next.Visible(ctx, r, items)
}
