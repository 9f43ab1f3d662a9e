package doorward

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/policy"
)

// policyMetrics count what was decided, by the records of it.
type policyMetrics struct{ decisions, shadow, notifications *prometheus.CounterVec }

func newPolicyMetrics(counter func(name, help string, labels ...string) *prometheus.CounterVec) policyMetrics {
	return policyMetrics{
		decisions:     counter("policy_decisions_total", "Decisions of calls by verdict and code. A batch counts once.", "server", "verdict", "code"),
		shadow:        counter("policy_shadow_total", "Decisions that a candidate of the rules would have made otherwise.", "server", "live", "shadow"),
		notifications: counter("policy_notifications_total", "Calls of which a rule wants somebody to know.", "server"),
	}
}

// count takes what was decided out of a record: a call that was allowed has an intent, any other a refusal.
func (m policyMetrics) count(e audit.Entry, server string) {
	if e.Phase == audit.PhaseOutcome || !strings.HasPrefix(string(e.Record.Code), "mcp.") {
		return
	}
	code := e.Record.Reason
	verdict, known := verdicts[code]
	switch {
	case e.Phase == audit.PhaseIntent && !known: // of a decider that has codes of its own
		verdict, code = policy.Allow, "other"
	case e.Phase == audit.PhaseIntent:
		verdict = policy.Allow
	case !known: // it was refused for something else
		return
	}
	m.decisions.WithLabelValues(server, verdict.String(), code).Inc()
	// What has not happened yet is there as 0, so that the first time is seen as a change.
	m.notifications.WithLabelValues(server)
	m.shadow.WithLabelValues(server, policy.Allow.String(), policy.Deny.String())
	for _, s := range e.Record.Shadow {
		m.shadow.WithLabelValues(server, s.Live, s.Verdict).Inc()
	}
	for _, o := range e.Record.Obligations {
		if strings.HasPrefix(o, policy.Notify+":") {
			m.notifications.WithLabelValues(server).Inc()
		}
	}
}

// verdicts are the codes of decisions, and what they come with.
var verdicts = map[string]policy.Verdict{
	"scopes": policy.Allow, "policy.allowed": policy.Allow,
	"insufficient_scope": policy.Challenge, "insufficient_user_authentication": policy.Challenge, "account_link_required": policy.Challenge, "approval_required": policy.Challenge,
	"policy.no_permit": policy.Deny, "policy.forbidden": policy.Deny, "policy.error": policy.Deny, "policy.bounds": policy.Deny, "policy.facts": policy.Deny, "policy.server": policy.Deny, "policy.ratelimit": policy.Deny,
	"definition.unknown": policy.Deny, "definition.missing": policy.Deny,
	"args.schema": policy.Deny, "args.number": policy.Deny, "args.uri": policy.Deny, "args.bounds": policy.Deny,
	"obligation.unknown": policy.Deny, "obligation.unsupported": policy.Deny,
	"no_caller": policy.Deny, "task": policy.Deny,
}
