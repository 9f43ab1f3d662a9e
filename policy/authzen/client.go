package authzen

import (
	"context"
	"sync"

	"github.com/go-json-experiment/json"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/policy"
)

// The codes of decisions. They stay as they are.
const (
	codeAllowed     = "authzen.allowed"
	codeDenied      = "authzen.denied"
	codeUnknown     = "authzen.method"      // a method that no mapping knows
	codeUnavailable = "authzen.unavailable" // no answer, or one that cannot be read
	codeNobody      = "no_caller"
)

// atOnce is how many items of a list are asked about at the same time; maxItems how many at all: more are not shown.
const (
	atOnce   = 16
	maxItems = 500
)

// Client is a Decider that asks a decision point. The zero Client denies everything.
type Client struct {
	// Post sends an access evaluation request and gives the answer's body, if its status was 200.
	Post func(ctx context.Context, body []byte) ([]byte, error)
	// Failed is told why a decision point could not be asked; nil: nobody is.
	Failed func(context.Context, error)
}

var _ policy.Decider = (*Client)(nil)

// Decide is a policy.Decider's.
func (c *Client) Decide(ctx context.Context, r policy.Request) policy.Decision {
	if r.Caller.Subject == "" {
		return policy.Decision{Code: codeNobody, Title: "nobody calls"}
	}
	e, how := ask(r)
	switch how {
	case unknown:
		return policy.Decision{Code: codeUnknown, Title: "nothing is known of this method"}
	case passed:
		return policy.Decision{Verdict: policy.Allow, Code: codeAllowed}
	}
	allowed, must, err := c.evaluate(ctx, e)
	switch {
	case err != nil:
		if c.Failed != nil {
			c.Failed(ctx, err)
		}
		return policy.Decision{Code: codeUnavailable, Title: "it could not be found out whether this is allowed"}
	case !allowed:
		return policy.Decision{Code: codeDenied, Title: "the policy of this server denies it"}
	}
	return policy.Decision{Verdict: policy.Allow, Code: codeAllowed, Obligations: must}
}

// Visible is a policy.Decider's. The mapping of a call has no arguments in it, so that an item is shown if it could be used.
func (c *Client) Visible(ctx context.Context, r policy.Request, items []mcp.Item) []bool {
	seen := make([]bool, len(items))
	places := make(chan struct{}, atOnce)
	var under sync.WaitGroup
	for i, item := range items[:min(len(items), maxItems)] {
		places <- struct{}{}
		under.Go(func() {
			defer func() { <-places }()
			one := r
			one.Operation = item.Use()
			seen[i] = c.Decide(ctx, one).Verdict == policy.Allow
		})
	}
	under.Wait()
	return seen
}

// evaluate asks. Authorization API 1.0 §6.2: the decision is a boolean, and anything else is no decision.
func (c *Client) evaluate(ctx context.Context, e evaluation) (bool, []policy.Obligation, error) {
	if c.Post == nil {
		return false, nil, errNobody
	}
	body, err := json.Marshal(e)
	if err != nil {
		return false, nil, err
	}
	answer, err := c.Post(ctx, body)
	if err != nil {
		return false, nil, err
	}
	return readDecision(answer)
}
