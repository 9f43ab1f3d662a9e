package cedar_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy/cedar"
)

// What would weaken a bundle by accident is refused when it is loaded, with file and line, and all of it at once.
func TestRefusedAtLoad(t *testing.T) {
	rules := func(text string) string { return anyCRM + "== servers/crm/rules.cedar\n" + text }
	for _, c := range []struct{ name, files, want string }{
		{"no Cedar", rules("permit (principal, action resource);"), `servers/crm/rules.cedar:1:27: this is not Cedar:`},
		{"a rule that would use up the stack", rules("permit (principal, action, resource) when { " + strings.Repeat("(", 1<<20) + " };"), `this rule has more than 10000 words`},
		{"a file that would use up the stack", "== bundle.yaml\nid: " + strings.Repeat("[", 1<<20) + "\n", `nested deeper`},
		{"no id", rules(`permit (principal, action, resource == Server::"crm");`), `servers/crm/rules.cedar:1:1: @id is missing`},
		{"an id twice", rules(`@id("a") permit (principal, action, resource == Server::"crm");` + "\n" + `@id("a") permit (principal in Group::"x", action, resource == Server::"crm");`), `rules.cedar:2:1: a: the id is taken: servers/crm/rules.cedar:1 has it`},
		{"an annotation that nobody knows", rules(`@id("a") @redacted("/ssn") permit (principal, action, resource == Server::"crm");`), `a: @redacted: there is no such annotation`},
		{"a remedy that nobody knows", rules(`@id("a") @remedy("stepup") forbid (principal, action, resource == Server::"crm");`), `@remedy("stepup"): there is no such remedy`},
		{"a remedy on a permit", rules(`@id("a") @remedy("approval") permit (principal, action, resource == Server::"crm");`), `@remedy: a permit has none`},
		{"an obligation on a forbid", rules(`@id("a") @redact("/ssn") forbid (principal, action, resource == Server::"crm");`), `@redact: a forbid has none`},
		{"a remedy that does not say what", rules(`@id("a") @remedy("step_up_scope") forbid (principal, action, resource == Server::"crm");`), `without @scope`},
		{"what says what, without its remedy", rules(`@id("a") @scope("x") forbid (principal, action, resource == Server::"crm");`), `@scope says what @remedy("step_up_scope") asks for`},
		{"a pointer that is none", rules(`@id("a") @redact("ssn") permit (principal, action, resource == Server::"crm");`), `@redact("ssn"): it is no JSON pointer`},
		{"a rate that is none", rules(`@id("a") @ratelimit("10 per hour") permit (principal, action, resource == Server::"crm");`), `@ratelimit("10 per hour")`},
		{"a level that is none", rules(`@id("a") @audit("everything") permit (principal, action, resource == Server::"crm");`), `@audit("everything"): there is no such level`},
		{"an obligation that says nothing", rules(`@id("a") @notify("") permit (principal, action, resource == Server::"crm");`), `@notify: it says nothing`},
		{"an optional attribute without guard", rules(`@id("a") permit (principal is User, action, resource == Server::"crm") when { principal.level > 3 };`), `a: `},
		{"an optional attribute without guard in a forbid", rules(`@id("a") forbid (principal, action, resource == Server::"crm") when { context.token.acr == "x" };`), `a: `},
		{"a misspelt attribute", rules(`@id("a") permit (principal, action, resource == Server::"crm") when { context.token.scope.contains("x") };`), `scope`},
		{"a number as text", rules(`@id("a") permit (principal is User, action, resource == Server::"crm") when { principal has level && principal.level == "3" };`), `a: `},
		{"arguments of a server whose definitions are not accepted", rules(`@id("a") permit (principal, action == Action::"crm/find", resource) when { context.args.id == 1 };`), `args`},
		{"another server's rule", rules(`@id("a") permit (principal, action == Action::"wiki/find", resource);`), `it stands in servers/crm and is not about that server alone`},
		{"a rule about every server", rules(`@id("a") permit (principal, action, resource);`), `it stands in servers/crm and is not about that server alone`},
		{"a rule by another server's resource", rules(`@id("a") permit (principal, action == Action::"crm/find", resource == Server::"wiki");`), `it can never match: no action of a server is in its scope`},
		{"a server that is not named", anyCRM + "== servers/hr/rules.cedar\n" + `@id("a") permit (principal, action, resource == Server::"hr");`, `bundle.yaml names no server "hr"`},
		{"a server in a rule that is not named", anyCRM + "== guardrails/a.cedar\n" + `@id("a") forbid (principal, action, resource == Server::"hr");`, `Server::"hr": bundle.yaml names no such server`},
		{"a permit among guardrails", anyCRM + "== guardrails/a.cedar\n" + `@id("a") permit (principal, action, resource);`, `guardrails forbid`},
		{"a guardrail with a remedy", anyCRM + "== guardrails/a.cedar\n" + `@id("a") @remedy("approval") forbid (principal, action, resource);`, `a guardrail has no remedy`},
		{"a set without members", rules(`@id("a") permit (principal, action, resource == Server::"crm") when { context.delegation.client in ClientSet::"aproved" };`), `ClientSet::"aproved" has no members`},
		{"false", rules(`@id("a") permit (principal, action, resource == Server::"crm") when { false };`), `it can never match: its conditions are false`},
		{"false after all", rules(`@id("a") forbid (principal, action, resource == Server::"crm") when { 1 == 2 || "a" == "b" };`), `it can never match`},
		{"two values at once", rules(`@id("a") permit (principal, action, resource == Server::"crm") when { context.token.issuer == "a" && context.token.issuer == "b" };`), `are never both true`},
		{"yes and no", rules(`@id("a") forbid (principal, action, resource == Server::"crm") when { context.delegation.human } unless { context.delegation.human };`), `are never both true`},
		{"a number between nothing", rules(`@id("a") permit (principal, action, resource == Server::"crm") when { context.delegation.depth > 3 && context.delegation.depth <= 3 };`), `are never both true`},
		{"reckoning in a forbid", rules(`@id("a") forbid (principal, action, resource == Server::"crm") when { context.delegation.depth + 1 > 3 };`), `Cedar leaves out a forbid with an error`},
		{"a bundle that is none", "== bundle.yaml\n- x\n", `bundle.yaml`},
		{"a key that nobody knows", "== bundle.yaml\nid: a\nserver: {}\n", `bundle.yaml:2:1`},
		{"no server", "== bundle.yaml\nid: a\n", `no server is named`},
		{"a word for definitions that nobody knows", "== bundle.yaml\nid: a\nservers: {crm: {definitions: all}}\n", `there is no "all"`},
		{"a toolset of a server that is not there", "== bundle.yaml\nid: a\nservers: {crm: {}}\ntoolsets: {x: [hr/y]}\n", `"hr/y" is not SERVER/TOOL`},
		{"an empty toolset", "== bundle.yaml\nid: a\nservers: {crm: {}}\ntoolsets: {x: []}\n", `toolsets.x: it is empty`},
		{"an attribute's type that is none", "== bundle.yaml\nid: a\nservers: {crm: {}}\nattributes: {x: Int}\n", `there is no type "Int"`},
		{"an attribute that everybody has", "== bundle.yaml\nid: a\nservers: {crm: {}}\nattributes: {issuer: String}\n", `attributes.issuer: everybody has it already`},
		{"an entity twice", anyCRM + "== entities/x.json\n" + `[{"uid":{"type":"Agent","id":"app"}}]`, `Agent::"app" stands here a second time`},
		{"an action among entities", anyCRM + "== entities/x.json\n" + `[{"uid":{"type":"Action","id":"crm/find"}}]`, `actions come from the definitions`},
		{"an entity of a type that nobody knows", anyCRM + "== entities/x.json\n" + `[{"uid":{"type":"Person","id":"a"}}]`, `Person::"a"`},
		{"an attribute of a type that nobody knows", anyCRM + "== entities/x.json\n" + `[{"uid":{"type":"User","id":"a"},"attrs":{"level":"3"}}]`, `User::"a"`},
		{"a key of an entity that nobody knows", anyCRM + "== entities/x.json\n" + `[{"uid":{"type":"User","id":"a"},"parent":[]}]`, `entities/x.json:1:`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := cedar.Load(bundle(c.files), cedar.Options{Issuer: house})
			var refused *cedar.Error
			if !errors.As(err, &refused) {
				t.Fatalf("it is taken: %v", err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\ndoes not say %s", err, c.want)
			}
			for _, p := range refused.Problems {
				if p.File == "" || p.Text == "" {
					t.Errorf("a problem without its place: %+v", p)
				}
			}
		})
	}
}

// What may be meant as it is written is said, and taken.
func TestWarnings(t *testing.T) {
	rules := func(text string) string { return anyCRM + "== servers/crm/rules.cedar\n" + text }
	served := map[string]cedar.Server{"crm": {Resource: "https://mcp.example/crm", Scopes: oauth.NewScopes("mcp")}, "hr": {Resource: "https://mcp.example/hr"}}
	for _, c := range []struct {
		name, files, want string
		o                 cedar.Options
	}{
		{"a client's name without evidence", rules(`@id("a") permit (principal, action, resource == Server::"crm") when { context.delegation.client in ClientSet::"approved" };`), "context.delegation.client is the client's own word", cedar.Options{}},
		{"a client's name in the scope", rules(`@id("a") permit (principal == Agent::"app", action, resource == Server::"crm");`), "the name in its scope is the client's own word", cedar.Options{}},
		{"a server without permit", rules(`@id("a") forbid (principal, action, resource == Server::"crm");`), "servers.crm: there is no permit for it", cedar.Options{}},
		{"what a forbid covers", rules(`@id("a") permit (principal, action == Action::"crm/find", resource) when { context.delegation.human };` + "\n" + `@id("b") forbid (principal, action == Action::"crm/find", resource);`), "everything that it permits is forbidden by b", cedar.Options{}},
		{"what another permit covers", rules(`@id("a") permit (principal, action == Action::"crm/find", resource) when { context.delegation.human };` + "\n" + `@id("b") permit (principal, action == Action::"crm/find", resource);`), "a: it changes nothing: b", cedar.Options{}},
		{"a server that is not named", rules(`@id("a") permit (principal, action, resource == Server::"crm");`), "the server hr is not named here", cedar.Options{Servers: served}},
		{"a server that is not served", rules(`@id("a") permit (principal, action, resource == Server::"crm");`), "servers.wiki: the configuration has no such server", cedar.Options{Servers: served}},
		{"a scope that no token has", rules(`@id("a") permit (principal, action, resource == Server::"crm") when { context.token.scopes.contains("crm:all") };`), `the server has no scope "crm:all"`, cedar.Options{Servers: served}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := cedar.Load(bundle(c.files), c.o)
			if err != nil {
				t.Fatal(err)
			}
			var all []string
			for _, w := range e.Warnings() {
				all = append(all, w.String())
			}
			if text := strings.Join(all, "\n"); !strings.Contains(text, c.want) {
				t.Errorf("%s\ndoes not say %s", text, c.want)
			}
		})
	}
	if _, err := cedar.Load(bundle(rules(`@id("a") @remedy("step_up_scope") @scope("crm:all") forbid (principal, action, resource == Server::"crm");`)), cedar.Options{Servers: served}); err == nil || !strings.Contains(err.Error(), "so that nobody could get a token with it") {
		t.Errorf("a scope that nobody can get is asked for: %v", err)
	}
	e, err := cedar.Load(bundle(rules(`@id("a") permit (principal, action, resource == Server::"crm") when { context.delegation.client in ClientSet::"approved" && context.delegation.evidence.contains("authenticated") };`)), cedar.Options{})
	if err != nil || strings.Contains(strings.Join(texts(e.Warnings()), "\n"), "own word") {
		t.Errorf("evidence is asked for, and missed: %v %v", err, e.Warnings())
	}
}

func texts(all []cedar.Problem) (out []string) {
	for _, p := range all {
		out = append(out, p.String())
	}
	return out
}
