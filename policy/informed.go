package policy

import (
	"context"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/token"
)

// Informed finds out what is known of the caller before Next is asked. Where that cannot be found out, it denies.
type Informed struct {
	Facts func(context.Context, token.Caller) (Facts, error)
	Next  Decider
}

var _ Decider = Informed{}

// Decide is a Decider's.
func (i Informed) Decide(ctx context.Context, r Request) Decision {
	var err error
	if r.Facts, err = i.Facts(ctx, r.Caller); err != nil {
		return Decision{Code: "policy.facts", Title: "it could not be found out who calls"}
	}
	d := i.Next.Decide(ctx, r)
	d.Facts = &r.Facts
	return d
}

// Visible is a Decider's.
func (i Informed) Visible(ctx context.Context, r Request, items []mcp.Item) []bool {
	var err error
	if r.Facts, err = i.Facts(ctx, r.Caller); err != nil {
		return make([]bool, len(items))
	}
	return i.Next.Visible(ctx, r, items)
}
