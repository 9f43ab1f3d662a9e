package mcp_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/doorward-mcp/doorward/mcp"
)

// headers makes a header of "Name: value" lines.
func headers(lines ...string) textproto.MIMEHeader {
	h := textproto.MIMEHeader{"Content-Type": {"application/json"}}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ":")
		h.Add(name, value)
	}
	return h
}

const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`

func modern(lines ...string) textproto.MIMEHeader {
	return headers(append([]string{"MCP-Protocol-Version: 2026-07-28"}, lines...)...)
}

func accept(t *testing.T, h textproto.MIMEHeader, body string) mcp.Message {
	t.Helper()
	m, err := mcp.Read("POST", h, []byte(body))
	if err != nil {
		t.Fatalf("%s\nrefused: %v", body, err)
	}
	if string(m.Body) != body {
		t.Fatalf("the body became %s", m.Body)
	}
	return m
}

func deny(t *testing.T, status, code int, h textproto.MIMEHeader, body string) *mcp.Error {
	t.Helper()
	m, err := mcp.Read("POST", h, []byte(body))
	e, ok := errors.AsType[*mcp.Error](err)
	if !ok {
		t.Errorf("%s\naccepted: %+v", body, m)
		return &mcp.Error{}
	}
	if e.Status != status || e.Code != code || m.Operations != nil {
		t.Errorf("%s\nrefused with %d and %d (%s), want %d and %d", body, e.Status, e.Code, e.Message, status, code)
	}
	return e
}

func TestOperations(t *testing.T) {
	for _, c := range []struct {
		body               string
		kind               mcp.Kind
		method, name, id   string
		args, item, params string
	}{
		{`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":1}}}`, mcp.KindRequest, "tools/call", "add", "1", `{"a":1}`, "tool", `{"name":"add","arguments":{"a":1}}`},
		{` { "params" : { "arguments" : null , "name" : "a\u0064d" } , "method" : "tools\/call" , "id" : "x" , "jsonrpc" : "2.0" } ` + "\n", mcp.KindRequest, "tools/call", "add", `"x"`, "", "tool", `{ "arguments" : null , "name" : "a\u0064d" }`},
		{`{"jsonrpc":"2.0","id":-7,"method":"prompts/get","params":{"name":"hi","arguments":{}}}`, mcp.KindRequest, "prompts/get", "hi", "-7", `{}`, "prompt", `{"name":"hi","arguments":{}}`},
		{`{"jsonrpc":"2.0","id":0,"method":"resources/read","params":{"uri":"file:///a"}}`, mcp.KindRequest, "resources/read", "file:///a", "0", "", "resource", `{"uri":"file:///a"}`},
		{`{"jsonrpc":"2.0","id":"\u0061\/\n","method":"tasks/cancel","params":{"taskId":"t1"}}`, mcp.KindRequest, "tasks/cancel", "t1", `"a/\n"`, "", "task", `{"taskId":"t1"}`},
		{`{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"hi"}}}`, mcp.KindRequest, "completion/complete", "hi", "1", "", "prompt", `{"ref":{"type":"ref/prompt","name":"hi"}}`},
		{`{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/resource","uri":"x:y"}}}`, mcp.KindRequest, "completion/complete", "x:y", "1", "", "resource", `{"ref":{"type":"ref/resource","uri":"x:y"}}`},
		{`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, mcp.KindRequest, "tools/list", "", "1", "", "", ""},
		{`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":null}`, mcp.KindRequest, "tools/list", "", "1", "", "", ""},
		{`{"jsonrpc":"2.0","method":"notifications/initialized"}`, mcp.KindNotification, "notifications/initialized", "", "", "", "", ""},
		{`{"jsonrpc":"2.0","id":3,"result":{"roots":[]}}`, mcp.KindResponse, "", "", "3", "", "", ""},
		{`{"jsonrpc":"2.0","id":3,"error":{"code":1,"message":"no"}}`, mcp.KindResponse, "", "", "3", "", "", ""},
		{`{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"no"}}`, mcp.KindResponse, "", "", "", "", "", ""},
	} {
		o := accept(t, headers("Mcp-Protocol-Version: 2025-11-25"), c.body).Operations
		item, _ := o[0].Item()
		if len(o) != 1 || o[0].Kind != c.kind || o[0].Method != c.method || o[0].Name != c.name || o[0].ID != c.id ||
			string(o[0].Args) != c.args || string(o[0].Params) != c.params || item.Kind != c.item {
			t.Errorf("%s\nread as %+v", c.body, o)
		}
	}
}

// Readers share spare memory; no message may show in another.
func TestReadersDoNotDisturbEachOther(t *testing.T) {
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for n := range 200 {
				name := fmt.Sprintf("tool-%d-%d", g, n)
				m, err := mcp.Read("POST", headers(), []byte(`[{"jsonrpc":"2.0","id":"`+name+`","method":"tools/call","params":{"name":"`+name+`","arguments":{"n":"`+name+`"}}},{"jsonrpc":"2.0","method":"n"}]`))
				_, refused := mcp.Read("POST", headers(), []byte(`{"jsonrpc":"2.0","id":"left over","method":"tools/call","params":{"name":"x","name"`))
				r, ok := mcp.Response([]byte(`{"id":"` + name + `","result":{}}`))
				if err != nil || refused == nil || !ok || r.ID != `"`+name+`"` || len(m.Operations) != 2 {
					t.Errorf("%s: %v, %v, %+v", name, err, refused, r)
					return
				}
				o := m.Operations[0]
				if o.Name != name || o.ID != `"`+name+`"` || string(o.Args) != `{"n":"`+name+`"}` || m.Operations[1].ID != "" || m.Operations[1].Params != nil {
					t.Errorf("%s became %+v", name, m.Operations)
				}
			}
		})
	}
	wg.Wait()
}

func TestArgumentsAreTheVeryBytes(t *testing.T) {
	body := []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a": 1.0}}}`)
	m, err := mcp.Read("POST", headers(), body)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(body, []byte(`{"a"`))
	if &m.Operations[0].Args[0] != &body[at] || &m.Body[0] != &body[0] || cap(m.Operations[0].Args) != len(m.Operations[0].Args) {
		t.Error("the arguments are a copy, or reach beyond themselves")
	}
}

// Rule 13 of the design and the traps of the digest: what two readers could understand differently is refused.
func TestAmbiguousBodiesAreRefused(t *testing.T) {
	call := func(members string) string {
		return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add"` + members + `}}`
	}
	for name, body := range map[string]string{
		"method twice":                   `{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call"}`,
		"method twice, once escaped":     `{"jsonrpc":"2.0","id":1,"method":"tools/list","m\u0065thod":"tools/call"}`,
		"name twice":                     call(`,"name":"delete_user"`),
		"an argument twice, deep":        call(`,"arguments":{"a":[{"b":{"c":1,"c":2}}]}`),
		"in a result":                    `{"jsonrpc":"2.0","id":1,"result":{"a":1,"a":2}}`,
		"Method":                         `{"jsonrpc":"2.0","id":1,"method":"tools/list","Method":"tools/call"}`,
		"METHOD alone":                   `{"jsonrpc":"2.0","id":1,"METHOD":"tools/call","method":"tools/list"}`,
		"Name":                           call(`,"Name":"delete_user"`),
		"escaped Name":                   call(`,"\u004eame":"delete_user"`),
		"Arguments":                      call(`,"Arguments":{}`),
		"argumentſ (U+017F)":             call(`,"argumentſ":{}`),
		"paramſ":                         `{"jsonrpc":"2.0","id":1,"method":"tools/list","paramſ":{}}`,
		"Params":                         `{"jsonrpc":"2.0","id":1,"method":"tools/list","Params":{}}`,
		"ID":                             `{"jsonrpc":"2.0","id":1,"method":"tools/list","ID":2}`,
		"JSONRPC":                        `{"jsonrpc":"2.0","id":1,"method":"tools/list","JSONRPC":"1.0"}`,
		"Result in a request":            `{"jsonrpc":"2.0","id":1,"method":"tools/list","Result":{}}`,
		"URI":                            `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"a:b","URI":"c:d"}}`,
		"_META":                          call(`,"_META":{}`),
		"taskID":                         `{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"a","taskID":"b"}}`,
		"a look-alike in _meta":          call(`,"_meta":{"io.modelcontextprotocol/ProtocolVersion":"2026-07-28"}`),
		"a look-alike in ref":            `{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"a","Name":"b"}}}`,
		"both result and method":         `{"jsonrpc":"2.0","id":1,"method":"tools/list","result":{}}`,
		"both result and error":          `{"jsonrpc":"2.0","id":1,"error":{},"result":{}}`,
		"neither":                        `{"jsonrpc":"2.0","id":1}`,
		"empty object":                   `{}`,
		"a result without id":            `{"jsonrpc":"2.0","result":{}}`,
		"a result with id null":          `{"jsonrpc":"2.0","id":null,"result":{}}`,
		"a result with params":           `{"jsonrpc":"2.0","id":1,"params":{},"result":{}}`,
		"jsonrpc 1.0":                    `{"jsonrpc":"1.0","id":1,"method":"tools/list"}`,
		"jsonrpc a number":               `{"jsonrpc":2.0,"id":1,"method":"tools/list"}`,
		"jsonrpc missing":                `{"id":1,"method":"tools/list"}`,
		"id null":                        `{"jsonrpc":"2.0","id":null,"method":"tools/list"}`,
		"id true":                        `{"jsonrpc":"2.0","id":true,"method":"tools/list"}`,
		"id an object":                   `{"jsonrpc":"2.0","id":{},"method":"tools/list"}`,
		"id with a fraction":             `{"jsonrpc":"2.0","id":1.5,"method":"tools/list"}`,
		"id with an exponent":            `{"jsonrpc":"2.0","id":1e3,"method":"tools/list"}`,
		"id that a double does not hold": `{"jsonrpc":"2.0","id":9007199254740993,"method":"tools/list"}`,
		"id minus zero":                  `{"jsonrpc":"2.0","id":-0,"method":"tools/list"}`,
		"method a number":                `{"jsonrpc":"2.0","id":1,"method":1}`,
		"method null":                    `{"jsonrpc":"2.0","id":1,"method":null}`,
		"method empty":                   `{"jsonrpc":"2.0","id":1,"method":""}`,
		"params an array":                `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":[]}`,
		"params a string":                `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":"x"}`,
		"nested too deep":                call(`,"arguments":{"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`),
		"a string":                       `"tools/list"`,
		"null":                           `null`,
		"batch of arrays":                `[[]]`,
		"empty batch":                    `[]`,
		"initialize in a batch":          `[{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-03-26"}}]`,
		"an id twice in a batch":         `[{"jsonrpc":"2.0","id":"a","method":"ping"},{"jsonrpc":"2.0","id":"\u0061","method":"ping"}]`,
		"a batch past its bound":         `[` + strings.Repeat(`{"jsonrpc":"2.0","method":"x"},`, 100) + `{"jsonrpc":"2.0","method":"x"}]`,
	} {
		t.Run(name, func(t *testing.T) { deny(t, 400, mcp.InvalidRequest, headers(), body) })
	}
	for _, method := range []string{"Tools/Call", "TOOLS/LIST", "tools/\u0043all", "ta\u017fks/get", "resources/Read"} {
		t.Run(method, func(t *testing.T) {
			deny(t, 400, mcp.MethodNotFound, headers(), `{"jsonrpc":"2.0","id":1,"method":"`+method+`","params":{"name":"a","uri":"a:b","taskId":"t"}}`)
		})
	}
	good := `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	for name, body := range map[string]string{
		"empty": "", "space": " ", "cut": good[:20], "comma at the end": good[:len(good)-1] + ",}", "comma in a batch": "[" + good + ",]",
		"a second message": good + good, "trailing text": good + "x", "trailing comma": good + ",", "trailing NUL": good + "\x00",
		"byte order mark": "\ufeff" + good, "invalid UTF-8": strings.Replace(good, "list", "li\xffst", 1),
		"invalid UTF-8 in an argument": call(",\"arguments\":{\"a\":\"\xc0\xaf\"}"), "half a surrogate": call(`,"arguments":{"a":"\ud800"}`),
		"UTF-16": "{\x00\"\x00", "comment": "/**/" + good, "single quotes": strings.ReplaceAll(good, `"`, `'`), "NaN": call(`,"arguments":{"a":NaN}`),
		"leading zero": call(`,"arguments":{"a":01}`), "control character": call(",\"arguments\":{\"a\":\"\n\"}"),
	} {
		t.Run(name, func(t *testing.T) { deny(t, 400, mcp.ParseError, headers(), body) })
	}
	for name, body := range map[string]string{
		"name missing":           `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}`,
		"no params":              `{"jsonrpc":"2.0","id":1,"method":"tools/call"}`,
		"name a number":          `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":1}}`,
		"name empty":             `{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":""}}`,
		"arguments an array":     `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":[]}}`,
		"uri missing":            `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"name":"x"}}`,
		"unknown ref":            `{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/other"}}}`,
		"a tool in notification": `{"jsonrpc":"2.0","method":"tools/call","params":{}}`,
	} {
		t.Run(name, func(t *testing.T) { deny(t, 400, mcp.InvalidParams, headers(), body) })
	}
}

func TestRefusalsRepeatTheIdThatCouldBeRead(t *testing.T) {
	e := deny(t, 400, mcp.InvalidParams, headers(), `{"jsonrpc":"2.0","id":"q","method":"tools/call"}`)
	var answer struct {
		JSONRPC string
		ID      any
		Error   struct {
			Code    int
			Message string
		}
	}
	if err := json.Unmarshal(e.Body(), &answer); err != nil || answer.JSONRPC != "2.0" || answer.ID != "q" || answer.Error.Code != mcp.InvalidParams || answer.Error.Message == "" {
		t.Errorf("%s: %v", e.Body(), err)
	}
	e = deny(t, 400, mcp.ParseError, headers(), `{`)
	if bytes.Contains(e.Body(), []byte(`"id"`)) {
		t.Errorf("an id from nowhere: %s", e.Body())
	}
}

// TR-BATCH, TR-SINGLE-MESSAGE
func TestBatchesExistIn20250326Only(t *testing.T) {
	batch := `[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}},{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"b"}},{"jsonrpc":"2.0","method":"n"}]`
	for _, h := range []textproto.MIMEHeader{headers(), headers("Mcp-Protocol-Version: 2025-03-26")} {
		m := accept(t, h, batch)
		if len(m.Operations) != 3 || m.Operations[0].Name != "a" || m.Operations[1].Name != "b" || m.Operations[2].Kind != mcp.KindNotification {
			t.Errorf("%+v", m.Operations)
		}
	}
	for _, v := range []string{"2025-06-18", "2025-11-25", "2026-07-28"} {
		deny(t, 400, mcp.InvalidRequest, headers("Mcp-Protocol-Version: "+v), batch)
	}
}

// TR-PV-DEFAULT, TR-PV-INVALID-400
func TestRevision(t *testing.T) {
	list := `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	if r := accept(t, headers(), list).Revision; r != mcp.V20250326 {
		t.Errorf("without header: %s", r)
	}
	for _, r := range []mcp.Revision{mcp.V20250326, mcp.V20250618, mcp.V20251125} {
		if got := accept(t, headers("MCP-Protocol-Version: "+string(r)), list).Revision; got != r {
			t.Errorf("header %s gives %s", r, got)
		}
	}
	for proposed, want := range map[string]mcp.Revision{"2025-11-25": mcp.V20251125, "2025-03-26": mcp.V20250326, "2024-11-05": mcp.V20250326, "2026-07-28": mcp.V20250326, "2099-01-01": mcp.V20250326} {
		body := `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"` + proposed + `","capabilities":{}}}`
		if got := accept(t, headers(), body).Revision; got != want {
			t.Errorf("initialize with %s gives %s, want %s", proposed, got, want)
		}
	}
	for _, v := range []string{"1999-01-01", "2024-11-05", "", "2025-11-25x", "2025-11-25, 2025-06-18"} {
		e := deny(t, 400, mcp.UnsupportedRevision, headers("Mcp-Protocol-Version: "+v), list)
		want := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"Unsupported protocol version","data":{"supported":["2026-07-28","2025-11-25","2025-06-18","2025-03-26"],"requested":%q}}}`, v)
		if string(e.Body()) != want {
			t.Errorf("%s", e.Body())
		}
	}
	deny(t, 400, mcp.InvalidRequest, headers("Mcp-Protocol-Version: 2025-11-25", "Mcp-Protocol-Version: 2025-03-26"), list)
	if mcp.Revision("").Known() || mcp.Revision("").Sessions() || !slices.IsSortedFunc(mcp.Supported(), func(a, b mcp.Revision) int { return -strings.Compare(string(a), string(b)) }) {
		t.Error("the zero Revision, or the order of Supported")
	}
}

// TR-SID-ASCII, TR-NO-SESSION
func TestSession(t *testing.T) {
	list := `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	if s := accept(t, headers("Mcp-Session-Id: abc"), list).Session; s != "abc" {
		t.Errorf("session %q", s)
	}
	for _, bad := range []string{"a b", "a\u00e9", "a\x7f"} {
		deny(t, 400, mcp.InvalidRequest, headers("Mcp-Session-Id: "+bad), list)
	}
	deny(t, 400, mcp.InvalidRequest, headers("Mcp-Session-Id: a", "Mcp-Session-Id: b"), list)
	m := accept(t, modern("Mcp-Method: tools/list", "Mcp-Session-Id: abc"), `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{`+meta+`}}`)
	if m.Session != "" {
		t.Errorf("a session in 2026-07-28: %q", m.Session)
	}
}

// TR-GET-STREAM, TR-SID-DELETE, TR-GET-DELETE-405
func TestGetAndDelete(t *testing.T) {
	for method, kind := range map[string]mcp.Kind{"GET": mcp.KindStream, "DELETE": mcp.KindEnd} {
		m, err := mcp.Read(method, headers("Mcp-Session-Id: s", "Mcp-Protocol-Version: 2025-11-25"), nil)
		if err != nil || m.Session != "s" || len(m.Operations) != 1 || m.Operations[0].Kind != kind || m.Revision != mcp.V20251125 {
			t.Errorf("%s: %+v, %v", method, m, err)
		}
		for want, h := range map[int]textproto.MIMEHeader{405: modern(), 400: headers("Mcp-Protocol-Version: 1999-01-01")} {
			_, err := mcp.Read(method, h, nil)
			if e, ok := errors.AsType[*mcp.Error](err); !ok || e.Status != want {
				t.Errorf("%s: %v, want %d", method, err, want)
			}
		}
		if _, err := mcp.Read(method, headers(), []byte("x")); err == nil {
			t.Errorf("%s with a body", method)
		}
	}
	for _, method := range []string{"PUT", "post", "", "HEAD"} {
		_, err := mcp.Read(method, headers(), nil)
		if e, ok := errors.AsType[*mcp.Error](err); !ok || e.Status != 405 {
			t.Errorf("%q: %v", method, err)
		}
	}
}

func TestContentThatDecodesToOtherTextIsRefused(t *testing.T) {
	list := `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	for _, good := range []string{"application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"} {
		accept(t, textproto.MIMEHeader{"Content-Type": {good}}, list)
	}
	for _, bad := range []string{"text/plain", "application/json; charset=utf-7", "application/json;charset=utf-16", "application/jsonx", "", "application/x-www-form-urlencoded"} {
		deny(t, 415, mcp.InvalidRequest, textproto.MIMEHeader{"Content-Type": {"application/json", bad}}, list)
	}
	deny(t, 415, mcp.InvalidRequest, headers("Content-Encoding: gzip"), list)
}

// TR-META-MISSING-400, TR-PV-MATCH, TR-PV-MISSING-REJECT, TR-HDR-METHOD, TR-HDR-NAME, TR-HDR-VALIDATE, TR-HDR-NAME-CASE, GW-HEADER-UNTRUSTED: what is judged is the
// body, and a header can only be wrong.
func TestHeadersOf20260728AgreeWithTheBody(t *testing.T) {
	call := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add",` + meta + `}}`
	read := `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"x:é",` + meta + `}}`
	list := `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{` + meta + `}}`
	b64 := func(s string) string { return "=?base64?" + base64.StdEncoding.EncodeToString([]byte(s)) + "?=" }

	accept(t, modern("Mcp-Method: tools/call", "Mcp-Name: add"), call)
	accept(t, modern("mcp-method:  tools/call \t", "mcp-name:\tadd "), call)
	accept(t, modern("Mcp-Method: tools/call", "Mcp-Name: add", "Mcp-Name: add"), call)
	accept(t, modern("Mcp-Method: tools/call", "Mcp-Name: "+b64("add")), call)
	accept(t, modern("Mcp-Method: resources/read", "Mcp-Name: "+b64("x:é")), read)
	accept(t, modern("Mcp-Method: tools/list"), list)
	accept(t, modern("Mcp-Method: tools/call", "Mcp-Name: add", "Mcp-Param-Foo: =?base64?%%?="), call) // GW-XHDR-FORWARD
	accept(t, modern(), `{"jsonrpc":"2.0","method":"notifications/x"}`)

	for _, lines := range []string{
		"Mcp-Name: add", "Mcp-Method: tools/call", "Mcp-Method: TOOLS/CALL|Mcp-Name: add", "Mcp-Method: tools/call|Mcp-Name: Add",
		"Mcp-Method: tools/list|Mcp-Name: add", "Mcp-Method: tools/call|Mcp-Name: other", "Mcp-Method: tools/call|Mcp-Name: ",
		"Mcp-Method: tools/call|Mcp-Name: add|Mcp-Name: other", "Mcp-Method: tools/call|Mcp-Method: tools/list|Mcp-Name: add",
		"Mcp-Method: tools/call|Mcp-Name: =?BASE64?YWRk?=", "Mcp-Method: tools/call|Mcp-Name: =?base64?YWRkZA?=", "Mcp-Method: tools/call|Mcp-Name: =?base64?YW\x01k?=",
		"Mcp-Method: tools/call|Mcp-Name: =?base64?=", "Mcp-Method: tools/call|Mcp-Name: a\x00dd", "Mcp-Method: " + b64("tools/call") + "|Mcp-Name: add",
	} {
		deny(t, 400, mcp.HeaderMismatch, modern(strings.Split(lines, "|")...), call)
	}
	deny(t, 400, mcp.HeaderMismatch, modern("Mcp-Method: resources/read", "Mcp-Name: x:é"), read)
	deny(t, 400, mcp.HeaderMismatch, modern("Mcp-Method: y"), `{"jsonrpc":"2.0","method":"notifications/x"}`)
	deny(t, 400, mcp.HeaderMismatch, headers(), list)
	deny(t, 400, mcp.HeaderMismatch, headers("Mcp-Protocol-Version: 2025-11-25", "Mcp-Method: tools/list"), list)
	deny(t, 400, mcp.HeaderMismatch, modern("Mcp-Method: tools/list"), strings.Replace(list, "2026-07-28", "2025-11-25", 1))
	deny(t, 400, mcp.HeaderMismatch, modern("Mcp-Method: tools/list"), strings.Replace(list, "2026-07-28", "2099-01-01", 1))
	for _, gone := range []string{`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{}}}`, `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":7}}`,
		strings.Replace(list, `"2026-07-28"`, `7`, 1), strings.Replace(list, "clientCapabilities", "x", 1), strings.Replace(list, "{}", "[]", 1)} {
		deny(t, 400, mcp.InvalidParams, modern("Mcp-Method: tools/list"), gone)
	}
	// GW-HEADER-LIMITS
	deny(t, 431, mcp.InvalidRequest, modern("Mcp-Method: tools/list", "Mcp-Param-X: "+strings.Repeat("x", 100<<10)), list)
	many := modern("Mcp-Method: tools/list")
	for n := range 65 {
		many.Add(fmt.Sprintf("Mcp-Param-%d", n), "x")
	}
	deny(t, 431, mcp.InvalidRequest, many, list)
	// TR-SINGLE-MESSAGE: no responses from the client.
	deny(t, 400, mcp.InvalidRequest, modern(), `{"jsonrpc":"2.0","id":1,"result":{}}`)
}

// GW-POLICY-VERSION: headers that a revision does not hold against the body decide nothing.
func TestMirroredHeadersMeanNothingInOlderRevisions(t *testing.T) {
	for _, v := range []string{"2025-03-26", "2025-06-18", "2025-11-25"} {
		m := accept(t, headers("Mcp-Protocol-Version: "+v, "Mcp-Method: other", "Mcp-Name: other"), `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add"}}`)
		if m.Operations[0].Name != "add" {
			t.Errorf("the name comes from %q", m.Operations[0].Name)
		}
	}
}

// TR-HDR-B64, TR-HDR-B64-DECODE, with the examples of the specification.
func TestHeaderValues(t *testing.T) {
	for plain, encoded := range map[string]string{
		"us-west1": "us-west1", "Hello, 世界": "=?base64?SGVsbG8sIOS4lueVjA==?=", " padded ": "=?base64?IHBhZGRlZCA=?=",
		"line1\nline2": "=?base64?bGluZTEKbGluZTI=?=", "=?base64?literal?=": "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=", "": "", "a b": "a b", "=?base64?x": "=?base64?x",
	} {
		if got := mcp.EncodeHeader(plain); got != encoded {
			t.Errorf("EncodeHeader(%q) = %q, want %q", plain, got, encoded)
		}
		if got, ok := mcp.DecodeHeader(encoded); !ok || got != plain {
			t.Errorf("DecodeHeader(%q) = %q, %t, want %q", encoded, got, ok, plain)
		}
	}
	for _, bad := range []string{"a\nb", "é", "=?base64?/w==?=", "=?base64?Y Q==?=", "=?base64?YR==?="} {
		if got, ok := mcp.DecodeHeader(bad); ok {
			t.Errorf("DecodeHeader(%q) = %q", bad, got)
		}
	}
}

// TR-ERR-RESERVED, and the shape of a denial in the design.
func TestErrorBody(t *testing.T) {
	data := map[string]string{"error": "insufficient_scope", "request_id": "R"}
	got := string(mcp.ErrorBody(`"a"`, mcp.Denied, "not \"yours\"", data))
	want := `{"jsonrpc":"2.0","id":"a","error":{"code":40300,"message":"not \"yours\"","data":{"error":"insufficient_scope","request_id":"R"}}}`
	if got != want {
		t.Errorf("%s", got)
	}
	if got := mcp.ErrorBody("", 1, "x", func() {}); string(got) != `{"jsonrpc":"2.0","error":{"code":1,"message":"x"}}` {
		t.Errorf("%s", got)
	}
}

// TR-METHOD-404: what a revision has no more is unknown, whatever params it comes with.
func TestRemovedMethods(t *testing.T) {
	for _, method := range []string{"resources/subscribe", "resources/unsubscribe", "tasks/result"} {
		body := `{"jsonrpc":"2.0","id":7,"method":"` + method + `","params":{` + meta + `}}`
		if e := deny(t, 404, mcp.MethodNotFound, modern("Mcp-Method: "+method), body); e.ID != "7" {
			t.Errorf("%s: the answer's id is %q", method, e.ID)
		}
		deny(t, 400, mcp.InvalidParams, headers("MCP-Protocol-Version: 2025-11-25"), `{"jsonrpc":"2.0","id":7,"method":"`+method+`","params":{}}`)
	}
	deny(t, 400, mcp.InvalidParams, modern("Mcp-Method: resources/read"), `{"jsonrpc":"2.0","id":7,"method":"resources/read","params":{`+meta+`}}`)
}
