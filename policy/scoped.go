package policy

import (
	"context"

	"github.com/doorward-mcp/doorward/mcp"
)

// Scoped asks for the scopes of an operation, and Next for everything else. Both must allow.
type Scoped struct {
	Scopes Scopes
	Next   Decider
}

var _ Decider = Scoped{}

// Decide is a Decider's. A caller who lacks scope is challenged only if Next would not deny the token that the challenge asks
// for, and then for what both lack: a person is sent to consent once, and never for nothing.
func (s Scoped) Decide(ctx context.Context, r Request) Decision {
	first := ScopesOnly{s.Scopes}.Decide(ctx, r)
	if first.Verdict == Deny {
		return first
	}
	r.Caller.Scopes = r.Caller.Scopes.Union(first.Lacking.Scopes)
	d := s.Next.Decide(ctx, r)
	switch {
	case first.Verdict == Allow || d.Verdict == Deny:
		return d
	case d.Verdict == Allow:
		d.Verdict, d.Code, d.Title, d.Obligations = Challenge, first.Code, first.Title, nil
	}
	d.Lacking = d.Lacking.Union(first.Lacking)
	return d
}

// Visible is a Decider's.
func (s Scoped) Visible(ctx context.Context, r Request, items []mcp.Item) []bool {
	seen := ScopesOnly{s.Scopes}.Visible(ctx, r, items)
	return both(seen, s.Next.Visible(ctx, r, items))
}

// both is true where a and b are. What does not fit is false.
func both(a, b []bool) []bool {
	for i := range a {
		a[i] = a[i] && i < len(b) && b[i]
	}
	return a
}
