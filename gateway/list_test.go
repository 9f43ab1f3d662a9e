package gateway_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/gateway"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/token"
)

// A list is filtered whatever it comes in.
func TestListsInEachFraming(t *testing.T) {
	f := gated(t, nil)
	packed := func(open func(io.Writer) io.WriteCloser, text string) string {
		var b bytes.Buffer
		w := open(&b)
		_, _ = io.WriteString(w, text)
		_ = w.Close()
		return b.String()
	}
	zip := func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }
	deflate := func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }
	half := len(twoTools) / 2
	event := "data: " + twoTools + "\n\n"
	filtered := "data: " + oneTool + "\n\n"
	for _, c := range []struct{ name, ask, media, encoding, said, want string }{
		{"JSON", askList, json, "", twoTools, oneTool},
		{"JSON with a charset", askList, json + "; charset=utf-8", "", twoTools, oneTool},
		{"gzip", askList, json, "gzip", packed(zip, twoTools), oneTool},
		{"X-GZIP", askList, json, "X-GZIP", packed(zip, twoTools), oneTool},
		{"deflate", askList, json, "deflate", packed(deflate, twoTools), oneTool},
		{"identity", askList, json, "identity", twoTools, oneTool},
		{"an event", askList, events, "", event, filtered},
		{"an event of a broken type", askList, events + "; charset", "", event, filtered},
		{"a packed event", askList, events, "gzip", packed(zip, event), filtered},
		{"a mark before it", askList, events, "", "\ufeff" + event, filtered},
		{"no space", askList, events, "", "data:" + twoTools + "\n\n", filtered},
		{"CRLF", askList, events, "", "event: message\r\nid: 7\r\ndata: " + twoTools + "\r\n\r\n", "event: message\nid: 7\n" + filtered},
		{"CR", askList, events, "", "id: 7\rdata: " + twoTools + "\r\r", "id: 7\n" + filtered},
		{"several lines", askList, events, "", "data: {\"jsonrpc\":\"2.0\",\ndata:\"id\":1,\ndata: \"result\":{\"tools\":[{\"name\":\ndata: \"hidden\"},{\"name\":\ndata: \"add\"}]}}\n\n", "data: {\"jsonrpc\":\"2.0\",\ndata: \"id\":1,\ndata: \"result\":{\"tools\":[{\"name\":\ndata: \"add\"}]}}\n\n"},
		{"other events around it", askList, events, "", ": hello\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\n" + event + ": bye\n\n", ": hello\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\n" + filtered + ": bye\n\n"},
		{"twice", askList, events, "", event + event, filtered + filtered},
		{"an end without a blank line", askList, events, "", strings.TrimRight(event, "\n"), filtered},
		{"half of one", askList, events, "", event[:half], ""},
		{"an id of text", askList, events, "", strings.Replace(event, `"id":1`, `"id":"1"`, 1), strings.Replace(filtered, `"id":1`, `"id":"1"`, 1)},
		{"an id with a point", askList, events, "", strings.Replace(event, `"id":1`, `"id":1.0`, 1), strings.Replace(filtered, `"id":1`, `"id":1.0`, 1)},
		{"a batch", `[` + askList + `,{"jsonrpc":"2.0","id":2,"method":"ping"}]`, json, "", `[` + twoTools + `,{"jsonrpc":"2.0","id":2,"result":{}}]`, `[` + oneTool + `,{"jsonrpc":"2.0","id":2,"result":{}}]`},
		{"a batch in an event", askList, events, "", "data: [" + twoTools + "]\n\n", "data: [" + oneTool + "]\n\n"},
		{"where a call was asked for", askCall, events, "", event, filtered},
		{"after the answer to a call", askCall, events, "", "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n" + event, "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n" + filtered},
		{"at the end of the answer to a call", askCall, events, "", "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n" + strings.TrimRight(event, "\n"), "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n" + filtered},
		{"on a stream that is opened again", "", events, "", event, filtered},
		{"packed on a stream", "", events, "gzip", packed(zip, event), filtered},
		{"a stream that is none", "", json, "", twoTools, oneTool},
		{"a search", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"find_tools"}}`, json, "", `{"id":1,"result":{"structuredContent":{"tools":["hidden","add"]}}}`, `{"id":1,"result":{"structuredContent":{"tools":["add"]}}}`},
		{"a tool's words on a stream", "", events, "", "data: {\"id\":7,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"words\"}]}}\n\n", "data: {\"id\":7,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"words\"}]}}\n\n"},
		{"what an upstream refuses", askList, json, "", `{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"no"}}`, `{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"no"}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			revision := old
			if strings.HasPrefix(c.ask, "[") {
				revision = "2025-03-26"
			}
			for _, n := range []int{1, 7, len(c.said)} {
				f.says(200, c.media, "")
				f.up.pieces = every(n, c.said)
				if c.encoding != "" {
					f.up.header.Set("Content-Encoding", c.encoding)
				}
				g := f.send(f.token("alice"), revision, c.ask)
				if c.want == "" && strings.Contains(g.Body.String(), "hidden") || c.want != "" && trimmed(g.Body.String()) != trimmed(c.want) || g.torn || g.Header().Get("Content-Encoding") != "" && c.encoding != "identity" {
					t.Fatalf("in pieces of %d: %d %v %v\n%q, want\n%q", n, g.Code, g.torn, g.Header(), g.Body, c.want)
				}
			}
		})
	}
}

// What a search found is filtered on a stream that the client opens again, too; the words of other tools are left alone there.
func TestASearchThatIsSentAgain(t *testing.T) {
	f := gated(t, nil)
	search := strings.Replace(askCall, "add", "find_tools", 1)
	found := "data: {\"id\":1,\"result\":{\"structuredContent\":{\"tools\":[\"hidden\",\"add\"]}}}\n\n"
	words := "data: {\"id\":1,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"hidden\"}]}}\n\n"
	f.says(200, events, "")
	f.send(f.token("alice"), old, search)
	for _, c := range []struct{ who, said, want string }{{"alice", found, "data: {\"id\":1,\"result\":{\"structuredContent\":{\"tools\":[\"add\"]}}}\n\n"}, {"bob", words, words}} {
		f.says(200, events, c.said)
		if g := f.send(f.token(c.who), old, ""); g.Body.String() != c.want {
			t.Errorf("%s: %s", c.who, g.Body)
		}
	}
	f.says(200, events, words)
	if g := f.send(f.token("alice"), old, ""); strings.Contains(g.Body.String(), "hidden") {
		t.Errorf("a search in words: %s", g.Body)
	}
}

// Proof 3: an answer that is split at any byte is filtered the same.
func TestListsSplitAtEachByte(t *testing.T) {
	f := gated(t, nil)
	raw := f.token("alice")
	stream := "\ufeff: c\r\nid: 1\r\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"n\"}\r\n\r\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\r\ndata:\"result\":{\"tools\":[{\"name\":\"hidden\"}, {\"name\":\"add\"}]}}\r\n\r\nid: 2\rdata: " + twoTools + "\r\rdata: {}\n\ndata: " + twoTools
	for _, c := range []struct{ ask, media, said string }{{askList, events, stream}, {askCall, events, stream}, {"", events, stream}, {askList, json, twoTools}} {
		var want string
		for cut := len(c.said); cut > 0; cut-- {
			f.says(200, c.media, "")
			f.up.pieces = [][]byte{[]byte(c.said[:cut]), []byte(c.said[cut:])}
			g := f.send(raw, old, c.ask)
			text := meaning(t, g.Body.String())
			if cut == len(c.said) {
				want = text
			}
			if text != want || strings.Contains(text, "hidden") || !strings.Contains(text, "add") || g.torn {
				t.Fatalf("%s cut at %d: %v\n%q, want\n%q", c.media, cut, g.torn, text, want)
			}
		}
	}
}

// trimmed is a stream without the lines at its end that mean nothing: a line end that is cut in two may leave one.
func trimmed(stream string) string { return strings.TrimRight(stream, "\r\n") }

// meaning is what a stream says: the data of its events, one on each line, or the text itself if it is none.
func meaning(t testing.TB, stream string) (all string) {
	t.Helper()
	if !strings.Contains(stream, "data:") {
		return stream
	}
	var e mcp.Events
	if err := e.Write([]byte(stream + "\n\n")); err != nil {
		t.Fatal(err)
	}
	for ev, ok := e.Next(); ok; ev, ok = e.Next() {
		if ev.Data != nil {
			all += string(ev.Data) + "\n"
		}
	}
	return all
}

// What may be a list and cannot be read is answered 502 with a code of its own, and nothing of it is passed on.
func TestListsThatCannotBeRead(t *testing.T) {
	f := gated(t, nil)
	raw := f.token("alice")
	large := `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"hidden","d":"` + strings.Repeat("x", 16<<20) + `"}]}}`
	bomb := func() string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = io.WriteString(w, large)
		_ = w.Close()
		return b.String()
	}()
	for _, c := range []struct {
		name, media, encoding, said string
		status, want                int
	}{
		{"another type", "text/plain", "", twoTools, 200, 502},
		{"no type", "", "", twoTools, 200, 502},
		{"two types", "application/json, text/plain", "", twoTools, 200, 502},
		{"a packing that nobody knows", json, "br", twoTools, 200, 502},
		{"two packings", json, "gzip, gzip", twoTools, 200, 502},
		{"a packing that is none", json, "gzip", twoTools, 200, 502},
		{"a packed stream that nobody knows", events, "br", twoTools, 200, 502},
		{"tools twice", json, "", `{"jsonrpc":"2.0","id":1,"result":{"tools":[],"tools":[{"name":"hidden"}]}}`, 200, 502},
		{"another case", json, "", `{"jsonrpc":"2.0","id":1,"result":{"Tools":[{"name":"hidden"}]}}`, 200, 502},
		{"another shape", json, "", `{"jsonrpc":"2.0","id":1,"result":{"items":[{"name":"hidden"}]}}`, 200, 502},
		{"two answers", json, "", oneTool + twoTools, 200, 502},
		{"an event as JSON", json, "", "data: " + twoTools + "\n\n", 200, 502},
		{"a mark", json, "", "\ufeff" + twoTools, 200, 502},
		{"too large", json, "", large, 200, 502},
		{"too large when it is unpacked", json, "gzip", bomb, 200, 502},
		{"an error that is none", json, "", `{"hidden":1}`, 404, 404},
		{"an error in words", "text/plain", "", "hidden", 503, 503},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.says(c.status, c.media, c.said, "Content-Encoding", c.encoding, "Retry-After", "7")
			if c.encoding == "" {
				f.up.header.Del("Content-Encoding")
			}
			g := f.send(raw, old, askList)
			if g.Code != c.want || !strings.Contains(g.Body.String(), `"code":"upstream.list"`) || !strings.Contains(g.Body.String(), `"id":1`) || strings.Contains(g.Body.String(), "hidden") || g.Header().Get("Retry-After") != "7" {
				t.Errorf("%d %v %.300s", g.Code, g.Header(), g.Body)
			}
		})
	}
	t.Run("nothing is no list", func(t *testing.T) {
		f.says(202, "", "")
		if g := f.send(raw, old, askList); g.Code != 202 || g.Body.Len() != 0 {
			t.Errorf("%d %s", g.Code, g.Body)
		}
	})
}

// On a stream whoever waits for a list that cannot be read is told; what nobody waits for is left out.
func TestEventsThatCannotBeRead(t *testing.T) {
	f := gated(t, nil)
	raw := f.token("alice")
	good := "data: {\"jsonrpc\":\"2.0\",\"method\":\"n\"}\n\n"
	for name, event := range map[string]string{
		"tools twice":       `{"jsonrpc":"2.0","id":1,"result":{"tools":[],"tools":[{"name":"hidden"}]}}`,
		"another case":      `{"jsonrpc":"2.0","id":1,"result":{"tools":[],"TOOLS":[{"name":"hidden"}]}}`,
		"two in one":        twoTools + twoTools,
		"torn":              twoTools[:len(twoTools)-1],
		"a request with it": `{"jsonrpc":"2.0","id":1,"method":"m","result":{"tools":[{"name":"hidden"}]}}`,
		"a batch of them":   `[{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"hidden","name":"add"}]}}]`,
		"in a string":       `"` + strings.ReplaceAll(twoTools, `"`, `\"`) + `"`,
		"a case of result":  `{"jsonrpc":"2.0","id":1,"Result":{"tools":[{"name":"hidden"}]}}`,
	} {
		for _, ask := range []string{askList, askCall, ""} {
			f.says(200, events, good+"data: "+event+"\n\n"+good)
			g := f.send(raw, old, ask)
			text := g.Body.String()
			if strings.Contains(text, "hidden") || g.torn || !strings.HasPrefix(text, good) || !strings.HasSuffix(text, good) {
				t.Errorf("%s, asked %s: %v\n%s", name, ask, g.torn, text)
			}
			if ok := strings.Contains(text, `"upstream.list"`); name == "tools twice" && !ok {
				t.Errorf("%s, asked %s: nobody is told\n%s", name, ask, text)
			}
		}
	}
}

// A client that sends a call with the id of a list under way may get the list in answer to the call.
func TestListsInAnAnswerToSomethingElse(t *testing.T) {
	f := gated(t, nil)
	raw := f.token("alice")
	long := `{"jsonrpc":"2.0","id":1,"result":{"a":"` + strings.Repeat("x", 100<<10) + `","tools":[{"name":"hidden"}]}}`
	for name, body := range map[string]string{"short": twoTools, "long": long, "escaped": strings.Replace(twoTools, "tools", `to\u006fls`, 1), "a batch": "[" + twoTools + "]", "a batch of which one is no response": `[{"id":1,"result":{}},{"method":"m","id":1,"result":{"tools":[{"name":"hidden"}]}}]`, "prompts": `{"id":1,"result":{"prompts":[{"name":"hidden"}]}}`} {
		f.says(200, json, "")
		f.up.pieces = every(50, body)
		if g := f.send(raw, old, askCall); !g.torn || strings.Contains(g.Body.String(), "hidden") {
			t.Errorf("%s: %d %v %.100s", name, g.Code, g.torn, g.Body)
		}
	}
	for name, body := range map[string]string{"a tool's own list": `{"jsonrpc":"2.0","id":1,"result":{"structuredContent":{"tools":[{"name":"hidden"}]}}}`, "long": `{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"` + strings.Repeat(`\"tools\":[`, 10<<10) + `"}]}}`} {
		f.says(200, json, "")
		f.up.pieces = every(1000, body)
		if g := f.send(raw, old, askCall); g.torn || g.Body.String() != body {
			t.Errorf("%s: %d %v %.100s", name, g.Code, g.torn, g.Body)
		}
	}
}

// TR-CACHE-PRIVATE, TR-CACHE-PUBLIC-AWARE, TR-CACHE-PAGES: no list leaves as one that others may be given, on any page, changed or not.
func TestEveryListIsPrivate(t *testing.T) {
	f := gated(t, nil)
	raw := f.token("alice")
	for _, result := range []string{`{"tools":[{"name":"hidden"}],"nextCursor":"2","ttlMs":9,"cacheScope":"public"}`, `{"tools":[{"name":"add"}],"nextCursor":"3","ttlMs":9}`, `{"cacheScope":"private","tools":[]}`, `{}`} {
		for _, media := range []string{json, events} {
			body := `{"jsonrpc":"2.0","id":1,"result":` + result + `}`
			if media == events {
				body = "data: " + body + "\n\n"
			}
			f.says(200, media, body, "Cache-Control", "public, max-age=600")
			g := f.send(raw, "2026-07-28", `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`, "Mcp-Method", "tools/list")
			if text := g.Body.String(); g.Code != 200 || strings.Count(text, `"cacheScope":"private"`) != 1 || strings.Contains(text, "public") || strings.Contains(text, "hidden") || g.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %d %v %s", result, g.Code, g.Header(), text)
			}
		}
	}
}

// RFC 9111 §3.5: an upstream does not know that requests had a token, so what it says of caches that serve several people is not
// repeated.
func TestNoCacheOfOthersKeepsAnAnswer(t *testing.T) {
	f := gated(t, nil)
	raw := f.token("alice")
	for said, want := range map[string]string{"public, max-age=60": "no-store", "max-age=1, S-MaxAge=60": "no-store", "must-revalidate": "no-store", "no-cache": "no-cache", "private, max-age=60": "private, max-age=60", "no-transform": "no-transform"} {
		for _, c := range []struct{ ask, media string }{{askCall, json}, {askCall, events}, {"", events}} {
			f.says(200, c.media, "", "Cache-Control", said)
			if g := f.send(raw, old, c.ask); g.Header().Get("Cache-Control") != want {
				t.Errorf("%s of %s: %q, want %q", said, c.media, g.Header().Get("Cache-Control"), want)
			}
		}
	}
}

// An event goes on when it has come; nothing waits for the next one.
func TestAFilteredEventIsNotHeldBack(t *testing.T) {
	f := gated(t, nil)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.s.ServeHTTP(w, request.Begin(r, func() time.Time { return noon }, nil))
	}))
	defer front.Close()
	body, write := io.Pipe()
	f.says(200, events, "")
	up := http.RoundTripper(reading{f.up, body})
	f.s = gated(t, func(c *gateway.Config) {
		c.Issuers = []token.Issuer{{URL: listIssuer, Keys: token.Own(func() *token.Ring { return f.ring }), Audiences: []string{resource}}}
		c.Upstream = func(guard.Call) http.RoundTripper { return up }
	}).s
	r, err := http.NewRequest("GET", front.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Authorization": {"Bearer " + f.token("alice")}, "Mcp-Protocol-Version": {old}, "Accept": {events}}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	for range 3 {
		go func() { _, _ = io.WriteString(write, "data: "+twoTools+"\n\n") }()
		want := "data: " + oneTool + "\n\n"
		b := make([]byte, len(want))
		if _, err := io.ReadFull(res.Body, b); err != nil || string(b) != want {
			t.Fatalf("%q, %v", b, err)
		}
	}
	_ = write.Close()
	if rest, err := io.ReadAll(res.Body); err != nil || len(rest) != 0 {
		t.Errorf("%q, %v", rest, err)
	}
}

// reading answers with another body.
type reading struct {
	head *said
	body io.ReadCloser
}

func (r reading) RoundTrip(q *http.Request) (*http.Response, error) {
	res, err := r.head.RoundTrip(q)
	res.Body = r.body
	return res, err
}

func BenchmarkListOf5000(b *testing.B) {
	f := gated(b, nil)
	var items []string
	for i := range 5000 {
		items = append(items, fmt.Sprintf(`{"name":"tool-%d","description":"does what number %d does","inputSchema":{"type":"object","properties":{"q":{"type":"string"}}}}`, i, i))
	}
	f.says(200, json, `{"jsonrpc":"2.0","id":1,"result":{"tools":[`+strings.Join(items, ",")+`]}}`)
	raw := f.token("alice")
	b.ReportAllocs()
	for b.Loop() {
		if g := f.send(raw, old, askList); g.Code != 200 {
			b.Fatal(g.Body)
		}
	}
}
