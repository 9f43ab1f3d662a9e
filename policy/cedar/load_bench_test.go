package cedar_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/policy/cedar"
)

// What it costs to load a bundle of rules about a hundredth as many tools, with everything that is checked on the way.
func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{100, 1_000, 10_000} {
		d := cedar.NewDefinitions("crm")
		for i := range n / 100 {
			if _, err := d.Accept(mcp.ItemTool, fmt.Appendf(nil, `{"name":"tool%d","inputSchema":{"type":"object","properties":{"id":{"type":"integer"},"mode":{"type":"string"}},"required":["id"]}}`, i)); err != nil {
				b.Fatal(err)
			}
		}
		files := bundle("== bundle.yaml\nid: a\nservers: {crm: {}}\n")
		files["schema/crm.json"] = d.Bytes()
		var rules strings.Builder
		for i := range n {
			fmt.Fprintf(&rules, "@id(\"r%d\") permit (principal in Group::\"g%d\", action == Action::\"crm/tool%d\", resource) when { context.args.id > %d && context.delegation.human };\n", i, i, i%(n/100), i)
		}
		files["servers/crm/rules.cedar"] = []byte(rules.String())
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				if _, err := cedar.Load(files, cedar.Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
