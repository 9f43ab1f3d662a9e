//go:build unix

package stdio_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	wire "github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/stdio"
)

// overHTTP is the least that a gateway does, without checking anybody.
func (k *kit) overHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	m, err := wire.Read(r.Method, textproto.MIMEHeader(r.Header), body)
	if refused := (*wire.Error)(nil); errors.As(err, &refused) {
		w.WriteHeader(refused.Status)
		_, _ = w.Write(refused.Body())
		return
	}
	ctx := r.Context()
	if !m.Revision.ClosingCancels() && r.Method == "POST" {
		ctx = context.WithoutCancel(ctx)
	}
	out := (&http.Request{Method: r.Method, Header: http.Header{"Doorward-Caller": {"h.p.s"}}}).WithContext(ctx)
	res, err := k.For(who("ada"), m).RoundTrip(out)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer func() { _ = res.Body.Close() }()
	for name, v := range res.Header {
		w.Header()[name] = v
	}
	w.WriteHeader(res.StatusCode)
	flush := http.NewResponseController(w).Flush
	_ = flush()
	b := make([]byte, 4096)
	for {
		n, err := res.Body.Read(b)
		_, _ = w.Write(b[:n])
		_ = flush()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

func (k *kit) connect(t *testing.T, revision string, o *mcp.ClientOptions) *mcp.ClientSession {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(k.overHTTP))
	t.Cleanup(srv.Close)
	c := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, o)
	s, err := c.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: srv.URL}, &mcp.ClientSessionOptions{ProtocolVersion: revision})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func text(t *testing.T, s *mcp.ClientSession, p *mcp.CallToolParams) string {
	t.Helper()
	res, err := s.CallTool(t.Context(), p)
	if err != nil {
		t.Fatalf("calling %s: %v", p.Name, err)
	}
	if res.IsError || len(res.Content) == 0 {
		t.Fatalf("%s: %v", p.Name, res.Content)
	}
	return res.Content[0].(*mcp.TextContent).Text
}

func TestTheSDKsClientReachesTheSDKsServer(t *testing.T) {
	for _, revision := range []string{"2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"} {
		t.Run(revision, func(t *testing.T) {
			k := start(t, "sdk")
			progress := make(chan float64, 3)
			s := k.connect(t, revision, &mcp.ClientOptions{
				ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) { progress <- r.Params.Progress },
				ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
					return &mcp.ElicitResult{Action: "decline"}, nil
				},
			})
			if (s.ID() == "") != (revision == "2026-07-28") {
				t.Errorf("session id %q", s.ID())
			}
			meta := text(t, s, &mcp.CallToolParams{Name: "meta", Meta: mcp.Meta{"io.github.doorward-mcp/caller": "forged", "x": "y"}})
			if !strings.Contains(meta, `"io.github.doorward-mcp/caller":"h.p.s"`) || strings.Contains(meta, "forged") || !strings.Contains(meta, `"x":"y"`) {
				t.Errorf("the server was told %s", meta)
			}
			p := &mcp.CallToolParams{Name: "progress"}
			p.SetProgressToken("tok")
			if got := text(t, s, p); got != "done" {
				t.Errorf("said %q", got)
			}
			for want := 1.0; want <= 3; want++ {
				if got := <-progress; got != want {
					t.Errorf("progress %v, want %v", got, want)
				}
			}
			if one, two := text(t, s, &mcp.CallToolParams{Name: "pid"}), text(t, s, &mcp.CallToolParams{Name: "pid"}); one != two {
				t.Error("a caller's calls went to two processes")
			}
			if revision == "2026-07-28" {
				return // no requests of the server
			}
			if got := text(t, s, &mcp.CallToolParams{Name: "ask"}); got != "decline" {
				t.Errorf("the client's answer came as %q", got)
			}
		})
	}
}

// A client that begins with 2026-07-28 falls back to what the server has.
func TestServerEverything(t *testing.T) {
	t.Parallel()
	script := "../testdata/node_modules/@modelcontextprotocol/server-everything/dist/index.js"
	if _, err := os.Stat(script); err != nil {
		t.Skip("server-everything is not installed: npm ci in testdata")
	}
	everything(t, start(t, "").on(func(p *stdio.Pool) { p.Command = []string{"node", script, "stdio"} }))
}

// The same server in a sandbox, as everybody's only process.
func TestServerEverythingInASandbox(t *testing.T) {
	t.Parallel()
	modules, err := filepath.Abs("../testdata/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(modules, "@modelcontextprotocol/server-everything/dist/index.js")
	if _, err := os.Stat(script); err != nil {
		t.Skip("server-everything is not installed: npm ci in testdata")
	}
	k := start(t, "").on(func(p *stdio.Pool) {
		p.Command, p.Dir, p.Isolation = []string{"node", script, "stdio"}, "/", stdio.SharedInsecure
		p.Confine.Sandbox, p.Memory, p.Processes, p.Files = &stdio.Sandbox{Read: []string{modules, filepath.Join(modules, "../package.json")}}, 1024, 8, 256
	})
	if err := k.Check(); errors.Is(err, stdio.ErrUnconfined) {
		t.Skip(err)
	}
	everything(t, k)
}

func everything(t *testing.T, k *kit) {
	s := k.connect(t, "", nil)
	tools, err := s.ListTools(t.Context(), nil)
	if err != nil || len(tools.Tools) < 5 {
		t.Fatalf("tools: %v, %v", tools, err)
	}
	if got := text(t, s, &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"message": "through stdio"}}); !strings.Contains(got, "through stdio") {
		t.Errorf("echo said %q", got)
	}
	p := &mcp.CallToolParams{Name: "trigger-long-running-operation", Arguments: map[string]any{"duration": 0.2, "steps": 2}}
	p.SetProgressToken("tok")
	if got := text(t, s, p); !strings.Contains(got, "completed") {
		t.Errorf("the long operation said %q", got)
	}
}
