package policy

import (
	"context"

	"github.com/doorward-mcp/doorward/mcp"
)

// ScopesOnly allows what the token's scopes cover and challenges for what they lack. The zero ScopesOnly needs
// oauth.DefaultScope for everything.
type ScopesOnly struct{ Scopes Scopes }

var _ Decider = ScopesOnly{}

// Decide is a Decider's.
func (s ScopesOnly) Decide(_ context.Context, r Request) Decision {
	if r.Caller.Subject == "" {
		return Decision{Code: "no_caller", Title: "nobody calls"}
	}
	missing := s.Scopes.Missing(r.Caller.Scopes, r.Operation)
	if len(missing) > 0 {
		return Decision{Verdict: Challenge, Code: "insufficient_scope", Title: "the token lacks scope for this operation", Lacking: Lacking{Scopes: missing}}
	}
	return Decision{Verdict: Allow, Code: "scopes", Rules: byScopes}
}

var byScopes = []string{"scopes-only"}

// Visible is a Decider's: with scopes alone, an item is visible if using it would be allowed.
func (s ScopesOnly) Visible(ctx context.Context, r Request, items []mcp.Item) []bool {
	seen := make([]bool, len(items))
	for i, item := range items {
		r.Operation = item.Use()
		seen[i] = s.Decide(ctx, r).Verdict == Allow
	}
	return seen
}
