package cedar

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/token"
)

// benchRules are the ten rules about the call that is measured. They read ten members of its arguments.
const benchRules = `
@id("order.staff") @audit("args")
permit (principal in Group::"staff", action == Action::"s0/order", resource) when { context.args.customer.id > 0 && context.args.currency == "EUR" };
@id("order.sales")
permit (principal in Group::"sales", action == Action::"s0/order", resource) when { context.args has ship_to && context.args.ship_to has country && ["AT", "DE"].contains(context.args.ship_to.country) };
@id("order.tools")
permit (principal in Group::"operators", action in Action::"s0:tools", resource);
@id("order.discount") @title("No such discount")
forbid (principal, action == Action::"s0/order", resource) when { context.args has discount && context.args.discount has value && context.args.discount.value.greaterThan(decimal("0.3")) };
@id("order.blocked")
forbid (principal, action == Action::"s0/order", resource) when { context.args has tags && context.args.tags.contains("blocked") };
@id("order.express")
forbid (principal, action == Action::"s0/order", resource) when { context.args has express && context.args.express && context.args.customer has tier && context.args.customer.tier == "free" };
@id("order.city")
forbid (principal in Group::"staff", action == Action::"s0/order", resource) when { context.args has ship_to && context.args.ship_to has city && context.args.ship_to.city == "Linz" && context.args has reference && context.args.reference like "2025/*" };
@id("order.mail")
forbid (principal, action == Action::"s0/order", resource) unless { context.args.customer has email && context.args.customer.email like "*@*" };
@id("order.scope") @remedy("step_up_scope") @scope("orders")
forbid (principal, action == Action::"s0/order", resource) unless { context.token.scopes.contains("orders") };
`

// benchFew are two rules about another tool, which are three with benchGuardrail.
const benchFew = `
@id("cancel.staff")
permit (principal in Group::"staff", action == Action::"s0/t60", resource) when { context.args.customer.id != 1 };
@id("cancel.scope") @remedy("step_up_scope") @scope("orders")
forbid (principal, action == Action::"s0/t60", resource) unless { context.token.scopes.contains("orders") };
`

const benchGuardrail = `
@id("people-only")
forbid (principal, action, resource) unless { context.delegation.human && context.delegation.client in ClientSet::"approved" };
`

// benchBundle is the ten rules, and others that others writes.
func benchBundle(b *testing.B, others func(write func(server int, format string, args ...any))) *Engine {
	b.Helper()
	d := NewDefinitions("s0")
	for i := range 100 {
		name := fmt.Sprintf("t%d", i)
		if i == 0 {
			name = "order"
		}
		if _, err := d.Accept(mcp.ItemTool, jsontext.Value(`{"name":"`+name+`","inputSchema":`+orderSchema+`}`)); err != nil {
			b.Fatal(err)
		}
	}
	rules := make([]strings.Builder, 10)
	rules[0].WriteString(benchRules + benchFew)
	n := 0
	others(func(server int, format string, args ...any) {
		n++
		fmt.Fprintf(&rules[server], "@id(\"r%d\")\n"+format+"\n", append([]any{n}, args...)...)
	})
	files := Files{"schema/s0.json": d.Bytes(), "guardrails/all.cedar": []byte(benchGuardrail),
		"entities/all.yaml": []byte("- uid: {type: Agent, id: app}\n  parents: [{type: ClientSet, id: approved}]\n- uid: {type: Group, id: sales}\n  parents: [{type: Group, id: staff}]\n")}
	about := []byte("id: bench\nservers:\n  s0: {}\n")
	for s := range rules {
		if s > 0 {
			about = fmt.Appendf(about, "  s%d: {definitions: any}\n", s)
		}
		files[fmt.Sprintf("servers/s%d/rules.cedar", s)] = []byte(rules[s].String())
	}
	files["bundle.yaml"] = about
	e, err := Load(files, Options{Issuer: "https://house.example"})
	if err != nil {
		b.Fatal(err)
	}
	return e
}

// spread are n rules in all about fifty tools of each of ten servers, by twenty groups, every third a forbid. They are about
// tools in turn, so that of 10,000 some twenty are about each.
func spread(n int) func(func(int, string, ...any)) {
	return func(write func(int, string, ...any)) {
		for i := range n - 10 {
			server, tool, group := i%10, fmt.Sprintf("t%d", i/10%50), i/500%20
			if server == 0 && tool == "t0" {
				tool = "order"
			}
			if i%3 == 0 {
				write(server, `forbid (principal in Group::"g%d", action == Action::"s%d/%s", resource) when { context.time.hour < 6 && !context.delegation.human };`, group, server, tool)
			} else {
				write(server, `permit (principal in Group::"g%d", action == Action::"s%d/%s", resource) when { context.token.scopes.contains("mcp") };`, group, server, tool)
			}
		}
	}
}

// byGroups are a thousand rules about the one tool, by as many groups.
func byGroups(write func(int, string, ...any)) {
	for i := range 990 {
		write(0, `permit (principal in Group::"g%d", action == Action::"s0/order", resource) when { context.args.currency == "EUR" };`, i)
	}
}

// aboutEverybody are a thousand rules about the one tool, whoever calls.
func aboutEverybody(write func(int, string, ...any)) {
	for i := range 990 {
		write(0, `forbid (principal, action == Action::"s0/order", resource) when { context.args.customer.id == %d };`, i+1)
	}
}

var benchMixes = []struct {
	name   string
	others func(func(int, string, ...any))
}{
	{"10", spread(10)}, {"1000", spread(1000)}, {"10000", spread(10_000)}, {"1000 groups", byGroups}, {"1000 about everybody", aboutEverybody},
}

func benchCall(tool string) policy.Request {
	op := mcp.Item{Kind: mcp.ItemTool, Name: tool}.Use()
	op.Args = []byte(order)
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	return policy.Request{Now: now, Server: "s0", Operation: op, Client: netip.MustParseAddr("192.0.2.7"),
		Caller: token.Caller{Principal: token.Principal{Issuer: "https://house.example", Subject: "alice"}, Client: "app", Scopes: oauth.NewScopes("mcp", "orders"),
			Groups: []string{"sales", "g0", "g1", "g2", "g3"}, Issued: now.Add(-time.Minute), Expires: now.Add(9 * time.Minute), Authenticated: now.Add(-time.Hour), ACR: "mfa"}}
}

// timed reports the median and the 99th percentile of what do takes; looking at the clock is in them.
func timed(b *testing.B, do func()) {
	b.ReportAllocs()
	var all []time.Duration
	for b.Loop() {
		at := time.Now()
		do()
		all = append(all, time.Since(at))
	}
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2]), "p50-ns")
	b.ReportMetric(float64(all[len(all)*99/100]), "p99-ns")
}

// Issue 5, proof 6: building the context and deciding, with arguments of 1 KB. Ten rules about order read ten members of them, two
// and a guardrail about t60 read one.
func BenchmarkPolicyDecide(b *testing.B) {
	eachBundle(b, func(b *testing.B, e *Engine, r policy.Request) {
		timed(b, func() {
			if d := e.Decide(context.Background(), r); d.Verdict != policy.Allow {
				b.Fatal(d)
			}
		})
	})
}

// Issue 5, proof 6: the indexed evaluation alone, of both steps.
func BenchmarkPolicyEvaluate(b *testing.B) {
	eachBundle(b, func(b *testing.B, e *Engine, r policy.Request) {
		item, _ := r.Operation.Item()
		a := e.servers["s0"].find(item)
		who, _ := e.subject(r)
		args, refused := a.args.read(r.Operation, a.reads.member("args"))
		if refused != nil {
			b.Fatal(refused)
		}
		record := e.context(&r, a, a.plan, &args)
		timed(b, func() {
			if d := e.step2(&who, a, &a.remedy, record, e.step1(&who, a, &a.decide, record)); d.Verdict != policy.Allow {
				b.Fatal(d)
			}
		})
	})
}

func eachBundle(b *testing.B, do func(*testing.B, *Engine, policy.Request)) {
	for _, c := range benchMixes {
		e := benchBundle(b, c.others)
		for _, tool := range []string{"order", "t60"} {
			b.Run(c.name+"/"+tool, func(b *testing.B) { do(b, e, benchCall(tool)) })
		}
	}
}

// Issue 5, proof 6: a list of a hundred tools. There is no cache of lists: the same rules, made ready with the arguments left open,
// decide each time.
func BenchmarkPolicyVisible(b *testing.B) {
	for _, c := range benchMixes {
		e, r := benchBundle(b, c.others), benchCall("order")
		var items []mcp.Item
		for item := range e.servers["s0"].actions {
			items = append(items, item)
		}
		b.Run(c.name, func(b *testing.B) {
			timed(b, func() {
				if seen := e.Visible(context.Background(), r, items); len(seen) != 100 || !slices.Contains(seen, true) {
					b.Fatal(seen)
				}
			})
		})
	}
}
