package mcp_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/mcp"
)

// taking is a Redaction, or the end of the test.
func taking(t testing.TB, pointers ...string) *mcp.Redaction {
	t.Helper()
	r, err := mcp.NewRedaction(pointers...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// from has r taken out of the answer to 1, and nothing out of that to 2.
func from(r *mcp.Redaction) mcp.Redactions {
	return mcp.Redactions{Words: true, Task: func(string) *mcp.Redaction { return nil }, Answer: func(id string) (*mcp.Redaction, bool) {
		switch id {
		case "1":
			return r, true
		case "2":
			return nil, true
		}
		return nil, false
	}}
}

// RFC 6901 §3 and §4, and * for every member.
func TestPointers(t *testing.T) {
	const document = `{"ssn":"1","a/b":2,"m~n":3,"list":[{"x":1,"y":2},{"x":3}, [5]],"deep":{"a":{"x":1},"b":{"x":null}},"":{"":"e"},"é":"f"}`
	for pointer, want := range map[string]string{
		"/ssn":        strings.Replace(document, `"ssn":"1"`, `"ssn":"[redacted]"`, 1),
		"/a~1b":       strings.Replace(document, `"a/b":2`, `"a/b":"[redacted]"`, 1),
		"/m~0n":       strings.Replace(document, `"m~n":3`, `"m~n":"[redacted]"`, 1),
		"/list/0/x":   strings.Replace(document, `{"x":1,"y"`, `{"x":"[redacted]","y"`, 1),
		"/list/*/x":   strings.NewReplacer(`{"x":1,"y"`, `{"x":"[redacted]","y"`, `{"x":3}`, `{"x":"[redacted]"}`).Replace(document),
		"/list/2/0":   strings.Replace(document, `[5]`, `["[redacted]"]`, 1),
		"/list/00":    document,
		"/list/-":     document,
		"/list":       strings.Replace(document, `[{"x":1,"y":2},{"x":3}, [5]]`, `"[redacted]"`, 1),
		"/deep/*/x":   strings.NewReplacer(`"a":{"x":1}`, `"a":{"x":"[redacted]"}`, `"x":null`, `"x":"[redacted]"`).Replace(document),
		"//":          strings.Replace(document, `"e"`, `"[redacted]"`, 1),
		"/é":          strings.Replace(document, `"f"`, `"[redacted]"`, 1),
		"/none/there": document,
		"/ssn/more":   document,
		"/SSN":        document,
	} {
		quoted, _ := json.Marshal(document)
		quotedWant, _ := json.Marshal(want)
		got, err := mcp.Redact([]byte(`{"id":1,"result":{"structuredContent":`+document+`,"content":[{"type":"text","text":`+string(quoted)+`}]}}`), from(taking(t, pointer)))
		if err != nil || string(got) != `{"id":1,"result":{"structuredContent":`+want+`,"content":[{"type":"text","text":`+string(quotedWant)+`}]}}` {
			t.Errorf("%s: %v\n%s", pointer, err, got)
		}
	}
	for _, wrong := range [][]string{{}, {"ssn"}, {"/a~"}, {"/a~2"}, {"/ok", "#/a"}, {strings.Repeat("/a", 200)}} {
		if _, err := mcp.NewRedaction(wrong...); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
	if r := taking(t, "/a").With(taking(t, "/b")); !strings.Contains(redacted(t, `{"id":1,"result":{"structuredContent":{"a":1,"b":2,"c":3}}}`, r), `{"a":"[redacted]","b":"[redacted]","c":3}`) {
		t.Error("both together take less out than each")
	}
}

func redacted(t testing.TB, data string, r *mcp.Redaction) string {
	t.Helper()
	out, err := mcp.Redact([]byte(data), from(r))
	if err != nil {
		return "error"
	}
	return string(out)
}

// What is left of each kind of message: what can be read less the values, and nothing that might repeat them.
func TestRedact(t *testing.T) {
	r := taking(t, "/ssn")
	const withheld = `"[withheld by policy]"`
	for name, c := range map[string]struct{ said, want string }{
		"plain text":                   {`{"id":1,"result":{"content":[{"type":"text","text":"ssn 123"}]}}`, `{"id":1,"result":{"content":[{"type":"text","text":` + withheld + `}]}}`},
		"text that is a number":        {`{"id":1,"result":{"content":[{"type":"text","text":"123"}]}}`, `{"id":1,"result":{"content":[{"type":"text","text":` + withheld + `}]}}`},
		"two documents":                {`{"id":1,"result":{"content":[{"type":"text","text":"{} {\"ssn\":123}"}]}}`, `{"id":1,"result":{"content":[{"type":"text","text":` + withheld + `}]}}`},
		"a name twice in text":         {`{"id":1,"result":{"content":[{"type":"text","text":"{\"ssn\":1,\"s\\u0073n\":123}"}]}}`, `{"id":1,"result":{"content":[{"type":"text","text":` + withheld + `}]}}`},
		"an escaped name":              {`{"id":1,"result":{"structuredContent":{"\u0073sn":123}}}`, `{"id":1,"result":{"structuredContent":{"\u0073sn":"[redacted]"}}}`},
		"a picture":                    {`{"id":1,"result":{"content":[{"type":"image","data":"MTIz","mimeType":"image/png"}],"isError":false}}`, `{"id":1,"result":{"isError":false,"content":[{"type":"text","text":` + withheld + `}]}}`},
		"a block of another kind":      {`{"id":1,"result":{"content":[{"type":"Text","text":"{}"},{"text":"{}"}]}}`, `{"id":1,"result":{"content":[{"type":"text","text":` + withheld + `},{"type":"text","text":` + withheld + `}]}}`},
		"a link":                       {`{"id":1,"result":{"content":[{"type":"resource_link","uri":"x:y","name":"n","_meta":{"ssn":123},"description":"123"}]}}`, `{"id":1,"result":{"content":[{"type":"resource_link","uri":"x:y","name":"n"}]}}`},
		"an embedded resource":         {`{"id":1,"result":{"content":[{"type":"resource","resource":{"uri":"x:y","text":"{\"ssn\":123}"}}]}}`, `{"id":1,"result":{"content":[{"type":"resource","resource":{"uri":"x:y","text":"{\"ssn\":\"[redacted]\"}"}}]}}`},
		"an embedded blob":             {`{"id":1,"result":{"content":[{"type":"resource","resource":{"uri":"x:y","text":"{}","blob":"MTIz"}},{"type":"resource","resource":{"uri":"x:y","blob":"MTIz"}}]}}`, `{"id":1,"result":{"content":[{"type":"resource","resource":{"uri":"x:y","text":"{}"}},{"type":"text","text":` + withheld + `}]}}`},
		"contents":                     {`{"id":1,"result":{"contents":[{"uri":"x:y","mimeType":"application/json","text":"{\"ssn\":123}"},{"uri":"x:z","blob":"MTIz"}],"cacheScope":"public","ttlMs":5}}`, `{"id":1,"result":{"ttlMs":5,"cacheScope":"private","contents":[{"uri":"x:y","mimeType":"application/json","text":"{\"ssn\":\"[redacted]\"}"},{"uri":"x:z","mimeType":"text/plain","text":` + withheld + `}]}}`},
		"a prompt":                     {`{"id":1,"result":{"description":"of 123","messages":[{"role":"user","content":{"type":"text","text":"[{\"ssn\":123}]"}},{"role":"user","content":[{"type":"text","text":"123"}]}]}}`, `{"id":1,"result":{"description":` + withheld + `,"messages":[{"role":"user","content":{"type":"text","text":"[{\"ssn\":123}]"}},{"role":"user","content":[{"type":"text","text":` + withheld + `}]}]}}`},
		"a completion":                 {`{"id":1,"result":{"completion":{"values":["123"]}}}`, `{"id":1,"result":{"completion":{"values":[]}}}`},
		"structured content in a list": {`{"id":1,"result":{"structuredContent":"123"}}`, `{"id":1,"result":{}}`},
		"members that nobody knows":    {`{"id":1,"result":{"Content":"123","toolResult":{"ssn":123},"_meta":{"x":123}},"extra":123}`, `{"id":1,"result":{}}`},
		"a failed tool":                {`{"id":1,"result":{"isError":true,"content":[{"type":"text","text":"no such 123"}]}}`, `{"id":1,"result":{"isError":true,"content":[{"type":"text","text":` + withheld + `}]}}`},
		"an error":                     {`{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no","data":{"ssn":123}}}`, `{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no"}}`},
		"an error of nobody":           {`{"id":null,"error":{"code":1,"message":"no","data":123}}`, `{"id":null,"error":{"code":1,"message":"no"}}`},
		"a task":                       {`{"id":1,"result":{"task":{"taskId":"t","status":"working","statusMessage":"at 123"},"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t","ssn":123}}}}`, `{"id":1,"result":{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"}},"task":{"taskId":"t","status":"working","statusMessage":` + withheld + `}}}`},
		"a task with its result":       {`{"id":1,"result":{"taskId":"t","status":"completed","result":{"structuredContent":{"ssn":123}},"error":{"code":1,"data":123}}}`, `{"id":1,"result":{"taskId":"t","status":"completed","error":{"code":1},"result":{"structuredContent":{"ssn":"[redacted]"}}}}`},
		"an answer that is not done":   {`{"id":1,"result":{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{"message":"delete 123?","requestedSchema":{}}}},"requestState":"s"}}`, `{"id":1,"result":{"resultType":"input_required","requestState":"s","inputRequests":{"a":{"method":"elicitation/create","params":{"requestedSchema":{},"message":` + withheld + `}}}}}`},
		"a question that is not known": {`{"id":1,"result":{"resultType":"input_required","inputRequests":{"a":{"method":"x","params":{"message":"123"}}}}}`, "error"},
		"another answer":               {`{"id":2,"result":{"content":[{"type":"text","text":"123"}]}}`, `{"id":2,"result":{"content":[{"type":"text","text":"123"}]}}`},
		"a batch":                      {`[{"id":2,"result":"123"}, {"id":1,"result":{"structuredContent":{"ssn":123}}},{"method":"x","params":[123]}]`, `[{"id":2,"result":"123"},{"id":1,"result":{"structuredContent":{"ssn":"[redacted]"}}}]`},
		"an answer that is not asked":  {`{"id":3,"result":{}}`, "error"},
		"progress":                     {`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":5,"message":"123"}}`, `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":5,"message":` + withheld + `}}`},
		"a log message":                {`{"method":"notifications/message","params":{"level":"info","logger":"l","data":{"ssn":123}}}`, `{"method":"notifications/message","params":{"level":"info","logger":"l","data":` + withheld + `}}`},
		"a cancellation":               {`{"method":"notifications/cancelled","params":{"requestId":1,"reason":"123"}}`, `{"method":"notifications/cancelled","params":{"requestId":1,"reason":` + withheld + `}}`},
		"news of a task":               {`{"method":"notifications/tasks/status","params":{"taskId":"t","statusMessage":"123","status":"working"}}`, `{"method":"notifications/tasks/status","params":{"taskId":"t","status":"working","statusMessage":` + withheld + `}}`},
		"a list that changed":          {`{"method":"notifications/tools/list_changed"}`, `{"method":"notifications/tools/list_changed"}`},
		"a notification of another":    {`{"method":"vendor/notes","params":{"ssn":123}}`, ""},
		"a ping":                       {`{"id":9,"method":"ping"}`, `{"id":9,"method":"ping"}`},
		"a sampling":                   {`{"id":9,"method":"sampling/createMessage","params":{"messages":[{"role":"user","content":{"type":"text","text":"{\"ssn\":123}"}}],"systemPrompt":"123","maxTokens":9}}`, `{"id":9,"method":"sampling/createMessage","params":{"maxTokens":9,"systemPrompt":` + withheld + `,"messages":[{"role":"user","content":{"type":"text","text":` + withheld + `}}]}}`},
		"a result that is none":        {`{"id":1,"result":["123"]}`, "error"},
		"content that is none":         {`{"id":1,"result":{"content":"123"}}`, "error"},
		"a result and an error":        {`{"id":1,"result":{},"error":{"data":123}}`, "error"},
		"a result in a request":        {`{"id":1,"method":"ping","result":{"x":123}}`, "error"},
		"a result twice":               {`{"id":1,"result":{},"result":{"structuredContent":{"ssn":123}}}`, "error"},
		"a message that is cut off":    {`{"id":1,"result":{"structuredContent":{"ssn":123}`, "error"},
		"something after it":           {`{"id":1,"result":{}} {"id":1,"result":{"ssn":123}}`, "error"},
		"not UTF-8":                    {"{\"id\":1,\"result\":{\"structuredContent\":{\"\xff\":123}}}", "error"},
		"nested too deep":              {`{"id":1,"result":{"structuredContent":` + strings.Repeat("[", 100) + "123" + strings.Repeat("]", 100) + `}}`, "error"},
		"nothing":                      {"", "error"},
	} {
		if got := redacted(t, c.said, r); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", name, got, c.want)
		}
	}
}

// In 2026-07-28 an answer without cacheScope might be kept for everybody.
func TestARedactedAnswerIsPrivate(t *testing.T) {
	by := from(taking(t, "/ssn"))
	by.Modern = true
	if got, err := mcp.Redact([]byte(`{"id":1,"result":{"structuredContent":{}}}`), by); err != nil || string(got) != `{"id":1,"result":{"cacheScope":"private","structuredContent":{}}}` {
		t.Errorf("%v %s", err, got)
	}
}

// FuzzRedact: whatever a server says, what is passed on is JSON, and under the pointers there is nothing but the word for it.
func FuzzRedact(f *testing.F) {
	for _, said := range []string{
		`{"id":1,"result":{"structuredContent":{"ssn":1,"list":[{"x":[2]}]},"content":[{"type":"text","text":"{\"ssn\":[1]}"},{"type":"resource","resource":{"uri":"a","text":"[]"}}]}}`,
		`[{"id":1,"result":{"contents":[{"uri":"u","text":"{\"list\":{\"a\":{\"x\":1}}}"}]}},{"id":2,"result":{}}]`,
		`{"id":1,"result":{"messages":[{"role":"user","content":[{"type":"text","text":" {\"ssn\":null}"}]}]}}`,
		`{"id":1,"error":{"code":1,"message":"m","data":{}}}`, `{"method":"notifications/message","params":{"data":1}}`,
		`{"id":1,"result":{"task":{"taskId":"\u0000"},"result":{"structuredContent":[[]]}}}`,
	} {
		f.Add([]byte(said))
	}
	r := taking(f, "/ssn", "/list/*/x", "/a~1b/0")
	f.Fuzz(func(t *testing.T, data []byte) {
		out, err := mcp.Redact(data, from(r))
		if err != nil || len(out) == 0 {
			if out != nil {
				t.Fatalf("an error, and %s", out)
			}
			return
		}
		var v any
		if err := json.Unmarshal(out, &v); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		all, batch := v.([]any)
		if !batch {
			all = []any{v}
		}
		for _, m := range all {
			m := m.(map[string]any)
			if result, ok := m["result"].(map[string]any); ok && m["id"] == 1.0 && m["method"] == nil {
				search(t, result, false)
			}
		}
	})
}

// search looks for documents in a result, and for values in them.
func search(t *testing.T, v any, inText bool) {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if name == "structuredContent" {
				survivors(t, inner)
				continue
			}
			search(t, inner, name == "text")
		}
	case []any:
		for _, inner := range v {
			search(t, inner, false)
		}
	case string:
		var document any
		if inText && json.Unmarshal([]byte(v), &document) == nil {
			survivors(t, document)
		}
	}
}

func survivors(t *testing.T, document any) {
	for _, pointer := range [][]string{{"ssn"}, {"list", "*", "x"}, {"a/b", "0"}} {
		for _, found := range at(document, pointer) {
			if found != "[redacted]" {
				t.Fatalf("%v is left at %v of %v", found, pointer, document)
			}
		}
	}
}

// at are the values to which a pointer leads.
func at(v any, pointer []string) (all []any) {
	if len(pointer) == 0 {
		return []any{v}
	}
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if pointer[0] == "*" || name == pointer[0] {
				all = slices.Concat(all, at(inner, pointer[1:]))
			}
		}
	case []any:
		for i, inner := range v {
			if pointer[0] == "*" || strconv.Itoa(i) == pointer[0] {
				all = slices.Concat(all, at(inner, pointer[1:]))
			}
		}
	}
	return all
}
