package cedar_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/policy/cedar"
)

// Many callers at once, with names that nobody named, lists, arguments and completions, while the engine is exchanged: each gets what
// one alone would have got.
func TestManyAtOnce(t *testing.T) {
	d := cedar.NewDefinitions("crm")
	accept(t, d, mcp.ItemTool, `{"name":"pay","inputSchema":{"type":"object","properties":{"amount":{"type":"integer"},"to":{"type":"array","items":{"type":"string"}}}}}`)
	accept(t, d, mcp.ItemTemplate, `{"uriTemplate":"file:///people/{name}","name":"people"}`)
	files := bundle(anyCRM + `
== servers/crm/rules.cedar
@id("staff") permit (principal in Group::"staff", action in Action::"crm/*", resource);
@id("none") forbid (principal, action in Action::"@destructive", resource == Server::"crm");
@id("much") forbid (principal, action == Action::"crm/pay", resource) when { context.args has amount && context.args.amount > 100 };
@id("boss") forbid (principal, action == Action::"crm:resource/file:///people/{name}", resource) when { context.args has name && context.args.name == "boss" };
`)
	files["schema/crm.json"] = d.Bytes()
	var live atomic.Pointer[cedar.Engine]
	live.Store(load(t, files))
	read := func(uri string) policy.Request {
		r := use("", "")
		r.Operation = mcp.Item{Kind: mcp.ItemResource, Name: uri}.Use()
		return r
	}
	done := make(chan struct{})
	var callers sync.WaitGroup
	for n := range 8 {
		callers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				e := live.Load()
				for name, c := range map[string]struct {
					r    policy.Request
					want policy.Verdict
				}{
					"made up":     {use(fmt.Sprintf("made-up-%d-%d", n, i), "{}"), policy.Allow},
					"destructive": {use(fmt.Sprintf("delete_%d", i), "{}"), policy.Deny},
					"little":      {use("pay", fmt.Sprintf(`{"amount":%d,"to":["a","b"]}`, i%100)), policy.Allow},
					"much":        {use("pay", fmt.Sprintf(`{"amount":%d}`, 101+i)), policy.Deny},
					"a text":      {use("pay", `{"amount":"1"}`), policy.Deny},
					"somebody":    {read(fmt.Sprintf("file:///people/p%d", i)), policy.Allow},
					"boss":        {read("file:///people/b%6Fss"), policy.Deny},
				} {
					if d := e.Decide(t.Context(), c.r); d.Verdict != c.want {
						t.Errorf("%s: %s %s %s", name, d.Verdict, d.Code, d.Title)
						return
					}
				}
				seen := e.Visible(t.Context(), use("", ""), []mcp.Item{{Kind: mcp.ItemTool, Name: "pay"}, {Kind: mcp.ItemTool, Name: "delete_it"}, {Kind: mcp.ItemTool, Name: fmt.Sprint(i)}})
				if !seen[0] || seen[1] || !seen[2] {
					t.Errorf("%v", seen)
					return
				}
			}
		})
	}
	for i := range 20 { // bundles that differ, and decide the same
		files["servers/crm/more.cedar"] = []byte(strings.Repeat("\n", i) + `@id("more") permit (principal in Group::"nobody", action in Action::"crm:tools", resource);`)
		live.Store(load(t, files))
	}
	close(done)
	callers.Wait()
}
