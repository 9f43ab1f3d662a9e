package guard

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
)

// levels are the values of policy.Audit, in their order.
var levels = map[string]int{"none": 1, "metadata": 2, "args": 3, "full": 4}

// oblige refuses a call with an obligation that nobody here knows, or that cannot be carried out: a rule that allows a call on
// a condition does not allow it without. does are the obligations that whoever asks carries out besides the guard.
// all are the decisions of the call, and after them those of what it is about besides, of which nothing is shown yet.
func oblige(c Call, all []policy.Decision, does []string) error {
	for i, d := range all {
		for _, o := range d.Obligations {
			reason := ""
			switch o.Name {
			case policy.Audit:
				if levels[o.Value] == 0 {
					reason = obligationUnsupported
				}
			case policy.RateLimit:
				if _, ok := readSpan(o.Value); !ok {
					reason = obligationUnsupported
				}
			case policy.Notify:
			case policy.Redact:
				if i >= len(c.Decisions) {
					continue
				}
				if _, err := mcp.NewRedaction(strings.Fields(o.Value)...); err != nil || !slices.Contains(does, o.Name) {
					reason = obligationUnsupported
				}
			default:
				reason = obligationUnknown
			}
			if reason != "" {
				return &denial{id: asked(c.Message)[i].ID, answer: &oauth.Error{Status: http.StatusForbidden, Code: "access_denied", Reason: reason,
					Description: "a rule allows this on a condition that this server cannot meet"}}
			}
		}
	}
	return nil
}

// The reasons of a call that is refused although it is allowed. They stay as they are.
const (
	obligationUnknown     = "obligation.unknown"
	obligationUnsupported = "obligation.unsupported"
	policyRateLimit       = "policy.ratelimit"
)

// notified says that a rule wants somebody to know of a call. It is said when the call is admitted, before it is made; who reads
// the log passes it on.
func (g *Guard) notified(ctx context.Context, c Call) {
	for i, d := range c.Decisions {
		for _, o := range d.Obligations {
			if o.Name != policy.Notify {
				continue
			}
			op := c.Message.Operations[i]
			g.c.Slog.WarnContext(ctx, "a rule wants to be told of a call", "whom", o.Value, "server", c.Server, "method", op.Method, "name", op.Name[:min(len(op.Name), longest)],
				"rule", o.Rule, "request", c.Request.ID)
		}
	}
}
