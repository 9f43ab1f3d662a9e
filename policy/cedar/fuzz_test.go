package cedar_test

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/policy/cedar"
)

// Whatever stands in a bundle's files, it is loaded or refused with a place; what was loaded decides, and what it hides it denies.
func FuzzLoad(f *testing.F) {
	const manifest = "id: a\nservers: {crm: {definitions: any}}\n"
	f.Add(manifest, `@id("a") permit (principal, action, resource == Server::"crm");`, "")
	f.Add(manifest+"toolsets: {x: [crm/*]}\nattributes: {level: Long}\n", `@id("a") permit (principal in Group::"staff", action in Action::"@x", resource == Server::"crm") when { principal is User && principal has level && principal.level < 3 };`, "- uid: {type: Group, id: staff}\n  parents: [{type: Group, id: all}]\n")
	f.Add(manifest, `@id("a") @redact("/a /b/*") @ratelimit("1/s") permit (principal, action == Action::"crm/find", resource) unless { context.time.hour < 3 };
@id("b") @remedy("step_up_scope") @scope("s") forbid (principal, action in [Action::"crm:prompts", Action::"crm/find"], resource) unless { context.token.scopes.contains("s") };`, `[{"uid":{"type":"User","id":"alice"},"attrs":{},"parents":[{"type":"Group","id":"g"}]}]`)
	f.Add(manifest, `@id("a") permit (principal, action == Action::"crm:resource/file:///{a}/{+b}{?c}", resource) when { context.args has a && context.args.a like "x*" };`, "- uid: &a {type: Agent, id: app}\n  attrs: *a\n")
	f.Add("id: a\nservers: {crm: {}, '': {}}\n", `@id("a") forbid (principal, action, resource is Server in Env::"prod");`, "- uid: {type: Server, id: crm}\n  parents: [{type: Env, id: prod}]\n- uid: {type: Env, id: prod}\n  parents: [{type: Env, id: prod}]\n")
	f.Fuzz(func(t *testing.T, manifest, rules, entities string) {
		e, err := cedar.Load(cedar.Files{"bundle.yaml": []byte(manifest), "servers/crm/a.cedar": []byte(rules), "guardrails/g.cedar": []byte(rules), "entities/e.yaml": []byte(entities)}, cedar.Options{Issuer: house})
		var refused *cedar.Error
		if err != nil {
			if !errors.As(err, &refused) || len(refused.Problems) == 0 || refused.Problems[0].File == "" {
				t.Fatalf("%v", err)
			}
			e, err = cedar.Load(cedar.Files{"bundle.yaml": []byte(manifest), "servers/crm/a.cedar": []byte(rules), "entities/e.yaml": []byte(entities)}, cedar.Options{Issuer: house})
		}
		if err != nil {
			return
		}
		for _, item := range []mcp.Item{{Kind: mcp.ItemTool, Name: "find"}, {Kind: mcp.ItemPrompt, Name: "p"}, {Kind: mcp.ItemResource, Name: "file:///a/b?c=1"}} {
			r := policy.Request{Now: noon, Server: "crm", Operation: item.Use(), Caller: alice}
			if d := e.Decide(t.Context(), r); d.Verdict != policy.Deny && !e.Visible(t.Context(), r, []mcp.Item{item})[0] {
				t.Errorf("%s %s is hidden, and %s", item.Kind, item.Name, d.Verdict)
			}
		}
	})
}

// An archive is a bundle or an error; what was read from one is written as one again.
func FuzzOpenArchive(f *testing.F) {
	whole, err := cedar.Starter("a", "crm").Archive()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:512])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, archive []byte) {
		files, err := cedar.OpenArchive(archive)
		if err != nil {
			return
		}
		again, err := files.Archive()
		if err != nil {
			t.Fatal(err)
		}
		same, err := cedar.OpenArchive(again)
		if err != nil || same.Digest() != files.Digest() || !slices.Equal(slices.Sorted(maps.Keys(same)), slices.Sorted(maps.Keys(files))) {
			t.Errorf("%v: %s, then %s", err, files.Digest(), same.Digest())
		}
	})
}
