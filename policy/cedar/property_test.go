package cedar_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"

	upstream "github.com/cedar-policy/cedar-go"
	"pgregory.net/rapid"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/policy/cedar"
)

// typed is a bundle whose server crm has accepted definitions, so that rules can look at arguments.
func typed(t testing.TB) cedar.Files {
	t.Helper()
	d := cedar.NewDefinitions("crm")
	for _, tool := range []string{"find", "delete_user", "export"} {
		_, err := d.Accept(mcp.ItemTool, fmt.Appendf(nil, `{"name":%q,"inputSchema":{"type":"object","properties":{"id":{"type":"integer"},"mode":{"type":"string"},"tags":{"type":"array","items":{"type":"string"}},
			"limit":{"type":["integer","null"]},"who":{"type":"object","properties":{"name":{"type":"string"},"vip":{"type":"boolean"}},"required":["name"]}},"required":["id"]}}`, tool))
		if err != nil {
			t.Fatal(err)
		}
	}
	files := bundle(`
== bundle.yaml
id: generated
servers: {crm: {}}
toolsets: {destructive: [crm/delete_*, crm/export]}
attributes: {level: Long}
== entities/sets.yaml
- uid: {type: Agent, id: app}
  parents: [{type: ClientSet, id: approved}]
- uid: {type: Group, id: staff}
  parents: [{type: Group, id: everybody}]
`)
	files["schema/crm.json"] = d.Bytes()
	return files
}

// The parts of generated rules: scopes, and conditions whose parts may read arguments, people, tokens and delegation.
var (
	principals = rapid.SampledFrom([]string{"principal", `principal in Group::"staff"`, `principal in Group::"everybody"`, `principal == User::"alice"`, `principal is User`, `principal is Agent in ClientSet::"approved"`})
	scopedTo   = rapid.SampledFrom([]string{`action == Action::"crm/find"`, `action == Action::"crm/delete_user"`, `action in [Action::"crm/find", Action::"crm/export"]`, `action in Action::"crm/*"`, `action in Action::"crm:tools"`, `action in Action::"@destructive"`})
	atoms      = rapid.SampledFrom([]string{
		`context.delegation.human`, `context.delegation.client in ClientSet::"approved"`, `context.token.scopes.contains("write")`, `principal in Group::"staff"`, `context.time.hour < 18`,
		`(principal is User && principal has level && principal.level > 2)`, `(context.token has acr && context.token.acr == "mfa")`, `action in Action::"@destructive"`,
	})
	argAtoms = rapid.SampledFrom([]string{
		`context.args.id == 1`, `context.args.id < 100`, `context.args.id + 1 > 5`, `(context.args has mode && context.args.mode == "all")`, `(context.args has tags && context.args.tags.contains("x"))`, `(context.args has who && context.args.who.name like "a*")`,
		`(context.args has limit && !context.args.limit.null && context.args.limit has value && context.args.limit.value > 10)`, `(if context.args.id > 3 then context.delegation.human else context.token.scopes.contains("write"))`,
	})
)

func condition(t *rapid.T, depth int, arguments bool) string {
	if depth == 0 || rapid.IntRange(0, 2).Draw(t, "leaf") == 0 {
		if arguments && rapid.Bool().Draw(t, "argument") {
			return argAtoms.Draw(t, "atom")
		}
		return atoms.Draw(t, "atom")
	}
	a, b := condition(t, depth-1, arguments), condition(t, depth-1, arguments)
	switch rapid.IntRange(0, 3).Draw(t, "operator") {
	case 0:
		return "(" + a + " && " + b + ")"
	case 1:
		return "(" + a + " || " + b + ")"
	case 2:
		return "!(" + a + ")"
	}
	return "(if " + a + " then " + b + " else " + condition(t, depth-1, arguments) + ")"
}

// generated is one rule.
func generated(t *rapid.T, id, effect string) string {
	scope := scopedTo.Draw(t, "action")
	arguments := !strings.Contains(scope, `"crm/*"`) // some actions of all have none
	text := fmt.Sprintf("@id(%q)\n", id)
	if effect == "forbid" && rapid.IntRange(0, 3).Draw(t, "remedy") == 0 {
		text += "@remedy(\"approval\")\n"
	}
	text += effect + " (" + principals.Draw(t, "principal") + ", " + scope + `, resource == Server::"crm")`
	for range rapid.IntRange(0, 2).Draw(t, "conditions") {
		text += rapid.SampledFrom([]string{" when { ", " unless { "}).Draw(t, "kind") + condition(t, 2, arguments) + " }"
	}
	return text + ";\n"
}

// loadRules loads generated rules; nil: the engine refuses them, as it does those that can never match.
func loadRules(t testing.TB, base cedar.Files, rules []string) *cedar.Engine {
	files := maps.Clone(base)
	files["servers/crm/rules.cedar"] = []byte(strings.Join(rules, "\n"))
	e, err := cedar.Load(files, cedar.Options{Issuer: house})
	if err != nil {
		return nil
	}
	return e
}

func someRules(t *rapid.T) (rules []string) {
	for i := range rapid.IntRange(1, 6).Draw(t, "rules") {
		rules = append(rules, generated(t, fmt.Sprintf("r%d", i), rapid.SampledFrom([]string{"permit", "permit", "forbid"}).Draw(t, "effect")))
	}
	return rules
}

// anyCall is a call by anybody with any arguments whose numbers everybody reads alike: others are refused before any rule is
// looked at, if one of them reads them (TestArguments), so that a bundle in which none does lets them through.
func anyCall(t *rapid.T) policy.Request {
	id := rapid.SampledFrom([]string{"1", "3", "4", "99", "100", "-7", "9007199254740991"}).Draw(t, "id")
	args := `{"id":` + id
	args += rapid.SampledFrom([]string{"", `,"mode":"all"`, `,"mode":"one"`}).Draw(t, "mode")
	args += rapid.SampledFrom([]string{"", `,"tags":["x"]`, `,"tags":[]`}).Draw(t, "tags")
	args += rapid.SampledFrom([]string{"", `,"limit":null`, `,"limit":5`, `,"limit":50`}).Draw(t, "limit")
	args += rapid.SampledFrom([]string{"", `,"who":{"name":"anna"}`, `,"who":{"name":"bob","vip":true}`}).Draw(t, "who")
	r := use(rapid.SampledFrom([]string{"find", "delete_user", "export"}).Draw(t, "tool"), args+"}")
	r.Caller.Subject = rapid.SampledFrom([]string{"alice", "bob", "app"}).Draw(t, "subject")
	r.Caller.Client = rapid.SampledFrom([]string{"app", "other"}).Draw(t, "client")
	r.Caller.Groups = rapid.SampledFrom([][]string{nil, {"staff"}, {"everybody"}}).Draw(t, "groups")
	r.Caller.Scopes = rapid.SampledFrom([]oauth.Scopes{oauth.NewScopes("mcp"), oauth.NewScopes("write")}).Draw(t, "scopes")
	r.Caller.ACR = rapid.SampledFrom([]string{"", "mfa"}).Draw(t, "acr")
	r.Facts.Attributes = rapid.SampledFrom([]map[string]any{nil, {"level": int64(3)}}).Draw(t, "attributes")
	return r
}

// For every bundle and caller: one more forbid allows nothing that was not allowed, one permit less neither.
func TestForbidsAndPermitsAreMonotone(t *testing.T) {
	base := typed(t)
	loaded := 0
	rapid.Check(t, func(rt *rapid.T) {
		rules := someRules(rt)
		before := loadRules(t, base, rules)
		if before == nil {
			return
		}
		loaded++
		more := loadRules(t, base, append(rules, generated(rt, "more", "forbid")))
		drop := rapid.IntRange(0, len(rules)-1).Draw(rt, "drop")
		var less *cedar.Engine
		if strings.Contains(rules[drop], "permit (") {
			less = loadRules(t, base, append(append([]string{}, rules[:drop]...), rules[drop+1:]...))
		}
		for range 8 {
			r := anyCall(rt)
			was := before.Decide(context.Background(), r)
			if more != nil {
				if now := more.Decide(context.Background(), r); now.Verdict > was.Verdict {
					rt.Fatalf("a forbid more makes %s of %s:\n%s\n%s", now.Verdict, was.Verdict, rules, r.Operation.Args)
				}
			}
			if less != nil {
				if now := less.Decide(context.Background(), r); now.Verdict > was.Verdict {
					rt.Fatalf("a permit less makes %s of %s:\n%s\n%s", now.Verdict, was.Verdict, rules, r.Operation.Args)
				}
			}
		}
	})
	if loaded == 0 {
		t.Error("no generated bundle was loaded: nothing was tried")
	}
}

// For every bundle and caller: what a list hides, no call could have had, allowed or after a remedy.
func TestHiddenIsDenied(t *testing.T) {
	base := typed(t)
	hidden, loaded := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		e := loadRules(t, base, someRules(rt))
		if e == nil {
			return
		}
		loaded++
		for range 8 {
			r := anyCall(rt)
			item, _ := r.Operation.Item()
			if e.Visible(context.Background(), r, []mcp.Item{item})[0] {
				continue
			}
			hidden++
			if d := e.Decide(context.Background(), r); d.Verdict != policy.Deny {
				rt.Fatalf("%s is hidden, and a call with %s is: %s by %v", item.Name, r.Operation.Args, d.Verdict, d.Rules)
			}
		}
	})
	if loaded == 0 || hidden == 0 {
		t.Errorf("%d bundles loaded, %d hidden: nothing was tried", loaded, hidden)
	}
}

// For every bundle and caller: the index, which leaves out rules about other actions, other servers and other people, decides as
// Cedar itself does over all rules; but for an error in a forbid, which denies here.
func TestIndexIsSound(t *testing.T) {
	base := typed(t)
	loaded := 0
	rapid.Check(t, func(rt *rapid.T) {
		rules := someRules(rt)
		for i := range rules {
			rules[i] = strings.Replace(rules[i], "@remedy(\"approval\")\n", "", 1)
		}
		e := loadRules(t, base, rules)
		if e == nil {
			return
		}
		loaded++
		all, err := upstream.NewPolicyListFromBytes("rules", []byte(strings.Join(rules, "\n")))
		if err != nil {
			rt.Fatal(err)
		}
		set := upstream.NewPolicySet()
		for _, p := range all {
			set.Add(upstream.PolicyID(p.Annotations()["id"]), p)
		}
		for range 8 {
			r := anyCall(rt)
			q, entities, err := e.Cedar(r)
			if err != nil {
				rt.Fatal(err)
			}
			verdict, found := upstream.Authorize(set, entities, q)
			d := e.Decide(context.Background(), r)
			want := policy.Deny
			if verdict == upstream.Allow {
				want = policy.Allow
			}
			for _, failed := range found.Errors {
				if p := set.Get(failed.PolicyID); p.Effect() == upstream.Forbid {
					want = policy.Deny
				}
			}
			if d.Verdict != want {
				rt.Fatalf("%s, and Cedar over all rules %s:\n%s\n%s", d.Verdict, want, strings.Join(rules, "\n"), r.Operation.Args)
			}
		}
	})
	if loaded == 0 {
		t.Error("no generated bundle was loaded: nothing was tried")
	}
}
