package gateway_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/gateway"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/token"
)

const (
	listIssuer = "https://as.example"
	resource   = "https://mcp.example/mcp"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// said is what an upstream answers: a head, and a body in pieces.
type said struct {
	status int
	header http.Header
	pieces [][]byte
}

func (s *said) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: s.status, Header: s.header.Clone(), Body: &pieces{slices.Clone(s.pieces)}, Request: r}, nil
}

// pieces is a body that is read as it was cut.
type pieces struct{ left [][]byte }

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.left) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.left[0])
	if p.left[0] = p.left[0][n:]; len(p.left[0]) == 0 {
		p.left = p.left[1:]
	}
	return n, nil
}

func (p *pieces) Close() error { return nil }

// every cuts text into pieces of n bytes.
func every(n int, text string) (all [][]byte) {
	for len(text) > n {
		all, text = append(all, []byte(text[:n])), text[n:]
	}
	return append(all, []byte(text))
}

// fixture is a gateway before an upstream, where everything called hidden needs a scope that nobody has.
type fixture struct {
	t    testing.TB
	ring *token.Ring
	s    *gateway.Server
	up   *said
	log  atomic.Pointer[audit.Entry] // the last that was written
}

// outcome is that of the last call.
func (f *fixture) outcome() audit.Outcome { return f.log.Load().Outcome }

func gated(t testing.TB, change func(*gateway.Config)) *fixture {
	t.Helper()
	k, err := token.NewKey(noon.Add(-time.Hour), noon.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, up: &said{}}
	if f.ring, err = token.NewRing(listIssuer, []token.Key{k}); err != nil {
		t.Fatal(err)
	}
	hidden := []string{"hidden*"}
	c := gateway.Config{Config: guard.Config{Resource: oauth.Resource{URI: resource}, Servers: []string{listIssuer}, Now: func() time.Time { return noon }, Slog: slog.New(slog.DiscardHandler),
		Issuers: []token.Issuer{{URL: listIssuer, Keys: token.Own(func() *token.Ring { return f.ring }), Audiences: []string{resource}}},
		Log:     audit.New(func(_ context.Context, e audit.Entry) error { f.log.Store(&e); return nil }),
		Decider: policy.ScopesOnly{Scopes: policy.NewScopes(nil, nil, policy.Need{Tools: hidden, Prompts: hidden, Resources: hidden, Scopes: oauth.NewScopes("all")})}},
		Upstream: func(guard.Call) http.RoundTripper { return f.up }, ToolSearch: []string{"find_tools"}}
	if change != nil {
		change(&c)
	}
	if f.s, err = gateway.New(c); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) token(subject string, change ...func(*token.Claims)) string {
	f.t.Helper()
	c := token.Claims{Principal: token.Principal{Issuer: listIssuer, Subject: subject}, Client: "c", Grant: "g", ID: "j", Resource: resource, Scopes: oauth.NewScopes("mcp"), Expires: noon.Add(10 * time.Minute)}
	for _, ch := range change {
		ch(&c)
	}
	raw, err := f.ring.Access(noon, c)
	if err != nil {
		f.t.Fatal(err)
	}
	return raw
}

// got is what the client got; a torn answer is one that the gateway broke off.
type got struct {
	*httptest.ResponseRecorder
	torn bool
}

// send sends a message of revision, or opens a stream if body is empty.
func (f *fixture) send(raw, revision, body string, header ...string) (g got) {
	f.t.Helper()
	method := "POST"
	if body == "" {
		method = "GET"
	}
	r := httptest.NewRequest(method, resource, strings.NewReader(body))
	r.Header = http.Header{"Authorization": {"Bearer " + raw}, "Mcp-Protocol-Version": {revision}}
	if body == "" {
		r.Body = http.NoBody
	} else {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	g.ResponseRecorder = httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler {
				panic(p)
			}
			g.torn = true
		}
	}()
	f.s.ServeHTTP(g, request.Begin(r, func() time.Time { return noon }, nil))
	return g
}

// says sets what the upstream answers.
func (f *fixture) says(status int, media, body string, header ...string) {
	f.up.status, f.up.header, f.up.pieces = status, http.Header{}, [][]byte{[]byte(body)}
	if media != "" {
		f.up.header.Set("Content-Type", media)
	}
	for i := 0; i+1 < len(header); i += 2 {
		f.up.header.Set(header[i], header[i+1])
	}
}

const (
	events   = "text/event-stream"
	json     = "application/json"
	askList  = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	askCall  = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add"}}`
	twoTools = `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"hidden"},{"name":"add"}]}}`
	oneTool  = `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"add"}]}}`
	old      = "2025-11-25"
)
