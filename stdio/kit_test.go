//go:build unix

package stdio_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/textproto"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	wire "github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/stdio"
	"github.com/doorward-mcp/doorward/token"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// lines is a log that can be waited on.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
	news chan struct{}
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(b)
	close(l.news)
	l.news = make(chan struct{})
	return len(b), nil
}

func (l *lines) now() (string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String(), l.news
}

// wait waits until the log holds a text n times.
func (l *lines) wait(t *testing.T, text string, n int) {
	t.Helper()
	late := time.After(patience)
	for {
		all, news := l.now()
		if strings.Count(all, text) >= n {
			return
		}
		select {
		case <-news:
		case <-late:
			t.Fatalf("the log does not hold %q %d times:\n%.4000s", text, n, all)
		}
	}
}

// kit is a pool of one of the servers of serve.
type kit struct {
	*stdio.Pool
	log *lines
}

func start(t *testing.T, r string, env ...string) *kit {
	t.Helper()
	l := &lines{news: make(chan struct{})}
	p := &stdio.Pool{Command: []string{os.Args[0]}, Env: append(env, role+"="+r, "GORACE=atexit_sleep_ms=0"), Log: slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	t.Cleanup(func() { _ = p.Close() })
	return &kit{p, l}
}

func who(subject string) token.Caller {
	return token.Caller{Principal: token.Principal{Issuer: "https://as.example", Subject: subject}, Client: "client"}
}

// ask sends a message.
func (k *kit) ask(ctx context.Context, t *testing.T, c token.Caller, method, session string, revision wire.Revision, body string) (*http.Response, error) {
	t.Helper()
	return k.send(ctx, c, method, session, revision, body)
}

// send sends a message as the gateway does.
func (k *kit) send(ctx context.Context, c token.Caller, method, session string, revision wire.Revision, body string) (*http.Response, error) {
	h := http.Header{"Mcp-Protocol-Version": {string(revision)}}
	if body != "" {
		h.Set("Content-Type", "application/json")
	}
	if session != "" {
		h.Set("Mcp-Session-Id", session)
	}
	if revision == wire.V20260728 {
		var m struct{ Method string }
		_ = json.Unmarshal([]byte(body), &m)
		h.Set("Mcp-Method", m.Method)
	}
	m, err := wire.Read(method, textproto.MIMEHeader(h), []byte(body))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", body, err)
	}
	h.Set("Doorward-Caller", "h."+c.Subject+".s")
	r := (&http.Request{Method: method, Header: h, Body: io.NopCloser(strings.NewReader(body))}).WithContext(ctx)
	return k.For(c, m).RoundTrip(r)
}

// on says how a pool is to be before its first use.
func (k *kit) on(how func(*stdio.Pool)) *kit {
	how(k.Pool)
	return k
}

func (k *kit) post(t *testing.T, c token.Caller, session, body string) (status int, head http.Header, answer string) {
	t.Helper()
	return k.do(t, c, "POST", session, wire.V20251125, body)
}

func (k *kit) do(t *testing.T, c token.Caller, method, session string, revision wire.Revision, body string) (int, http.Header, string) {
	t.Helper()
	status, head, answer, err := k.try(c, method, session, revision, body)
	if err != nil {
		t.Fatal(err)
	}
	return status, head, answer
}

func (k *kit) try(c token.Caller, method, session string, revision wire.Revision, body string) (int, http.Header, string, error) {
	res, err := k.send(context.Background(), c, method, session, revision, body)
	if err != nil {
		return 0, nil, "", err
	}
	defer func() { _ = res.Body.Close() }()
	all, err := io.ReadAll(res.Body)
	return res.StatusCode, res.Header, string(all), err
}

const initialize = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`

// session begins one.
func (k *kit) session(t *testing.T, c token.Caller) string {
	t.Helper()
	status, h, body := k.post(t, c, "", initialize)
	if status != 200 || h.Get("Mcp-Session-Id") == "" {
		t.Fatalf("initialize: %d %v %s", status, h, body)
	}
	return h.Get("Mcp-Session-Id")
}

func call(id, method, params string) string {
	if params == "" {
		return `{"jsonrpc":"2.0","id":` + id + `,"method":"` + method + `"}`
	}
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"` + method + `","params":` + params + `}`
}

// stateless is a call of 2026-07-28.
func stateless(id, method string) string {
	return call(id, method, `{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}`)
}

// pid is the process that answered a call which the scripted server repeats.
func pid(t *testing.T, body string) int {
	t.Helper()
	var r struct{ Result struct{ Pid int } }
	if err := json.Unmarshal([]byte(body), &r); err != nil || r.Result.Pid == 0 {
		t.Fatalf("no pid in %s", body)
	}
	return r.Result.Pid
}

// gone waits until a process is gone, or is a zombie that waits for the init process.
func gone(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + itoa(pid) + "/stat")
		if syscall.Kill(pid, 0) != nil || err == nil && bytes.Contains(stat, []byte(") Z ")) {
			return
		}
	}
	t.Errorf("process %d is still there", pid)
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

// end ends a process that a test has left on purpose.
func end(pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) }
