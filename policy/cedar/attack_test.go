package cedar_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/policy/cedar"
)

// complete asks what could stand for an argument of a prompt or template.
func complete(kind, name string) policy.Request {
	r := policy.Request{Now: noon, Server: "crm", Operation: mcp.Item{Kind: kind, Name: name}.Use(), Caller: alice}
	r.Operation.Method = "completion/complete"
	return r
}

// Names that callers make up cost little, and are not kept, where definitions need not be accepted: neither many of them before a
// large bundle, nor one of a megabyte that would be read as a template.
func TestNamesThatCallersMakeUp(t *testing.T) {
	var rules strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&rules, "@id(\"p%d\") permit (principal in Group::\"g%d\", action in Action::\"crm:tools\", resource);\n", i, i)
	}
	e := load(t, bundle(anyCRM+"== servers/crm/many.cedar\n"+rules.String()+`@id("staff") permit (principal in Group::"staff", action in Action::"crm/*", resource);`))
	if d := e.Decide(t.Context(), complete(mcp.ItemTemplate, "file:///"+strings.Repeat("{a}x", 1<<18))); d.Verdict != policy.Deny || d.Code != "definition.missing" {
		t.Errorf("a template of a megabyte: %s %s", d.Verdict, d.Code)
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, i := heap(), 0
	each := testing.AllocsPerRun(2000, func() {
		i++
		if d := e.Decide(t.Context(), use(fmt.Sprintf("made-up-%d", i), "{}")); d.Verdict != policy.Allow {
			t.Errorf("%d: %s %s", i, d.Verdict, d.Code)
		}
	})
	if each > 100 {
		t.Errorf("a name takes %.0f allocations, of 2000 rules", each)
	}
	if grown := int64(heap()) - int64(before); grown > 4<<20 {
		t.Errorf("2000 names keep %d KB", grown>>10)
	}
	runtime.KeepAlive(e)
}

// An item that no rule names is judged by its kind and its toolsets alone, and each name by its own: the toolset of one says nothing
// of another.
func TestNamesThatNobodyNamed(t *testing.T) {
	e := load(t, bundle(anyCRM+`
== servers/crm/rules.cedar
@id("all") permit (principal in Group::"staff", action in Action::"crm/*", resource);
@id("none") forbid (principal, action in Action::"@destructive", resource == Server::"crm");
@id("one") forbid (principal, action == Action::"crm/exact", resource);
`))
	for range 2 { // what was found once is found again
		for name, want := range map[string]policy.Verdict{"read": policy.Allow, "delete_all": policy.Deny, "delete": policy.Allow, "Delete_all": policy.Allow, "exact": policy.Deny, "exact2": policy.Allow, "*": policy.Deny, "": policy.Deny, strings.Repeat("n", 1025): policy.Deny} {
			if d := e.Decide(t.Context(), use(name, "{}")); d.Verdict != want {
				t.Errorf("%.20q: %s %s", name, d.Verdict, d.Code)
			}
		}
		for _, kind := range []string{mcp.ItemPrompt, mcp.ItemTemplate} {
			if d := e.Decide(t.Context(), complete(kind, "delete_all")); d.Verdict != policy.Allow {
				t.Errorf("%s delete_all is no tool: %s %s", kind, d.Verdict, d.Code)
			}
		}
	}
}

// An address as long as a body can be is held against templates in a moment.
func TestAnAddressWithoutEnd(t *testing.T) {
	var actions []string
	for i := range 20 {
		actions = append(actions, fmt.Sprintf(`Action::"crm:resource/file:///%d/{b}/{c}/d"`, i))
	}
	e := load(t, bundle(anyCRM+"== servers/crm/rules.cedar\n"+`@id("p") permit (principal, action in [Action::"crm:resource", `+strings.Join(actions, ", ")+`], resource);`))
	for _, address := range []string{"file:///" + strings.Repeat("a/", 2<<20), "file:///1/" + strings.Repeat("a", 4<<20), strings.Repeat("%41", 1<<20), "file:///" + strings.Repeat("%2525", 1<<19), "file:///" + strings.Repeat("a", 64<<10)} {
		begun := time.Now()
		item := mcp.Item{Kind: mcp.ItemResource, Name: address}
		r := policy.Request{Now: noon, Server: "crm", Operation: item.Use(), Caller: alice}
		d := e.Decide(t.Context(), r)
		seen := e.Visible(t.Context(), r, []mcp.Item{item})[0]
		if took := time.Since(begun); took > 2*time.Second || d.Code != "policy.bounds" || seen {
			t.Errorf("%.20s…: %s, shown %t, after %s", address, d.Code, seen, took)
		}
	}
}

// What is no file is not read as one, nor waited for; nor is one that would use up the memory.
func TestFilesThatAreNone(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"a device":           func(path string) error { return os.Symlink("/dev/zero", path) },
		"a link to itself":   func(path string) error { return os.Symlink("a.cedar", path) },
		"a file without end": func(path string) error { return errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, 1<<40)) },
		"a directory":        func(path string) error { return os.Symlink("/", path) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := cedar.Starter("test", "crm").Write(dir); err != nil {
				t.Fatal(err)
			}
			if err := make(filepath.Join(dir, "servers", "crm", "a.cedar")); err != nil {
				t.Skip(err)
			}
			if files, err := cedar.ReadFiles(os.DirFS(dir)); err == nil {
				t.Errorf("it is read: %d files", len(files))
			}
		})
	}
}

// What a step-up guards, completing does not give away: the values of a template's variables are what the resource tells.
func TestCompletionIsNoWayAroundAStepUp(t *testing.T) {
	d := cedar.NewDefinitions("crm")
	accept(t, d, mcp.ItemTemplate, `{"uriTemplate":"file:///people/{name}","name":"people"}`)
	accept(t, d, mcp.ItemPrompt, `{"name":"brief","arguments":[{"name":"who"}]}`)
	files := bundle(strings.Replace(anyCRM, "crm: {definitions: any}", "crm: {}", 1) + `
== servers/crm/rules.cedar
@id("all") permit (principal, action in Action::"crm/*", resource);
@id("people.scope") @remedy("step_up_scope") @scope("people")
forbid (principal, action in Action::"crm:resources", resource) unless { context.token.scopes.contains("people") };
@id("brief.scope") @remedy("step_up_scope") @scope("people")
forbid (principal, action == Action::"crm:prompt/brief", resource)
when { context.args has who && context.args.who == "boss" } unless { context.token.scopes.contains("people") };
`)
	files["schema/crm.json"] = d.Bytes()
	e := load(t, files)
	r := complete(mcp.ItemTemplate, "file:///people/{name}")
	if d := e.Decide(t.Context(), r); d.Verdict != policy.Challenge || d.Lacking.Scopes.String() != "people" {
		t.Errorf("without the scope: %s %s", d.Verdict, d.Code)
	}
	if !e.Visible(t.Context(), r, []mcp.Item{{Kind: mcp.ItemTemplate, Name: "file:///people/{name}"}})[0] {
		t.Error("a remedy hides")
	}
	if d := e.Decide(t.Context(), complete(mcp.ItemPrompt, "brief")); d.Verdict != policy.Allow {
		t.Errorf("what some calls lack is asked for: %s %s", d.Verdict, d.Code)
	}
	r.Caller.Scopes = r.Caller.Scopes.Union(oauth.NewScopes("people"))
	if d := e.Decide(t.Context(), r); d.Verdict != policy.Allow {
		t.Errorf("with the scope: %s %s", d.Verdict, d.Code)
	}
}

// A server whose schema has a pattern that repeats without end makes no call last long, whether its own walk or the library holds
// texts against it.
func TestAPatternThatTakesLong(t *testing.T) {
	const pattern = `{"type":"string","pattern":"((a{0,30}){0,30}b){0,1}$"}`
	for name, schema := range map[string]string{
		"by itself":          `{"type":"object","properties":{"a":` + pattern + `}}`,
		"among alternatives": `{"type":"object","properties":{"a":{"anyOf":[` + pattern + `,{"type":"integer"}]}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			d := cedar.NewDefinitions("crm")
			accept(t, d, mcp.ItemTool, `{"name":"x","inputSchema":`+schema+`}`)
			files := bundle(strings.Replace(anyCRM, "crm: {definitions: any}", "crm: {}", 1) + "== servers/crm/rules.cedar\n" + `@id("p") permit (principal, action, resource == Server::"crm");`)
			files["schema/crm.json"] = d.Bytes()
			e := load(t, files)
			begun := time.Now()
			if d := e.Decide(t.Context(), use("x", `{"a":"`+strings.Repeat("a", 1<<20)+`"}`)); d.Code != "args.bounds" || time.Since(begun) > 3*time.Second {
				t.Errorf("%s after %s", d.Code, time.Since(begun))
			}
			if d := e.Decide(t.Context(), use("x", `{"a":"`+strings.Repeat("a", 1000)+`"}`)); d.Code != "policy.allowed" {
				t.Errorf("%s %s", d.Code, d.Title)
			}
		})
	}
}

// Definitions that fit their bound are read again from the file that they are written to, whose line breaks are no part of them.
func TestALargeDefinitionIsReadAgain(t *testing.T) {
	d := cedar.NewDefinitions("crm")
	accept(t, d, mcp.ItemTool, `{"name":"x","inputSchema":{"type":"object","properties":{"a":{"enum":[`+strings.Repeat("1,2,", 30_000)+`3]}}}}`)
	if _, err := cedar.ReadDefinitions("crm", d.Bytes()); err != nil {
		t.Error(err)
	}
}
