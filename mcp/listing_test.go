package mcp_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/mcp"
)

// tools asks for tools with id 1, and finds them with id 2.
func tools(id string) mcp.Asked {
	switch id {
	case "1":
		return mcp.Asked{List: mcp.ItemTool}
	case "2":
		return mcp.Asked{Search: true}
	}
	return mcp.Asked{}
}

// without reads a listing and takes out what is called hidden.
func without(data, hidden string, modern bool) (string, error) {
	l, err := mcp.ReadListing([]byte(data), tools)
	if err != nil {
		return "", err
	}
	keep := make([]bool, len(l.Items))
	for i, item := range l.Items {
		keep[i] = item.Name != hidden
	}
	return string(l.Bytes(keep, modern)), nil
}

// What stays keeps its very bytes: numbers as they came, unknown members, their order, escapes.
func TestAListIsFiltered(t *testing.T) {
	for _, c := range []struct{ name, data, want string }{
		{"the middle", `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"},{"name":"x"},{"name":"b"}]}}`, `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"},{"name":"b"}]}}`},
		{"the first", ` { "id":1, "result":{ "tools" : [ {"name":"x"} , {"name":"a"} ] , "nextCursor":"c" } } `, ` { "id":1, "result":{ "tools" : [ {"name":"a"} ] , "nextCursor":"c" } } `},
		{"all", `{"id":1,"result":{"tools":[ {"name":"x"},{"name":"x"} ]}}`, `{"id":1,"result":{"tools":[  ]}}`},
		{"none", "{\"id\":1,\"result\":{\"tools\":[\n{\"name\":\"a\", \"n\":1.0e+2},\t{\"name\":\"b\"}]}}", "{\"id\":1,\"result\":{\"tools\":[\n{\"name\":\"a\", \"n\":1.0e+2},\t{\"name\":\"b\"}]}}"},
		{"an escaped name", `{"id":1,"result":{"\u0074ools":[{"n\u0061me":"\u0078"},{"name":"\u0061","z":9007199254740993}]}}`, `{"id":1,"result":{"\u0074ools":[{"name":"\u0061","z":9007199254740993}]}}`},
		{"nothing", `{"id":1,"result":{"tools":[]}}`, `{"id":1,"result":{"tools":[]}}`},
		{"null", `{"id":1,"result":{"tools":null}}`, `{"id":1,"result":{"tools":null}}`},
		{"no list at all", `{"id":1,"result":{}}`, `{"id":1,"result":{}}`},
		{"the id behind", `{"result":{"tools":[{"name":"x"}]},"id":1}`, `{"result":{"tools":[]},"id":1}`},
		{"another id", `{"id":"1","result":{"tools":[{"name":"x"}]}}`, `{"id":"1","result":{"tools":[]}}`},
		{"a notification", `{"method":"n","params":{"tools":[{"name":"x"}]}}`, `{"method":"n","params":{"tools":[{"name":"x"}]}}`},
		{"an error", `{"id":1,"error":{"code":-1,"data":{"tools":[{"name":"x"}]}}}`, `{"id":1,"error":{"code":-1,"data":{"tools":[{"name":"x"}]}}}`},
		{"other lists", `{"id":7,"result":{"prompts":[{"name":"x"}],"resources":[{"uri":"x"}],"resourceTemplates":[{"uriTemplate":"x"},{"uriTemplate":"y"}],"tasks":[{"taskId":"x"}]}}`,
			`{"id":7,"result":{"prompts":[],"resources":[],"resourceTemplates":[{"uriTemplate":"y"}],"tasks":[]}}`},
		{"a batch", `[{"id":1,"result":{"tools":[{"name":"x"},{"name":"a"}]}},{"method":"n"},{"id":3,"result":{"prompts":[{"name":"x"}]}}]`, `[{"id":1,"result":{"tools":[{"name":"a"}]}},{"method":"n"},{"id":3,"result":{"prompts":[]}}]`},
		{"what is still to come", `{"id":1,"result":{"resultType":"input_required","inputRequests":{"a":{}}}}`, `{"id":1,"result":{"resultType":"input_required","inputRequests":{"a":{}}}}`},
		{"a public one", `{"id":1,"result":{"cacheScope":"public","tools":[{"name":"a"}]}}`, `{"id":1,"result":{"cacheScope":"private","tools":[{"name":"a"}]}}`},
		{"a public one at the end", `{"id":1,"result":{"tools":[{"name":"x"}],"cacheScope": 7}}`, `{"id":1,"result":{"tools":[],"cacheScope": "private"}}`},
		{"structured content", `{"id":2,"result":{"structuredContent":{"tools":[{"name":"x"},"x",{"name":"a"},"b"],"total":4}}}`, `{"id":2,"result":{"structuredContent":{"tools":[{"name":"a"},"b"],"total":4}}}`},
		{"text", `{"id":2,"result":{"content":[{"type":"text","text":"{\"tools\": [{\"name\":\"x\"},{\"name\":\"a\"}]}"}]}}`, `{"id":2,"result":{"content":[{"type":"text","text":"{\"tools\": [{\"name\":\"a\"}]}"}]}}`},
		{"text that stays", `{"id":2,"result":{"content":[{"text":"{\"tools\"\u003a[]}","type":"text"}]}}`, `{"id":2,"result":{"content":[{"text":"{\"tools\"\u003a[]}","type":"text"}]}}`},
		{"both", `{"id":2,"result":{"content":[{"type":"text","text":"{\"tools\":[\"x\"]}"}],"structuredContent":{"tools":["x","a"]}}}`, `{"id":2,"result":{"content":[{"type":"text","text":"{\"tools\":[]}"}],"structuredContent":{"tools":["a"]}}}`},
		{"a search that failed", `{"id":2,"result":{"isError":true,"content":[{"type":"text","text":"not now"}]}}`, `{"id":2,"result":{"isError":true,"content":[{"type":"text","text":"not now"}]}}`},
		{"a tool's own text", `{"id":3,"result":{"content":[{"type":"text","text":"{\"tools\":[{\"name\":\"x\"}]}"}]}}`, `{"id":3,"result":{"content":[{"type":"text","text":"{\"tools\":[{\"name\":\"x\"}]}"}]}}`},
	} {
		got, err := without(c.data, "x", false)
		if err != nil || got != c.want {
			t.Errorf("%s: %v\n%s, want\n%s", c.name, err, got, c.want)
		}
	}
}

// What two readers could understand differently, and what is no list where one was asked for, is refused.
func TestAListThatIsNotUnderstood(t *testing.T) {
	for name, data := range map[string]string{
		"nothing":                      ``,
		"no JSON":                      `tools`,
		"torn":                         `{"id":1,"result":{"tools":[{"name":"a"}]}`,
		"something behind it":          `{"id":1,"result":{"tools":[]}}{"id":1,"result":{"tools":[{"name":"x"}]}}`,
		"tools twice":                  `{"id":1,"result":{"tools":[],"tools":[{"name":"x"}]}}`,
		"tools twice, once escaped":    `{"id":1,"result":{"tools":[],"t\u006fols":[{"name":"x"}]}}`,
		"another case":                 `{"id":1,"result":{"tools":[],"Tools":[{"name":"x"}]}}`,
		"a letter that folds":          `{"id":1,"result":{"tool\u017f":[{"name":"x"}]}}`,
		"result twice":                 `{"id":1,"result":{},"result":{"tools":[{"name":"x"}]}}`,
		"another case of result":       `{"id":1,"error":{},"RESULT":{"tools":[{"name":"x"}]}}`,
		"the id twice":                 `{"id":1,"id":2,"result":{"tools":[]}}`,
		"result and error":             `{"id":1,"result":{"tools":[]},"error":{}}`,
		"a request with a result":      `{"id":1,"method":"m","result":{"tools":[]}}`,
		"neither":                      `{"id":1,"tools":[{"name":"x"}]}`,
		"invalid UTF-8":                "{\"id\":1,\"result\":{\"tools\":[{\"name\":\"\xff\"}]}}",
		"half a character":             `{"id":1,"result":{"tools":[{"name":"\ud800"}]}}`,
		"an item twice named":          `{"id":1,"result":{"tools":[{"name":"a","name":"x"}]}}`,
		"an item of another case":      `{"id":1,"result":{"tools":[{"name":"a","Name":"x"}]}}`,
		"an item without name":         `{"id":1,"result":{"tools":[{"title":"x"}]}}`,
		"an item whose name is a list": `{"id":1,"result":{"tools":[{"name":["x"]}]}}`,
		"an item that is text":         `{"id":1,"result":{"tools":["x"]}}`,
		"an item that is a list":       `{"id":1,"result":{"tools":[[{"name":"x"}]]}}`,
		"a list that is an object":     `{"id":1,"result":{"tools":{"x":{"name":"x"}}}}`,
		"a list that is text":          `{"id":1,"result":"x"}`,
		"a result that is a list":      `{"id":1,"result":[{"name":"x"}]}`,
		"another list":                 `{"id":1,"result":{"items":[{"name":"x"}]}}`,
		"a tool's result":              `{"id":1,"result":{"content":[{"type":"text","text":"x"}]}}`,
		"too deep":                     `{"id":1,"result":{"tools":[{"name":"a","d":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}]}}`,
		"a message that is none":       `[{"id":1,"result":{"tools":[]}},7]`,
		"a batch in a batch":           `[[{"id":1,"result":{"tools":[{"name":"x"}]}}]]`,
		"a search in words":            `{"id":2,"result":{"content":[{"type":"text","text":"there is x"}]}}`,
		"a search with a link":         `{"id":2,"result":{"content":[{"type":"resource_link","uri":"x"}]}}`,
		"a search with more":           `{"id":2,"result":{"structuredContent":{"tools":[],"more":[{"name":"x"}]}}}`,
		"a search beside it":           `{"id":2,"result":{"structuredContent":{"tools":[]},"more":[{"name":"x"}]}}`,
		"a search for something else":  `{"id":2,"result":{"structuredContent":{"names":"x"}}}`,
		"a search with a list in text": `{"id":2,"result":{"content":[{"type":"text","text":"[{\"name\":\"x\"}]"}]}}`,
		"a search with two in a text":  `{"id":2,"result":{"content":[{"type":"text","text":"{\"tools\":[]} x"}]}}`,
		"a search twice in a text":     `{"id":2,"result":{"content":[{"type":"text","text":"{\"tools\":[],\"tools\":[]}"}]}}`,
	} {
		if got, err := without(data, "x", true); err == nil {
			t.Errorf("%s: passed as %s", name, got)
		}
	}
}

// TR-CACHE-PUBLIC-AWARE, TR-CACHE-PAGES: in the revision that knows it, every list says that it is for one caller.
func TestListsArePrivate(t *testing.T) {
	for data, want := range map[string]string{
		`{"id":1,"result":{"tools":[{"name":"a"}],"ttlMs":5}}`:                `{"id":1,"result":{"cacheScope":"private","tools":[{"name":"a"}],"ttlMs":5}}`,
		`{"id":1,"result":{ }}`:                                               `{"id":1,"result":{"cacheScope":"private" }}`,
		`{"id":7,"result":{"resources":[{"uri":"a"}],"cacheScope":"public"}}`: `{"id":7,"result":{"resources":[{"uri":"a"}],"cacheScope":"private"}}`,
		`{"id":1,"result":{"tools":[],"cacheScope":"private"}}`:               `{"id":1,"result":{"tools":[],"cacheScope":"private"}}`,
		`{"id":1,"result":{"tools":[],"cacheScope":"privat\u0065"}}`:          `{"id":1,"result":{"tools":[],"cacheScope":"private"}}`,
		`{"id":7,"result":{"content":[],"cacheScope":"public"}}`:              `{"id":7,"result":{"content":[],"cacheScope":"public"}}`,
		`{"id":1,"error":{"code":1}}`:                                         `{"id":1,"error":{"code":1}}`,
	} {
		if got, err := without(data, "x", true); err != nil || got != want {
			t.Errorf("%s: %v\n%s, want\n%s", data, err, got, want)
		}
	}
}

// A filtered answer is JSON that says what was kept and nothing of what was not, and filtering it again changes nothing.
func FuzzReadListing(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"hidden"},{"name":"b","inputSchema":{"type":"object"}}],"nextCursor":"c","cacheScope":"public"}}`,
		`[{"id":1,"result":{"tools":[{"name":"hidden"}]}},{"id":3,"result":{"resources":[{"uri":"hidden"}]}}]`,
		`{"id":2,"result":{"structuredContent":{"tools":["hidden","b"]},"content":[{"type":"text","text":"{\"tools\":[\"hidden\"]}"}]}}`,
	} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, data []byte, modern bool) {
		got, err := without(string(data), "hidden", modern)
		if err != nil {
			return
		}
		if !json.Valid([]byte(got)) {
			t.Fatalf("%s becomes %s", data, got)
		}
		l, err := mcp.ReadListing([]byte(got), tools)
		if err != nil || slices.ContainsFunc(l.Items, func(i mcp.Item) bool { return i.Name == "hidden" }) {
			t.Fatalf("%s becomes %s: %v, %v", data, got, l, err)
		}
		if again, err := without(got, "hidden", modern); err != nil || again != got {
			t.Fatalf("%s becomes %s, and then %s: %v", data, got, again, err)
		}
		var was, is any
		if json.Unmarshal(data, &was) == nil && json.Unmarshal([]byte(got), &is) == nil && !bytes.Contains(data, []byte("hidden")) && !modern && !bytes.Contains(data, []byte(`cacheScope`)) {
			if got != string(data) {
				t.Fatalf("%s becomes %s", data, got)
			}
		}
	})
}

// A list in an answer to something else is found wherever it is cut, and in whatever it is wrapped.
func TestScan(t *testing.T) {
	for data, want := range map[string]bool{
		`{"id":1,"result":{"tools":[{"name":"x"}]}}`:                                    true,
		`[{"id":1,"result":{"a":[1,{"b":"]"}],"tools" : [{"name":"x"}]}}]`:              true,
		`{"id":1,"result":{"t\u006fols":[]}}`:                                           true,
		`{"id":1,"result":{"TOOLS":[]}}`:                                                true,
		`{"result":{"x":"\"tools\":[","y":{"z":{}},"tasks":[]},"id":1}`:                 true,
		"data: {\"id\":1,\"result\":{\"prompts\":[{\"name\":\"x\"}]}}\n\n":              true,
		`{"id":1,"result":{"content":[{"tools":[]}],"structuredContent":{"tools":[]}}}`: false,
		`{"id":1,"result":{"capabilities":{"tools":[]},"tools":{},"prompts":null}}`:     false,
		`{"id":1,"result":{"x":"\"tools\":["}}`:                                         false,
		`{"id":1,"result":{"x":"tools","y":["tools",[1]]}}`:                             false,
		`{"tools":[]}`: false,
		`{"id":1,"result":{"a":"` + strings.Repeat(`\"x`, 500) + `","n":{}}}`: false,
	} {
		for n := 1; n <= len(data); n++ {
			var s mcp.Scan
			found := false
			for piece := range slices.Chunk([]byte(data), n) {
				found = found || s.Lists(piece)
			}
			if found != want {
				t.Fatalf("%s in pieces of %d: %v", data, n, found)
			}
		}
	}
}

// FuzzScan holds the scan against the reader of events: what that takes for a list, the scan does.
func FuzzScan(f *testing.F) {
	f.Add([]byte(`{"id":1,"result":{"a":"\\\"","tools":[{"name":"x"}]}}`), 3)
	f.Add([]byte(`{"result":{"\u0074ools":[]},"id":1}`), 1)
	f.Fuzz(func(t *testing.T, data []byte, n int) {
		r, ok := mcp.Response(data)
		if !ok || r.Failed || !json.Valid(data) || bytes.Count(data, []byte(`"result"`)) != 1 {
			return
		}
		var s mcp.Scan
		found := false
		for piece := range slices.Chunk(data, max(1, n%32)) {
			found = found || s.Lists(piece)
		}
		if r.Lists && !found {
			t.Fatalf("not found in %s", data)
		}
	})
}

func BenchmarkListing5000(b *testing.B) {
	var items []string
	for i := range 5000 {
		items = append(items, fmt.Sprintf(`{"name":"tool-%d","description":"does what number %d does","inputSchema":{"type":"object","properties":{"q":{"type":"string"},"n":{"type":"integer"}},"required":["q"]}}`, i, i))
	}
	data := []byte(`{"jsonrpc":"2.0","id":1,"result":{"tools":[` + strings.Join(items, ",") + `]}}`)
	keep := make([]bool, 5000)
	for i := range keep {
		keep[i] = i%2 == 0
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		l, err := mcp.ReadListing(data, tools)
		if err != nil {
			b.Fatal(err)
		}
		_ = l.Bytes(keep, true)
	}
}

func BenchmarkScan64K(b *testing.B) {
	data := []byte(`{"jsonrpc":"2.0","id":17,"result":{"content":[{"type":"text","text":"` + strings.Repeat(`all work and \"no\" play `, 2700) + `"}]}}`)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		var s mcp.Scan
		if s.Lists(data) {
			b.Fatal("found")
		}
	}
}

// What has more items than anybody can use is not decided item by item.
func TestAListIsBounded(t *testing.T) {
	list := func(n int) []byte {
		return []byte(`{"jsonrpc":"2.0","id":1,"result":{"tools":[` + strings.Repeat(`{"name":"a"},`, n-1) + `{"name":"a"}]}}`)
	}
	search := func(n int) []byte {
		return []byte(`{"jsonrpc":"2.0","id":1,"result":{"structuredContent":{"tools":[` + strings.Repeat(`"a",`, n-1) + `"a"]}}}`)
	}
	asked := func(string) mcp.Asked { return mcp.Asked{Search: true} }
	for name, data := range map[string]func(int) []byte{"a list": list, "a search": search} {
		if l, err := mcp.ReadListing(data(100_000), asked); err != nil || len(l.Items) != 100_000 {
			t.Errorf("%s of as many as there may be: %v", name, err)
		}
		if _, err := mcp.ReadListing(data(100_001), asked); err == nil {
			t.Errorf("%s of one more is read", name)
		}
	}
}
