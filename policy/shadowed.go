package policy

import (
	"context"
	"slices"

	"github.com/doorward-mcp/doorward/mcp"
)

// Shadowed decides by Live, and says what Candidate would have decided where it differs. A candidate that panics changes
// nothing: it decides the zero Decision.
type Shadowed struct{ Live, Candidate Decider }

var _ Decider = Shadowed{}

// Decide is a Decider's.
func (s Shadowed) Decide(ctx context.Context, r Request) Decision {
	d := s.Live.Decide(ctx, r)
	c := s.candidate(ctx, r)
	if c.Verdict != d.Verdict || c.Code != d.Code || !slices.Equal(c.Obligations, d.Obligations) {
		d.Shadow = &Shadow{Verdict: c.Verdict, Code: c.Code, Rules: c.Rules, Bundle: c.Bundle}
	}
	return d
}

func (s Shadowed) candidate(ctx context.Context, r Request) (d Decision) {
	defer func() {
		if recover() != nil {
			d = Decision{Code: "shadow.failed"}
		}
	}()
	return s.Candidate.Decide(ctx, r)
}

// Visible is a Decider's: lists are Live's.
func (s Shadowed) Visible(ctx context.Context, r Request, items []mcp.Item) []bool {
	return s.Live.Visible(ctx, r, items)
}
