package mcp_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward-mcp/doorward/mcp"
)

// Only the one member changes, whatever stands around it, and a server cannot say it in our place.
func TestWithMeta(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{"jsonrpc":"2.0","id":1,"result":{}}`, `{"jsonrpc":"2.0","id":1,"result":{"_meta":{"a/b":"x"}}}`},
		{`{"result" : { "content":[] } , "id":1}`, `{"result" : {"_meta":{"a/b":"x"}, "content":[] } , "id":1}`},
		{`{"result":{"_meta":{}}}`, `{"result":{"_meta":{"a/b":"x"}}}`},
		{`{"result":{"x":1,"_meta":{"c": 1.0}}}`, `{"result":{"x":1,"_meta":{"a/b":"x","c": 1.0}}}`},
		{`{"result":{"_meta":{"c":"\u0041","a/b":"forged"},"x":1e0}}`, `{"result":{"_meta":{"a/b":"x","c":"\u0041"},"x":1e0}}`},
		{`{"result":{"_meta":{"a\/b":"forged","a/b":"twice"}}}`, `{"result":{"_meta":{"a/b":"x"}}}`},
		{`{"error":{"code":1}}`, `{"error":{"code":1}}`},
		{`{"result":7}`, `{"result":7}`},
		{`{"result":{"_meta":7}}`, `{"result":{"_meta":7}}`},
		{`[{"result":{}}]`, `[{"result":{}}]`},
		{`{"result":{`, `{"result":{`},
		{``, ``},
	} {
		if diff := cmp.Diff(c.want, string(mcp.WithMeta([]byte(c.in), "a/b", []byte(`"x"`)))); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.in, diff)
		}
	}
}

// What is added to a response leaves it a response, and adds nothing to anything else.
func FuzzWithMeta(f *testing.F) {
	for _, s := range []string{`{"result":{"_meta":{"a/b":1}}}`, `{"result":{}}`, `{"result":{"x":[{"_meta":{}}]}}`, `{"id":1,"result":{"_meta":{"a/b":{"a/b":1}, "c":2}},"result":{}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		out := mcp.WithMeta(data, "a/b", []byte(`"x"`))
		if json.Valid(data) && !json.Valid(out) {
			t.Errorf("%q became %q", data, out)
		}
		again := mcp.WithMeta(out, "a/b", []byte(`"x"`))
		var a, b any
		if json.Unmarshal(out, &a) == nil && json.Unmarshal(again, &b) == nil && !cmp.Equal(a, b) {
			t.Errorf("%q, then %q", out, again)
		}
	})
}
