package main

import (
	"fmt"
	"strings"
)

// ruled is a rule in both languages. What it reads of the arguments stands in its conditions.
type ruled struct {
	server      int
	id          string
	forbid      bool
	group, tool string // empty: everybody's, and every action
	cedar       string // a clause; empty: none
	rego        string // expressions; empty: none
}

// orderRules are the ten rules about the call that is measured. They read ten members of its arguments.
var orderRules = []ruled{
	{id: "order.staff", group: "staff", tool: "order", cedar: `when { context.args.customer.id > 0 && context.args.currency == "EUR" }`,
		rego: `input.args.customer.id > 0; input.args.currency == "EUR"`},
	{id: "order.sales", group: "sales", tool: "order", cedar: `when { context.args has ship_to && context.args.ship_to has country && ["AT", "DE"].contains(context.args.ship_to.country) }`,
		rego: `input.args.ship_to.country in {"AT", "DE"}`},
	{id: "order.operators", group: "operators", tool: "order"},
	{id: "order.discount", forbid: true, tool: "order", cedar: `when { context.args has discount && context.args.discount has value && context.args.discount.value.greaterThan(decimal("0.3")) }`,
		rego: `input.args.discount > 0.3`},
	{id: "order.blocked", forbid: true, tool: "order", cedar: `when { context.args has tags && context.args.tags.contains("blocked") }`,
		rego: `"blocked" in input.args.tags`},
	{id: "order.express", forbid: true, tool: "order", cedar: `when { context.args has express && context.args.express && context.args.customer has tier && context.args.customer.tier == "free" }`,
		rego: `input.args.express; input.args.customer.tier == "free"`},
	{id: "order.city", forbid: true, group: "staff", tool: "order", cedar: `when { context.args has ship_to && context.args.ship_to has city && context.args.ship_to.city == "Linz" && context.args has reference && context.args.reference like "2025/*" }`,
		rego: `input.args.ship_to.city == "Linz"; startswith(input.args.reference, "2025/")`},
	{id: "order.mail", forbid: true, tool: "order", cedar: `unless { context.args.customer has email && context.args.customer.email like "*@*" }`,
		rego: `not contains(input.args.customer.email, "@")`},
	{id: "order.scope", forbid: true, tool: "order", cedar: `unless { context.token.scopes.contains("orders") }`,
		rego: `not "orders" in input.token.scopes`},
	{id: "people-only", forbid: true, cedar: `unless { context.delegation.human && context.delegation.client in ClientSet::"approved" }`,
		rego: `not approved`},
}

const regoHead = `package doorward

verdict := {"allow": allow, "permits": permits, "forbids": forbids}

default allow := false

allow if {
	count(permits) > 0
	count(forbids) == 0
}

approved if {
	input.delegation.human
	input.delegation.client in {"app"}
}
`

// spread are n rules about fifty tools of each of ten servers in turn, by twenty groups, every third a forbid: of 10,000, twenty
// are about each tool.
func spread(n int) []ruled {
	all := orderRules
	for i := range n - len(orderRules) {
		r := ruled{server: i % 10, id: fmt.Sprintf("r%d", i), group: fmt.Sprintf("g%d", i/500%20), tool: fmt.Sprintf("t%d", i/10%50), forbid: i%3 == 0}
		if r.tool == "t0" {
			r.tool = "order"
		}
		if r.forbid {
			r.cedar, r.rego = `when { context.time.hour < 6 && !context.delegation.human }`, `input.time.hour < 6; not input.delegation.human`
		} else {
			r.cedar, r.rego = `when { context.token.scopes.contains("mcp") }`, `"mcp" in input.token.scopes`
		}
		all = append(all[:len(all):len(all)], r)
	}
	return all
}

// byGroups are a thousand rules about one tool by as many groups, of which the caller is in four.
func byGroups() []ruled {
	all := orderRules
	for i := range 990 {
		all = append(all[:len(all):len(all)], ruled{id: fmt.Sprintf("r%d", i), group: fmt.Sprintf("g%d", i), tool: "order", cedar: `when { context.args.currency == "EUR" }`, rego: `input.args.currency == "EUR"`})
	}
	return all
}

// aboutEverybody are a thousand rules about one tool, whoever calls: no index helps.
func aboutEverybody() []ruled {
	all := orderRules
	for i := range 990 {
		all = append(all[:len(all):len(all)], ruled{id: fmt.Sprintf("r%d", i), forbid: true, tool: "order", cedar: fmt.Sprintf(`when { context.args.customer.id == %d }`, i+1), rego: fmt.Sprintf(`input.args.customer.id == %d`, i+1)})
	}
	return all
}

// inCedar is the rule as Cedar writes it.
func (r ruled) inCedar() string {
	effect, principal, action := "permit", "principal", "action"
	if r.forbid {
		effect = "forbid"
	}
	if r.group != "" {
		principal = fmt.Sprintf("principal in Group::%q", r.group)
	}
	if r.tool != "" {
		action = fmt.Sprintf(`action == Action::"s%d/%s"`, r.server, r.tool)
	}
	return fmt.Sprintf("@id(%q)\n%s (%s, %s, resource) %s;\n", r.id, effect, principal, action, r.cedar)
}

// inRego is the rule as Rego writes it: the action first, which OPA's own index goes by.
func (r ruled) inRego() string {
	set, parts := "permits", []string{}
	if r.forbid {
		set = "forbids"
	}
	if r.tool != "" {
		parts = append(parts, fmt.Sprintf(`input.action == "s%d/%s"`, r.server, r.tool))
	}
	if r.group != "" {
		parts = append(parts, fmt.Sprintf("%q in input.groups", r.group))
	}
	if r.rego != "" {
		parts = append(parts, r.rego)
	}
	return fmt.Sprintf("%s contains %q if { %s }\n", set, r.id, strings.Join(parts, "; "))
}
