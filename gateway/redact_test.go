package gateway_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/gateway"
	"github.com/doorward-mcp/doorward/policy"
)

// redacting is a policy that allows everything; what is called secret, less the ssn in its answer.
type redacting struct{ shown }

func (redacting) Decide(_ context.Context, r policy.Request) policy.Decision {
	d := policy.Decision{Verdict: policy.Allow, Code: "policy.allowed"}
	if strings.Contains(r.Operation.Name, "secret") {
		d.Obligations = []policy.Obligation{{Name: policy.Redact, Value: "/ssn", Rule: "r"}}
	}
	return d
}

func redacted(t testing.TB) *fixture {
	return gated(t, func(c *gateway.Config) { c.Decider = redacting{} })
}

const (
	askSecret  = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"secret"}}`
	hasSecret  = `{"jsonrpc":"2.0","id":1,"result":{"structuredContent":{"ssn":"5550","name":"Ann"},"content":[{"type":"text","text":"{\"ssn\":\"5550\",\"name\":\"Ann\"}"},{"type":"text","text":"Ann has 5550"}]}}`
	lessSecret = `{"jsonrpc":"2.0","id":1,"result":{"structuredContent":{"ssn":"[redacted]","name":"Ann"},"content":[{"type":"text","text":"{\"ssn\":\"[redacted]\",\"name\":\"Ann\"}"},{"type":"text","text":"[withheld by policy]"}]}}`
	progress   = `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1,"message":"found 5550"}}`
	quiet      = `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1,"message":"[withheld by policy]"}}`
	plainCall  = `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"plain"}}`
	plainSaid  = `{"jsonrpc":"2.0","id":2,"result":{"content":[{"type":"text","text":"words of 5551"}]}}`
)

func event(data string) string { return "data: " + data + "\n\n" }

// A value that a rule has taken out is taken out whatever the answer comes in, cut anywhere, and what cannot be looked into with it.
func TestRedactionInEachFraming(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte(hasSecret))
	_ = z.Close()
	read := `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"secret:x"}}`
	get := `{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"secret"}}`
	for name, c := range map[string]struct{ ask, revision, media, encoding, said, want string }{
		"JSON":                     {askSecret, old, json, "", hasSecret, lessSecret},
		"gzip":                     {askSecret, old, json, "gzip", zipped.String(), lessSecret},
		"an event":                 {askSecret, old, events, "", ": c\n\n" + event(hasSecret), ": c\n\n" + event(lessSecret)},
		"an event without an end":  {askSecret, old, events, "", strings.TrimRight(event(hasSecret), "\n"), event(lessSecret)},
		"progress before it":       {askSecret, old, events, "", event(progress) + event(hasSecret), event(quiet) + event(lessSecret)},
		"progress without an end":  {askSecret, old, events, "", strings.TrimRight(event(progress), "\n"), event(quiet)},
		"progress after it":        {askSecret, old, events, "", event(hasSecret) + event(progress), event(lessSecret) + event(quiet)},
		"what nobody knows":        {askSecret, old, events, "", event(`{"jsonrpc":"2.0","method":"vendor/note","params":"5550"}`) + event(hasSecret), event(lessSecret)},
		"that without an end":      {askSecret, old, events, "", event(hasSecret) + `data: {"jsonrpc":"2.0","method":"vendor/note","params":"5550"}`, event(lessSecret)},
		"a batch":                  {"[" + askSecret + "," + plainCall + "]", "2025-03-26", json, "", "[" + hasSecret + "," + plainSaid + "]", "[" + lessSecret + "," + plainSaid + "]"},
		"a batch in events":        {"[" + askSecret + "," + plainCall + "]", "2025-03-26", events, "", event(plainSaid) + event("["+hasSecret+"]"), event(plainSaid) + event("["+lessSecret+"]")},
		"a resource":               {read, old, json, "", `{"id":1,"result":{"contents":[{"uri":"secret:x","text":"{\"ssn\":5550}"},{"uri":"secret:x","blob":"NTU1MA=="}]}}`, `{"id":1,"result":{"contents":[{"uri":"secret:x","text":"{\"ssn\":\"[redacted]\"}"},{"uri":"secret:x","mimeType":"text/plain","text":"[withheld by policy]"}]}}`},
		"a prompt":                 {get, old, json, "", `{"id":1,"result":{"messages":[{"role":"user","content":{"type":"text","text":"5550"}}]}}`, `{"id":1,"result":{"messages":[{"role":"user","content":{"type":"text","text":"[withheld by policy]"}}]}}`},
		"an error":                 {askSecret, old, json, "", `{"id":1,"error":{"code":-32603,"message":"no","data":{"ssn":5550}}}`, `{"id":1,"error":{"code":-32603,"message":"no"}}`},
		"2026-07-28":               {strings.Replace(askSecret, `"name":"secret"`, `"name":"secret",`+meta2026, 1), "2026-07-28", json, "", hasSecret, strings.Replace(lessSecret, `{"structured`, `{"cacheScope":"private","structured`, 1)},
		"nothing to be taken out":  {plainCall, old, json, "", plainSaid, plainSaid},
		"nor out of events":        {plainCall, old, events, "", event(progress) + event(plainSaid), event(progress) + event(plainSaid)},
		"an accepted notification": {strings.Replace(askSecret, `"id":1,`, "", 1), old, "", "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := redacted(t)
			for _, n := range []int{1, 7, len(c.said) + 1} {
				f.says(200, c.media, "")
				f.up.pieces = every(n, c.said)
				if c.encoding != "" {
					f.up.header.Set("Content-Encoding", c.encoding)
				}
				f.up.header.Set("Cache-Control", "max-age=60")
				g := f.send(f.token("alice"), c.revision, c.ask, "Mcp-Method", "tools/call", "Mcp-Name", "secret")
				if g.Code != 200 || trimmed(g.Body.String()) != trimmed(c.want) || g.torn {
					t.Fatalf("in pieces of %d: %d\n%s, want\n%s", n, g.Code, g.Body, c.want)
				}
				if private := g.Header().Get("Cache-Control") == "no-store"; private != strings.Contains(c.ask, "secret") {
					t.Errorf("may be kept: %s", g.Header().Get("Cache-Control"))
				}
			}
		})
	}
}

const meta2026 = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`

// An answer out of which nothing can be taken is not passed on, nor any part of it.
func TestAnAnswerThatCannotBeRedacted(t *testing.T) {
	f := redacted(t)
	cut := strings.Replace(hasSecret, `}]}}`, `}]`, 1)
	twice := strings.Replace(hasSecret, `"result":`, `"result":{},"result":`, 1)
	for name, c := range map[string]struct {
		media, said string
		header      []string
		status      int
	}{
		"text":                 {"text/plain", "5550", nil, 200},
		"no type":              {"", hasSecret, nil, 200},
		"an upstream's page":   {"text/plain", "no 5550", nil, 500},
		"broken JSON":          {json, cut, nil, 200},
		"a result twice":       {json, twice, nil, 200},
		"another id":           {json, strings.Replace(hasSecret, `"id":1`, `"id":7`, 1), nil, 200},
		"an id of text":        {json, strings.Replace(hasSecret, `"id":1`, `"id":"1"`, 1), nil, 200},
		"packed strangely":     {json, hasSecret, []string{"Content-Encoding", "br"}, 200},
		"larger than is read":  {json, `{"id":1,"result":{"structuredContent":{"ssn":"5550","x":"` + strings.Repeat("x", 17<<20) + `"}}}`, nil, 200},
		"broken events":        {events, event(cut), nil, 200},
		"an event twice":       {events, event(twice), nil, 200},
		"an event of another":  {events, event(strings.Replace(hasSecret, `"id":1`, `"id":7`, 1)), nil, 200},
		"a content of no list": {events, event(`{"id":1,"result":{"content":"5550"}}`), nil, 200},
	} {
		f.says(c.status, c.media, c.said, c.header...)
		g := f.send(f.token("alice"), old, askSecret)
		if body := g.Body.String(); strings.Contains(body, "555") || c.media != events && (g.Code != max(502, c.status) && g.Code != 500 || !strings.Contains(body, `"code":"upstream.redact"`)) {
			t.Errorf("%s: %d %.300s", name, g.Code, body)
		}
		if out := f.outcome(); c.media != events && (out.Result != "upstream" || out.Reason != "upstream.redact") {
			t.Errorf("%s is recorded as %+v", name, out)
		}
	}
}

// An answer that comes on a stream which the client opens later, or to another request of the session with the same id, is
// redacted too, and one to a request that nobody remembers is not passed on.
func TestARedactedAnswerThatComesLate(t *testing.T) {
	f := redacted(t)
	raw := f.token("alice")
	late := func(said string) string {
		f.says(200, events, said)
		return f.send(raw, old, "", "Mcp-Session-Id", "s").Body.String()
	}
	if got := late(event(progress) + event(strings.Replace(hasSecret, `"id":1`, `"id":9`, 1))); !strings.Contains(got, "5550") {
		t.Errorf("before anything was redacted here: %s", got)
	}
	f.says(202, "", "")
	f.send(raw, old, askSecret, "Mcp-Session-Id", "s")
	f.send(raw, old, plainCall, "Mcp-Session-Id", "s")
	if got := late(event(progress) + event(hasSecret) + event(plainSaid)); got != event(quiet)+event(lessSecret)+event(plainSaid) {
		t.Errorf("%s", got)
	}
	if got := late(strings.TrimRight(event(hasSecret), "\n")); got != event(lessSecret) {
		t.Errorf("%s", got)
	}
	if got := late(event("[" + hasSecret + "]")); got != event("["+lessSecret+"]") {
		t.Errorf("%s", got)
	}
	// The same id once more, for something that may be seen whole.
	again := strings.Replace(plainCall, `"id":2`, `"id":1`, 1)
	for media, said := range map[string]string{json: hasSecret, events: event(hasSecret)} {
		f.says(200, media, said)
		if got := f.send(raw, old, again, "Mcp-Session-Id", "s").Body.String(); strings.Contains(got, "5550") {
			t.Errorf("to another request: %s", got)
		}
	}
	if got := late(event(hasSecret)); strings.Contains(got, "5550") {
		t.Errorf("after another request: %s", got)
	}
	if got := late(event(strings.Replace(hasSecret, `"id":1`, `"id":3`, 1))); strings.Contains(got, "5550") || !strings.Contains(got, "upstream.redact") {
		t.Errorf("to a request that nobody remembers: %s", got)
	}
	f.says(200, events, event(hasSecret))
	if got := f.send(f.token("bob"), old, "", "Mcp-Session-Id", "s").Body.String(); strings.Contains(got, "5550") {
		t.Errorf("to bob: %s", got)
	}
}

// Where rules may redact, what was asked before a restart is nothing that can be passed on.
func TestARedactedAnswerAfterARestart(t *testing.T) {
	f := gated(t, func(c *gateway.Config) { c.Decider, c.Redacts = redacting{}, true })
	f.says(200, events, event(hasSecret))
	if got := f.send(f.token("alice"), old, "", "Mcp-Session-Id", "s").Body.String(); strings.Contains(got, "5550") || !strings.Contains(got, "upstream.redact") {
		t.Errorf("%s", got)
	}
	f.send(f.token("alice"), old, plainCall, "Mcp-Session-Id", "s")
	f.says(200, events, event(plainSaid))
	if got := f.send(f.token("alice"), old, "", "Mcp-Session-Id", "s").Body.String(); got != event(plainSaid) {
		t.Errorf("what was asked since: %s", got)
	}
}

// What a task is made for is redacted in its result, whenever and however that is told.
func TestTheResultOfARedactedTask(t *testing.T) {
	for name, made := range map[string]string{"2025-11-25": `{"task":{"taskId":"t","status":"working","statusMessage":"at 5550"}}`, "2026-07-28": `{"resultType":"task","taskId":"t","status":"working","statusMessage":"at 5550"}`} {
		t.Run(name, func(t *testing.T) {
			f := redacted(t)
			raw := f.token("alice")
			f.says(200, json, `{"jsonrpc":"2.0","id":1,"result":`+made+`}`)
			if g := f.send(raw, old, askSecret); g.Code != 200 || strings.Contains(g.Body.String(), "5550") || !strings.Contains(g.Body.String(), `"taskId":"t"`) {
				t.Fatalf("%d %s", g.Code, g.Body)
			}
			for _, method := range []string{"tasks/get", "tasks/result", "tasks/update", "tasks/cancel"} {
				for media, said := range map[string]string{json: hasSecret, events: event(hasSecret)} {
					f.says(200, media, said)
					if g := f.send(raw, old, fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{"taskId":"t"}}`, method)); g.Code != 200 || strings.Contains(g.Body.String(), "5550") || !strings.Contains(g.Body.String(), "Ann") {
						t.Errorf("%s: %d %s", method, g.Code, g.Body)
					}
				}
				f.says(200, json, `{"jsonrpc":"2.0","id":1,"result":{"taskId":"t","status":"completed","result":{"structuredContent":{"ssn":"5550","name":"Ann"}}}}`)
				if g := f.send(raw, old, fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{"taskId":"t"}}`, method)); strings.Contains(g.Body.String(), "5550") || !strings.Contains(g.Body.String(), "Ann") {
					t.Errorf("%s, inlined: %s", method, g.Body)
				}
			}
			f.says(200, events, event(`{"jsonrpc":"2.0","method":"notifications/tasks","params":{"taskId":"t","result":{"structuredContent":{"ssn":"5550","name":"Ann"}}}}`))
			if got := f.send(raw, old, "").Body.String(); strings.Contains(got, "5550") || !strings.Contains(got, "Ann") {
				t.Errorf("on a stream: %s", got)
			}
		})
	}
}

// Proof 3: an answer that is split at any byte is redacted the same.
func TestRedactionSplitAtEachByte(t *testing.T) {
	f := redacted(t)
	raw := f.token("alice")
	stream := "\ufeff: c\r\nid: 1\r\ndata: " + progress + "\r\n\r\ndata: " + strings.Replace(hasSecret, `,"result"`, ",\r\ndata: \"result\"", 1) + "\r\n\r\ndata: " + hasSecret
	for _, media := range []string{json, events} {
		said := map[string]string{json: hasSecret, events: stream}[media]
		var want string
		for cut := len(said); cut > 0; cut-- {
			f.says(200, media, "")
			f.up.pieces = [][]byte{[]byte(said[:cut]), []byte(said[cut:])}
			f.up.pieces = slices.DeleteFunc(f.up.pieces, func(b []byte) bool { return len(b) == 0 })
			got := f.send(raw, old, askSecret).Body.String()
			if want == "" {
				want = got
			}
			if got != want || strings.Contains(got, "5550") || !strings.Contains(got, "Ann") {
				t.Fatalf("%s at %d: %s", media, cut, got)
			}
		}
	}
}

// A rule whose pointers are too many together refuses the call.
func TestRedactionsTogetherAreBounded(t *testing.T) {
	many := policy.Decision{Verdict: policy.Allow}
	for n := range 1001 {
		many.Obligations = append(many.Obligations, policy.Obligation{Name: policy.Redact, Value: fmt.Sprintf("/%d", n)})
	}
	f := gated(t, func(c *gateway.Config) { c.Decider = always{decision: many} })
	f.says(200, json, hasSecret)
	if g := f.send(f.token("alice"), old, askSecret); g.Code != http.StatusInternalServerError || strings.Contains(g.Body.String(), "5550") {
		t.Errorf("%d %s", g.Code, g.Body)
	}
}

// always is one decision for everything.
type always struct {
	shown
	decision policy.Decision
}

func (a always) Decide(context.Context, policy.Request) policy.Decision { return a.decision }

var _ policy.Decider = always{}
