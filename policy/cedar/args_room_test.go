package cedar

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/doorward-mcp/doorward/mcp"
)

// The room that one call's arguments were read in holds nothing for the next: not of one that was read whole, nor of one that was
// refused in the middle, nor of one with more members than the room is kept for.
func TestArgumentsAreNotLeftBehind(t *testing.T) {
	var names []string
	for i := range 12 {
		names = append(names, fmt.Sprintf(`"m%d":{"type":"string"}`, i))
	}
	d := NewDefinitions("crm")
	if _, err := d.Accept(mcp.ItemTool, jsontext.Value(`{"name":"t","inputSchema":{"type":"object","properties":{`+strings.Join(names, ",")+`,
		"who":{"type":"object","properties":{"name":{"type":"string"},"age":{"type":["integer","null"]},"tags":{"type":"array","items":{"type":"string"}}}}}}}`)); err != nil {
		t.Fatal(err)
	}
	a := d.items()[0]
	many := strings.Repeat(`"m%d":"secret",`, 12)
	var at []any
	for i := range 12 {
		at = append(at, i)
	}
	calls := []struct{ args, want string }{
		{`{"who":{"name":"secret","age":7,"tags":["secret","x"]},"m0":"secret"}`, `{"m0":"secret", "who":{"age":{"null":false, "value":7}, "name":"secret", "tags":["secret", "x"]}}`},
		{`{"m1":"secret","who":{"name":"secret","tags":["secret",1]}}`, "args.schema /who/tags/1"},
		{`{"m1":"secret","who":{"name":"secret","age":"seven"}}`, "args.schema /who/age"},
		{`{"m1":"secret","who":{"name":"secret"},"m2":2}`, "args.schema /m2"},
		{fmt.Sprintf(`{`+many+`"who":{"name":"secret"}}`, at...), ""},
		{`{}`, `{}`},
		{`{"who":{}}`, `{"who":{}}`},
		{`{"who":{"tags":[]}}`, `{"who":{"tags":[]}}`},
	}
	var all sync.WaitGroup
	for shift := range 4 { // side by side, and each after each
		all.Go(func() {
			for i := range 200 {
				c := calls[(i*(shift+1)+i/len(calls))%len(calls)]
				got := said(a.read(mcp.Operation{Args: jsontext.Value(c.args)}, everything))
				if c.want != "" && got != c.want {
					t.Errorf("%s: got %s, want %s", c.args, got, c.want)
				}
				if !strings.Contains(c.args, "secret") && strings.Contains(got, "secret") {
					t.Errorf("%s: got %s", c.args, got)
				}
			}
		})
	}
	all.Wait()
}
