package cedar_test

import (
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/policy/cedar"
)

// checked is a bundle whose server crm has accepted definitions, with rules.
func checked(t *testing.T, rules string) cedar.Files {
	d := cedar.NewDefinitions("crm")
	accept(t, d, mcp.ItemTool, `{"name":"pay","inputSchema":{"type":"object","properties":{"amount":{"type":"integer"},"force":{"type":["boolean","null"]},"to":{"type":"object","properties":{"country":{"type":"string"}}},"odd":{"oneOf":[{"type":"string"},{"type":"integer"}]},"map":{"type":"object","additionalProperties":{"type":"string"}}}}}`)
	accept(t, d, mcp.ItemTool, `{"name":"find","inputSchema":{"type":"object","properties":{"id":{"type":"integer"}}}}`)
	files := bundle(strings.Replace(anyCRM, "crm: {definitions: any}", "crm: {}", 1) + "== servers/crm/rules.cedar\n" + rules)
	files["schema/crm.json"] = d.Bytes()
	return files
}

// A rule that guards by a has that is never true, compares with a word that never comes, or has a remedy that is none, looks strict
// and lets everything through, or nobody. It is refused.
func TestWhatLooksStrict(t *testing.T) {
	forbid := func(condition string) string {
		return `@id("f") forbid (principal, action, resource == Server::"crm") ` + condition + `;`
	}
	pay := func(condition string) string {
		return `@id("f") forbid (principal, action == Action::"crm/pay", resource) ` + condition + `;`
	}
	asks := func(remedy, condition string) string { return "@remedy" + remedy + " " + forbid(condition) }
	for _, c := range []struct{ name, rules, want string }{
		{"a member that is not there", forbid(`when { context has nothing }`), `context has nothing: it is never there`},
		{"a misspelt member", forbid(`when { context.token has arc && context.token.arc == "x" }`), `context has token.arc: it is never there`},
		{"a misspelt attribute", forbid(`when { principal is User && principal has levle && principal.levle < 3 }`), `principal has levle: nobody ever has`},
		{"a misspelt argument", pay(`when { context.args has amuont && context.args.amuont > 100 }`), `context has args.amuont: it is never there`},
		{"another case of an argument", pay(`when { context.args has Amount && context.args.Amount > 100 }`), `context has args.Amount: it is never there`},
		{"a misspelt argument further in", pay(`when { context.args has to && context.args.to has contry && context.args.to.contry == "x" }`), `context has args.to.contry: it is never there`},
		{"an argument of alternatives", pay(`when { context.args has odd }`), `rules cannot read this argument, so that it is never there for them: odd of crm/pay: it is one of several alternatives`},
		{"an argument that is a map", pay(`when { context.args has map }`), `rules cannot read this argument`},
		{"arguments of what has none", `@id("f") forbid (principal, action == Action::"crm:connect", resource) when { context has args };`, `context has args: it is never there`},
		{"a member of what may be null", pay(`when { context.args has force && context.args.force has nul }`), `context has args.force.nul`},
		{"a day in small letters", forbid(`when { context.time.weekday == "sunday" }`), `context.time.weekday is never "sunday"`},
		{"a day cut short", forbid(`when { ["Sat", "Sun"].contains(context.time.weekday) }`), `context.time.weekday is never "Sat"`},
		{"an hour that does not come", forbid(`when { context.time.hour >= 24 }`), `context.time.hour is never 24`},
		{"an hour that does not come, turned round", forbid(`unless { 25 > context.time.hour }`), `context.time.hour is never 25`},
		{"evidence that nobody knows", forbid(`when { context.delegation.evidence.contains("DPoP") }`), `context.delegation.evidence never contains "DPoP"`},
		{"evidence that nobody knows, among others", forbid(`unless { context.delegation.evidence.containsAny(["dpop", "mtls"]) }`), `context.delegation.evidence never contains "mtls"`},
		{"what is not known of a client", forbid(`when { context.delegation.client.issuer == "https://house.example" }`), `nothing is known of the client there`},
		{"when for unless", asks(`("step_up_scope") @scope("s")`, `when { context.token.scopes.contains("s") }`), `fires only where the scope "s" is there`},
		{"when for unless, and more", asks(`("step_up_scope") @scope("s t")`, `when { context.delegation.human && context.token.scopes.containsAll(["s", "t"]) }`), `fires only where the scope "s" is there`},
		{"a scope that it does not look at", asks(`("step_up_scope") @scope("s")`, `unless { context.token.scopes.contains("t") }`), `does not look for it in context.token.scopes`},
		{"a scope without a condition", asks(`("step_up_scope") @scope("s")`, ``), `does not look for it in context.token.scopes`},
		{"an acr that it does not look at", asks(`("step_up_acr") @acr("x")`, `when { context.delegation.human }`), `does not look at context.token.acr`},
		{"an age that it does not look at", asks(`("max_age") @max_age("60")`, `unless { context.token.age < duration("1m") }`), `looks at neither context.token.auth_age nor auth_time`},
		{"a pointer to a member without a name", `@id("p") @redact("/") permit (principal, action, resource == Server::"crm");`, `@redact("/")`},
		{"a pointer that ends with a stroke", `@id("p") @redact("/users/*/ssn/") permit (principal, action, resource == Server::"crm");`, `@redact("/users/*/ssn/")`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := cedar.Load(checked(t, c.rules), cedar.Options{Issuer: house}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\ndoes not say %s", err, c.want)
			}
		})
	}
}

// A forbid that is off, and a permit that is on, where something is not known of the caller, are said; others are not.
func TestRulesThatOpenForTheUnknown(t *testing.T) {
	for _, c := range []struct {
		rule string
		want string // empty: nothing is said
	}{
		{`forbid (principal is User, action, resource == Server::"crm") when { principal has level && principal.level < 3 };`, "principal.level"},
		{`forbid (principal is User, action, resource == Server::"crm") when { context.delegation.human && (principal has cleared && !principal.cleared) };`, "principal.cleared"},
		{`forbid (principal, action, resource == Server::"crm") when { context.token has acr && context.token.acr == "weak" };`, "context.token.acr"},
		{`forbid (principal, action, resource == Server::"crm") when { context.token has auth_age } unless { context.token has auth_age && context.token.auth_age < duration("1h") };`, "context.token.auth_age"},
		{`forbid (principal, action, resource == Server::"crm") when { context.net has ip && !context.net.ip.isInRange(ip("10.0.0.0/8")) };`, "context.net.ip"},
		{`forbid (principal, action, resource == Server::"crm") when { if principal has name then principal.name == "x" else false };`, "principal.name"},
		{`forbid (principal is User, action, resource == Server::"crm") unless { principal has level && principal.level >= 3 };`, ""},
		{`forbid (principal is User, action, resource == Server::"crm") when { (principal has level && principal.level < 3) || !(principal has level) };`, ""},
		{`forbid (principal is User, action, resource == Server::"crm") when { (principal has level && principal.level < 3) || context.delegation.depth > 3 };`, ""},
		{`forbid (principal, action, resource == Server::"crm") unless { context.net has ip && context.net.ip.isInRange(ip("10.0.0.0/8")) };`, ""},
		{`forbid (principal, action == Action::"crm/pay", resource) when { context.args has amount && context.args.amount > 100 };`, ""},
		{`permit (principal is User, action, resource == Server::"crm") when { principal has level && principal.level >= 3 };`, ""},
		{`permit (principal is User, action, resource == Server::"crm") unless { principal has cleared && !principal.cleared };`, "principal.cleared"},
		{`permit (principal is User, action, resource == Server::"crm") when { context.delegation.human && !(principal has cleared && !principal.cleared) };`, "principal.cleared"},
		{`permit (principal is User, action, resource == Server::"crm") when { (principal has level && principal.level >= 3) || context.delegation.human };`, ""},
		{`permit (principal, action == Action::"crm/pay", resource) unless { context.args has amount && context.args.amount > 100 };`, ""},
	} {
		e, err := cedar.Load(checked(t, `@id("f") `+c.rule), cedar.Options{Issuer: house})
		if err != nil {
			t.Errorf("%s: %v", c.rule, err)
			continue
		}
		said := strings.Join(texts(e.Warnings()), "\n")
		if c.want != "" && !strings.Contains(said, "a caller whose "+c.want+" is not known") || c.want == "" && strings.Contains(said, "is not known") {
			t.Errorf("%s:\n%s", c.rule, said)
		}
	}
}

// What is written as it should be is taken: each kind of check has its other side.
func TestWhatIsMeant(t *testing.T) {
	for _, rule := range []string{
		`@remedy("step_up_scope") @scope("s") forbid (principal, action == Action::"crm/pay", resource) when { context.args has amount && context.args.amount > 3 } unless { context.token.scopes.contains("s") };`,
		`@remedy("step_up_scope") @scope("s t") forbid (principal, action, resource == Server::"crm") unless { context.token.scopes.containsAll(["s", "t"]) };`,
		`@remedy("step_up_scope") @scope("s") forbid (principal, action, resource == Server::"crm") unless { context.token.scopes.containsAny(["s", "admin"]) };`,
		`@remedy("step_up_scope") @scope("s") forbid (principal, action, resource == Server::"crm") when { !context.token.scopes.contains("s") };`,
		`@remedy("max_age") @max_age("60") forbid (principal, action, resource == Server::"crm") unless { context.token has auth_time && context.time.now.durationSince(context.token.auth_time) < duration("1m") };`,
		`forbid (principal, action in [Action::"crm/pay", Action::"crm/find"], resource) when { context.args has amount && context.args.amount > 100 };`,
		`forbid (principal, action == Action::"crm/pay", resource) when { context.args has force && context.args.force has value && context.args.force.value };`,
		`forbid (principal, action, resource == Server::"crm") when { context has args || context has tool || context has approval };`,
		`forbid (principal, action, resource == Server::"crm") when { ["Saturday", "Sunday"].contains(context.time.weekday) || context.time.hour < 6 };`,
		`permit (principal, action, resource == Server::"crm") when { context.delegation.evidence.containsAny(["dpop", "authenticated", "listed", "document"]) };`,
	} {
		if _, err := cedar.Load(checked(t, `@id("r") `+rule), cedar.Options{Issuer: house}); err != nil {
			t.Errorf("%s: %v", rule, err)
		}
	}
}

// A toolset that a tool has left, and a group that is spelt in two ways, are said.
func TestNamesThatAreNobodys(t *testing.T) {
	files := checked(t, `@id("p") permit (principal in Group::"Staff", action in Action::"crm:tools", resource);
@id("f") forbid (principal in Group::"bosses", action in Action::"@destructive", resource == Server::"crm");`)
	files["bundle.yaml"] = []byte(strings.Replace(string(files["bundle.yaml"]), "[crm/delete_*]", "[crm/pay, crm/purge, crm/delete_*, wiki/x]", 1))
	e, err := cedar.Load(files, cedar.Options{Issuer: house})
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(texts(e.Warnings()), "\n")
	for want, is := range map[string]bool{`no tool that is accepted is "crm/purge"`: true, `no tool that is accepted is "crm/delete_*"`: true, `is "crm/pay"`: false, `is "wiki/x"`: false,
		`p: Group::"Staff" and Group::"staff" differ by case`: true, `bosses`: false} {
		if strings.Contains(said, want) != is {
			t.Errorf("%s: %t\n%s", want, !is, said)
		}
	}
}
