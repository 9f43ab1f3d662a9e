package mcp_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/textproto"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/mcp"
)

// wire is how a server that uses encoding/json, which ignores case and takes the last of two, reads a message.
type wire struct {
	JSONRPC string
	ID      json.RawMessage
	Method  string
	Params  *struct {
		Name      any
		URI       any `json:"uri"`
		TaskID    any `json:"taskId"`
		Arguments json.RawMessage
		Ref       struct{ Type, Name, URI any }
	}
	Result, Error json.RawMessage
}

// FuzzRead holds Read against encoding/json: whatever Read accepts, a common reader reads the same from the same bytes.
func FuzzRead(f *testing.F) {
	for _, body := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":1}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add",` + meta + `}}`,
		`{"jsonrpc":"2.0","id":"\u0061","method":"resources\/read","params":{"uri":"x:y","URI":"z"}}`,
		`[{"jsonrpc":"2.0","id":2,"method":"tasks/get","params":{"taskId":"t"}},{"jsonrpc":"2.0","method":"n","params":null}]`,
		`{"jsonrpc":"2.0","id":3,"error":{}}`, `{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"p"}}}`,
		`{"jsonrpc":"2.0","id":1,"paramſ":{},"method":"a",}`,
	} {
		f.Add("POST", "", "", "", []byte(body))
		f.Add("POST", "2026-07-28", "tools/call", "add", []byte(body))
	}
	f.Add("GET", "2025-11-25", "", "", []byte{})
	f.Fuzz(func(t *testing.T, httpMethod, revision, method, name string, body []byte) {
		h := textproto.MIMEHeader{}
		for key, value := range map[string]string{"Mcp-Protocol-Version": revision, "Mcp-Method": method, "Mcp-Name": name} {
			if value != "" {
				h[key] = []string{value}
			}
		}
		m, err := mcp.Read(httpMethod, h, body)
		if err != nil {
			e, ok := errors.AsType[*mcp.Error](err)
			if !ok || e.Status < 400 || !json.Valid(e.Body()) || m.Operations != nil {
				t.Fatalf("refused as %#v with %s", err, e.Body())
			}
			return
		}
		if httpMethod == "POST" {
			compare(t, m)
		}
	})
}

// failing is what a test of testing and of rapid have in common.
type failing interface {
	Helper()
	Fatalf(format string, args ...any)
}

func compare(t failing, m mcp.Message) {
	t.Helper()
	all := make([]wire, 1)
	var into any = &all[0]
	if bytes.HasPrefix(bytes.TrimLeft(m.Body, " \t\r\n"), []byte("[")) {
		into = &all
	}
	if err := json.Unmarshal(m.Body, into); err != nil {
		// A member that no operation here is judged by, such as ref of another method, may have any type.
		if _, ok := errors.AsType[*json.UnmarshalTypeError](err); !ok {
			t.Fatalf("encoding/json refuses %s: %v", m.Body, err)
		}
		return
	}
	if len(all) != len(m.Operations) {
		t.Fatalf("%d operations, encoding/json has %d in %s", len(m.Operations), len(all), m.Body)
	}
	for i, o := range m.Operations {
		w := all[i]
		if w.JSONRPC != "2.0" || w.Method != o.Method || !sameJSON(w.ID, o.ID) {
			t.Fatalf("%+v, encoding/json reads %+v", o, w)
		}
		item, ok := o.Item()
		if !ok {
			continue
		}
		names := map[string]any{"tool": w.Params.Name, "prompt": w.Params.Name, "resource": w.Params.URI, "task": w.Params.TaskID}
		if o.Method == "completion/complete" {
			names = map[string]any{"prompt": w.Params.Ref.Name, "resource": w.Params.Ref.URI}
		}
		if names[item.Kind] != o.Name {
			t.Fatalf("name %q, encoding/json reads %v", o.Name, names[item.Kind])
		}
		if o.Args != nil && !bytes.Equal(bytes.TrimSpace(o.Args), bytes.TrimSpace(w.Params.Arguments)) {
			t.Fatalf("arguments %s, encoding/json reads %s", o.Args, w.Params.Arguments)
		}
	}
}

func sameJSON(raw json.RawMessage, id string) bool {
	if id == "" {
		return raw == nil || string(raw) == "null"
	}
	var a, b any
	return json.Unmarshal(raw, &a) == nil && json.Unmarshal([]byte(id), &b) == nil && a == b
}

func benchmarkRead(b *testing.B, size int, h textproto.MIMEHeader, members string) {
	body := []byte(`{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"name":"search","arguments":{"limit":10,"tags":["a","b"],"text":"` +
		strings.Repeat("x", size-160-len(members)) + `","deep":{"x":1.5,"y":null}}` + members + `}}`)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := mcp.Read("POST", h, body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead512(b *testing.B) {
	benchmarkRead(b, 512, headers("Mcp-Protocol-Version: 2025-11-25", "Mcp-Session-Id: abc"), "")
}

func BenchmarkRead512Modern(b *testing.B) {
	benchmarkRead(b, 512, modern("Mcp-Method: tools/call", "Mcp-Name: search"), ","+meta)
}

func BenchmarkRead64K(b *testing.B) {
	benchmarkRead(b, 64<<10, headers("Mcp-Protocol-Version: 2025-11-25"), "")
}
