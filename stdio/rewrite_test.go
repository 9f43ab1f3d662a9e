package stdio_test

import (
	"bytes"
	"encoding/json"
	"net/textproto"
	"reflect"
	"strings"
	"testing"

	wire "github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/stdio"
)

const (
	member = "io.github.doorward-mcp/caller"
	ours   = `"io.github.doorward-mcp/caller":"h.p.s"`
)

func TestCallerIsPutIntoMeta(t *testing.T) {
	for _, c := range []struct{ name, in, out string }{
		{"first in _meta", `{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":[1, 2],"_meta":{"progressToken":7} ,"b":1.0}}`,
			`{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":[1, 2],"_meta":{` + ours + `,"progressToken":7} ,"b":1.0}}`},
		{"empty _meta", `{"id":1,"method":"m","params":{"_meta":{ }},"jsonrpc":"2.0"}`,
			`{"id":1,"method":"m","params":{"_meta":{` + ours + ` }},"jsonrpc":"2.0"}`},
		{"no _meta", `{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":"\u0061"}}`,
			`{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{` + ours + `},"a":"\u0061"}}`},
		{"empty params", `{"jsonrpc":"2.0","id":1,"method":"m","params":{}}`,
			`{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{` + ours + `}}}`},
		{"no params", `{"jsonrpc":"2.0","id":1,"method":"m"}`,
			`{"params":{"_meta":{` + ours + `}},"jsonrpc":"2.0","id":1,"method":"m"}`},
		{"null params", `{"jsonrpc":"2.0","id":1,"method":"m","params":null}`,
			`{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{` + ours + `}}}`},
		{"null _meta", `{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":null}}`,
			`{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{` + ours + `}}}`},
		{"a forged one is removed", `{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"a":1,"io.github.doorward-mcp/caller":"forged","b": 2}}}`,
			`{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{` + ours + `,"a":1,"b": 2}}}`},
		{"a forged one alone", `{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"io.github.doorward-mcp/caller":{"sub":"x"}}}}`,
			`{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{` + ours + `}}}`},
		{"escaped", `{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"io.github.doorward-mcp\/\u0063aller":"forged"}}}`,
			`{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{` + ours + `}}}`},
		{"another case", `{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"IO.github.doorward-mcp/Caller":"forged"}}}`,
			`{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{` + ours + `}}}`},
		{"an argument of that name is the caller's own", `{"jsonrpc":"2.0","id":1,"method":"m","params":{"arguments":{"_meta":{"io.github.doorward-mcp/caller":1}}}}`,
			`{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{` + ours + `},"arguments":{"_meta":{"io.github.doorward-mcp/caller":1}}}}`},
		{"a notification gets none", `{"jsonrpc":"2.0","method":"m","params":{"_meta":{"a":1}}}`, `{"jsonrpc":"2.0","method":"m","params":{"_meta":{"a":1}}}`},
		{"a notification loses a forged one", `{"jsonrpc":"2.0","method":"m","params":{"_meta":{"a":1, "io.github.doorward-mcp/caller":1}}}`,
			`{"jsonrpc":"2.0","method":"m","params":{"_meta":{"a":1}}}`},
		{"a response gets none", `{"jsonrpc":"2.0","id":1,"result":{"a":1}}`, `{"jsonrpc":"2.0","id":1,"result":{"a":1}}`},
		{"a response loses a forged one", `{"jsonrpc":"2.0","id":1,"result":{"_meta":{"io.github.doorward-mcp/caller":1}}}`,
			`{"jsonrpc":"2.0","id":1,"result":{"_meta":{}}}`},
		{"a batch", ` [ {"jsonrpc":"2.0","id":1,"method":"m"} , {"jsonrpc":"2.0","method":"n"},{"jsonrpc":"2.0","id":2,"method":"m","params":{"x":1}}]`,
			` [ {"params":{"_meta":{` + ours + `}},"jsonrpc":"2.0","id":1,"method":"m"} , {"jsonrpc":"2.0","method":"n"},` +
				`{"jsonrpc":"2.0","id":2,"method":"m","params":{"_meta":{` + ours + `},"x":1}}]`},
		{"newlines between tokens", "{\r\n\"jsonrpc\":\"2.0\",\n\"method\":\"a\\nb\"\n}\n", `{  "jsonrpc":"2.0", "method":"a\nb" } `},
		{"line ends that only some see", "{\"jsonrpc\":\"2.0\",\"method\":\"a\u2028b\u2029c\u0085d\"}", `{"jsonrpc":"2.0","method":"a\u2028b\u2029c\u0085d"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := stdio.Line([]byte(c.in), "h.p.s")
			if err != nil {
				t.Fatal(err)
			}
			if string(out) != c.out+"\n" {
				t.Errorf("got\n%s, want\n%s", out, c.out)
			}
		})
	}
}

func TestWithoutAssertionAForgedOneIsRemoved(t *testing.T) {
	out, err := stdio.Line([]byte(`{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"io.github.doorward-mcp/caller":"x","a":1}}}`), "")
	if want := `{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"a":1}}}` + "\n"; err != nil || string(out) != want {
		t.Errorf("got %s, %v", out, err)
	}
}

func TestWhatCannotHoldACallerIsRefused(t *testing.T) {
	for _, body := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":[]}}`,
		`{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":"x"}}`,
		`{"jsonrpc":"2.0","id":1,"method":"m","params":[1]}`,
	} {
		if out, err := stdio.Line([]byte(body), "h.p.s"); err == nil {
			t.Errorf("%s became %s", body, out)
		}
	}
}

// FuzzLine holds the line against another reader of JSON: it is the same message, with the caller exactly once.
func FuzzLine(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"m"}`,
		`{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"t","arguments":{"x":1e3},"_meta":{"io.github.doorward-mcp/caller":"f","k":[{}]}}}`,
		`[{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{}}},{"jsonrpc":"2.0","method":"n","params":{"_meta":{"Io.github.doorward-mcp/caller":1}}}]`,
		"{\"jsonrpc\":\"2.0\",\n \"id\":1,\"result\":{\"_meta\":null,\"s\":\"\u2028\"}}",
		`{"jsonrpc":"2.0","id":1,"method":"m","params": { "_meta" : { "a" : 1 } , "b" : 2 } }`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := wire.Read("POST", textproto.MIMEHeader{"Content-Type": {"application/json"}}, body)
		if err != nil {
			t.Skip()
		}
		before := bytes.Clone(body)
		out, err := stdio.Line(m.Body, "h.p.s")
		if !bytes.Equal(body, before) {
			t.Fatal("the judged bytes were altered in place")
		}
		if err != nil {
			return // a _meta that is no object
		}
		text := string(out[:len(out)-1])
		if strings.ContainsAny(text, "\n\r\u0085\u2028\u2029") {
			t.Fatalf("more than one line: %q", text)
		}
		want, got := decode(t, body), decode(t, out)
		requests := 0
		expect(want, &requests)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %v\nwant %v", got, want)
		}
		if n := strings.Count(text, ours); n < requests {
			t.Fatalf("the caller stands %d times for %d requests", n, requests)
		}
		// Without one that came in and without ends of lines, what is not inserted is the very bytes.
		if bytes.Contains(bytes.ToLower(body), []byte("caller")) || strings.ContainsAny(string(body), "\\\n\r\u0085\u2028\u2029") {
			return
		}
		if whole, single := decode(t, body).(map[string]any); single && !bytes.Contains(body, []byte("null")) {
			if rest := strings.Replace(text, inserted(whole), "", 1); rest != string(body) {
				t.Fatalf("other bytes changed:\n%s\n%s", body, rest)
			}
		}
	})
}

// inserted is the text that a message gets.
func inserted(m map[string]any) string {
	_, isRequest := m["method"]
	if _, hasID := m["id"]; !isRequest || !hasID {
		return ""
	}
	params, ok := m["params"].(map[string]any)
	if !ok {
		return `"params":{"_meta":{` + ours + `}},`
	}
	meta, ok := params["_meta"].(map[string]any)
	switch {
	case !ok && len(params) == 0:
		return `"_meta":{` + ours + `}`
	case !ok:
		return `"_meta":{` + ours + `},`
	case len(meta) == 0:
		return ours
	}
	return ours + ","
}

func decode(t *testing.T, b []byte) any {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q: %v", b, err)
	}
	return v
}

// expect does to a decoded message what Line does to its bytes.
func expect(v any, requests *int) {
	if all, ok := v.([]any); ok {
		for _, m := range all {
			expect(m, requests)
		}
		return
	}
	m := v.(map[string]any)
	_, isRequest := m["id"]
	in := "params"
	if _, ok := m["method"]; !ok {
		in, isRequest = "result", false
	}
	if isRequest {
		*requests++
		if m[in] == nil {
			m[in] = map[string]any{}
		}
		if params := m[in].(map[string]any); params["_meta"] == nil {
			params["_meta"] = map[string]any{}
		}
	}
	params, _ := m[in].(map[string]any)
	for name := range params {
		meta, ok := params[name].(map[string]any)
		if !ok || !strings.EqualFold(name, "_meta") {
			continue
		}
		for k := range meta {
			if strings.EqualFold(k, member) {
				delete(meta, k)
			}
		}
		if isRequest {
			meta[member] = "h.p.s"
		}
	}
}
