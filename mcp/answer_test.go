package mcp_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/mcp"
)

func TestResponse(t *testing.T) {
	for _, c := range []struct {
		data string
		want mcp.Reply
	}{
		{`{"jsonrpc":"2.0","id":1,"result":{"content":[]}}`, mcp.Reply{ID: "1"}},
		{`{"result":{"content":[{"isError":true}],"isError":false},"id":"\u0061"}`, mcp.Reply{ID: `"a"`}},
		{`{"id":1,"result":{"content":[],"isError":true}}`, mcp.Reply{ID: "1", ToolFailed: true}},
		{`{"id":1,"result":{"resultType":"input_required"}}`, mcp.Reply{ID: "1", InputRequired: true}},
		{`{"id":1,"result":null}`, mcp.Reply{ID: "1"}},
		{`{"id":1,"error":null,"result":{"tools":[]}}`, mcp.Reply{ID: "1", Lists: true}},
		{`{"id":1,"error":{"code":7},"result":null}`, mcp.Reply{ID: "1", Failed: true, Code: 7}},
		{`{"id":1,"error":{"data":{"code":1},"message":"x","code":-32602}}`, mcp.Reply{ID: "1", Failed: true, Code: -32602}},
		{`{"id":null,"error":{"code":-32700}}`, mcp.Reply{Failed: true, Code: -32700}},
		{`{"error":"odd","id":2}`, mcp.Reply{ID: "2", Failed: true}},
		{"\n {\"id\":1,\"result\":{\"a\":\"\xff\",\"a\":2}} ", mcp.Reply{ID: "1"}},
	} {
		got, ok := mcp.Response([]byte(c.data))
		if !ok || got != c.want {
			t.Errorf("Response(%s) = %+v, %t", c.data, got, ok)
		}
	}
	for _, data := range []string{
		``, `x`, `null`, `[]`, `{}`, `{"id":1}`, `{"id":1,"result":{}`, `{"result":{}}`, `{"id":1,"result":{},"error":{}}`, `{"id":1,"result":{},}`,
		`{"jsonrpc":"2.0","method":"notifications/progress","params":{"id":1,"result":{}}}`, `{"id":1,"method":"roots/list"}`, `{"id":1,"result":{},"method":"x"}`,
	} {
		unread := data == `[]` || strings.Contains(data, `{}`) && !json.Valid([]byte(data))
		if got, ok := mcp.Response([]byte(data)); ok || got != (mcp.Reply{Lists: unread}) {
			t.Errorf("Response(%s) = %+v, %t", data, got, ok)
		}
	}
}

func TestResponsesOfABatch(t *testing.T) {
	got := mcp.Responses([]byte(`[{"id":1,"result":{}},{"method":"n"},{"id":"b","error":{"code":7}}]`))
	if !slices.Equal(got, []mcp.Reply{{ID: "1"}, {ID: `"b"`, Failed: true, Code: 7}}) {
		t.Errorf("%+v", got)
	}
	if got := mcp.Responses([]byte(`{"id":1,"result":{}}`)); !slices.Equal(got, []mcp.Reply{{ID: "1"}}) {
		t.Errorf("%+v", got)
	}
	for _, none := range []string{`{"method":"n"}`, ``, `[`, `[}`} {
		if got := mcp.Responses([]byte(none)); got != nil {
			t.Errorf("Responses(%s) = %+v", none, got)
		}
	}
}

type event struct{ raw, data string }

// split writes a stream in chunks of n bytes and returns its events; data "-" is none.
func split(t testing.TB, stream string, n int) (all []event, rest string) {
	t.Helper()
	var e mcp.Events
	for chunk := range slices.Chunk([]byte(stream), n) {
		chunk = bytes.Clone(chunk)
		if err := e.Write(chunk); err != nil {
			t.Fatal(err)
		}
		clear(chunk)
		for ev, ok := e.Next(); ok; ev, ok = e.Next() {
			data := string(ev.Data)
			if ev.Data == nil {
				data = "-"
			}
			all = append(all, event{string(ev.Raw), data})
		}
	}
	return all, string(e.Rest())
}

func TestEvents(t *testing.T) {
	for _, c := range []struct {
		name, stream string
		data         []string
		rest         string
	}{
		{"one", "event: message\ndata: {}\n\n", []string{"{}"}, ""},
		{"two", "data: 1\n\ndata: 2\n\n", []string{"1", "2"}, ""},
		{"carriage returns", "data: 1\r\rdata: 2\r\r", []string{"1", "2"}, ""},
		{"both", "data: 1\r\n\r\ndata: 2\r\n\r\n", []string{"1", "2"}, ""},
		{"mixed", "data: 1\r\n\ndata: 2\n\r\ndata:3\r\r\n", []string{"1", "2", "3"}, ""},
		{"several lines", "data: a\ndata:b\ndata\ndata:  c\n\n", []string{"a\nb\n\n c"}, ""},
		{"comments", ": ping\n\n:\r\ndata: 1\n\n", []string{"-", "1"}, ""},
		{"no data", "event: x\nid: 1\n\n", []string{"-"}, ""},
		{"empty data", "data:\n\ndata\n\n", []string{"", ""}, ""},
		{"look-alikes", "Data: 1\ndatax: 2\n data: 3\n\n", []string{"-"}, ""},
		{"byte order mark", "\ufeffdata: 1\n\n\ufeffdata: 2\n\n", []string{"1", "-"}, ""},
		{"broken off", "data: 1\n\ndata: 2\n", []string{"1"}, "data: 2\n"},
		{"blank lines", "\n\n\ndata: 1\n\n", []string{"-", "-", "-", "1"}, ""},
		{"colons", "data: {\"a\":1}\n\n", []string{`{"a":1}`}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for n := 1; n <= len(c.stream); n++ {
				all, rest := split(t, c.stream, n)
				var data []string
				whole := ""
				for _, e := range all {
					data = append(data, e.data)
					whole += e.raw
				}
				if !slices.Equal(data, c.data) || whole+rest != c.stream {
					t.Errorf("in chunks of %d: %q, rest %q", n, all, rest)
				}
				if strings.Trim(rest, "\n") != strings.Trim(c.rest, "\n") {
					t.Errorf("in chunks of %d: rest %q", n, rest)
				}
			}
		})
	}
}

// An event is passed on when its blank line has come, not when the byte after it has.
func TestAnEventIsNotHeldBack(t *testing.T) {
	for _, stream := range []string{"data: 1\n\n", "data: 1\r\r", "data: 1\r\n\r"} {
		if all, _ := split(t, stream, len(stream)); len(all) != 1 || all[0].raw != stream {
			t.Errorf("%q gives %q", stream, all)
		}
	}
}

func TestAnEventWithoutEndIsBounded(t *testing.T) {
	e := mcp.Events{Max: 100}
	var err error
	written := 0
	for n := 0; n < 100 && err == nil; n++ {
		err = e.Write([]byte("data: 12345678901234\n"))
		written += 21
		for _, ok := e.Next(); ok; _, ok = e.Next() {
			t.Fatal("an event")
		}
	}
	if !errors.Is(err, mcp.ErrEventTooLarge) || written > 200 || len(e.Rest()) != written {
		t.Errorf("after %d bytes: %v, rest %d", written, err, len(e.Rest()))
	}
	e = mcp.Events{Max: 100}
	for range 100 {
		if err := e.Write([]byte("data: 12345678901234\n\n")); err != nil {
			t.Fatal(err)
		}
		if _, ok := e.Next(); !ok {
			t.Fatal("no event")
		}
	}
}

// The splitter yields back exactly its input, and the same events however the stream is cut.
func FuzzEvents(f *testing.F) {
	f.Add("data: 1\r\n\r\n: c\r\rdata: 2\n\ndata", 3)
	f.Add("\ufeffdata: 1\n\n", 1)
	f.Fuzz(func(t *testing.T, stream string, n int) {
		if stream == "" {
			return
		}
		pieces, rest := split(t, stream, max(1, n%64))
		whole, data := "", []string(nil)
		for _, e := range pieces {
			whole += e.raw
			data = append(data, e.data)
		}
		if whole+rest != stream {
			t.Fatalf("%q came back as %q", stream, whole+rest)
		}
		atOnce, _ := split(t, stream, len(stream))
		var want []string
		for _, e := range atOnce {
			want = append(want, e.data)
		}
		if !slices.Equal(data, want) {
			t.Errorf("%q in pieces gives %q, at once %q", stream, data, want)
		}
	})
}

func FuzzResponse(f *testing.F) {
	f.Add([]byte(`[{"id":1,"result":{"isError":true}},{"id":"b","error":{"code":7}}]`))
	f.Add([]byte(`{"id":1,"result":{}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, ok := mcp.Response(data)
		if ok && !slices.Equal(mcp.Responses(data), []mcp.Reply{r}) {
			t.Errorf("Response and Responses differ over %s", data)
		}
	})
}

func BenchmarkResponse(b *testing.B) {
	data := []byte(`{"jsonrpc":"2.0","id":17,"result":{"content":[{"type":"text","text":"` + strings.Repeat("x", 300) + `"}],"isError":false}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := mcp.Response(data); !ok {
			b.Fatal("no response")
		}
	}
}

func BenchmarkEvents(b *testing.B) {
	chunk := []byte("event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":17,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"" + strings.Repeat("x", 300) + "\"}]}}\n\n")
	var e mcp.Events
	b.ReportAllocs()
	b.SetBytes(int64(len(chunk)))
	for b.Loop() {
		_ = e.Write(chunk)
		if _, ok := e.Next(); !ok {
			b.Fatal("no event")
		}
	}
}
