package gateway_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/mcp"
)

// BenchmarkDefinitions is a list of 100 tools of 1 KB, all of them accepted, with and without looking at their definitions.
func BenchmarkDefinitions(b *testing.B) {
	tools := make([]string, 100)
	for n := range tools {
		tools[n] = fmt.Sprintf(`{"name":"t%d","description":%q}`, n, strings.Repeat("x", 1000))
	}
	said := answers("tools", tools...)
	looking, not := defined(b), gated(b, nil)
	for _, tool := range tools {
		looking.known.accepted[mcp.HashDefinition([]byte(tool))] = true
	}
	for name, f := range map[string]*fixture{"looking": looking.fixture, "not": not} {
		b.Run(name, func(b *testing.B) {
			raw := f.token("alice")
			for b.Loop() {
				f.says(200, json, said)
				if g := f.send(raw, old, askList); g.Body.Len() != len(said) {
					b.Fatal(g.Body)
				}
			}
		})
	}
}
