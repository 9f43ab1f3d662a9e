package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// echoMain is a command of tests: echo HOST:PORT serves an MCP server over HTTP that says who calls, and with what, in JSON or
// as a stream. It knows the sessions that it began.
func echoMain() {
	var mu sync.Mutex
	sessions := map[string]bool{}
	err := http.ListenAndServe(os.Args[1], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		known := sessions[r.Header.Get("Mcp-Session-Id")]
		mu.Unlock()
		if id := r.Header.Get("Mcp-Session-Id"); id != "" && !known {
			http.Error(w, "no such session", http.StatusNotFound)
			return
		}
		if r.Method == http.MethodGet {
			w.Header().Set("Content-Type", "text/event-stream")
			flushed(w, ": open\n\n")
			<-r.Context().Done()
			return
		}
		var m struct {
			ID     json.RawMessage
			Method string
			Params struct {
				Name      string
				Arguments struct {
					Nonce  string
					Stream bool
				}
			}
		}
		body, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(body, &m)
		result := `{"tools":[{"name":"echo","inputSchema":{"type":"object"}},{"name":"secret","inputSchema":{"type":"object"}}]}`
		switch m.Method {
		case "initialize":
			id := rand.Text()
			mu.Lock()
			sessions[id] = true
			mu.Unlock()
			w.Header().Set("Mcp-Session-Id", id)
			result = `{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"echo","version":"1"}}`
		case "tools/call":
			text, _ := json.Marshal(m.Params.Name + " " + m.Params.Arguments.Nonce + " for " + subjectOf(r.Header.Get("Doorward-Caller")))
			result = `{"content":[{"type":"text","text":` + string(text) + `}]}`
		}
		answer := fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":%s}`, m.ID, result)
		if m.Params.Arguments.Stream {
			w.Header().Set("Content-Type", "text/event-stream")
			flushed(w, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":1}}\n\n")
			flushed(w, "data: "+answer+"\n\n")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answer)
	}))
	fmt.Fprintln(os.Stderr, "echo:", err)
	os.Exit(1)
}

// subjectOf is the sub of a JWT, unverified.
func subjectOf(raw string) string {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return ""
	}
	text, _ := base64.RawURLEncoding.DecodeString(parts[1])
	var c struct{ Sub string }
	_ = json.Unmarshal(text, &c)
	return c.Sub
}

const soakFile = `public_url: http://127.0.0.1:$PORT
listen: 127.0.0.1:$PORT
operations:
  listen: 127.0.0.1:$OPERATIONS
data: $DIR/data
policy: scopes-only
registration:
  mode: open
lifetimes:
  access_token: 2h
servers:
  many:
    path: /many
    urls: [$ONE, $TWO]
    scopes:
      - {name: use, sentence: Use it}
      - {name: more, sentence: Use all of it}
    initial: [use]
    needs:
      - {tools: [secret], scopes: [more]}
  other:
    path: /other
    demo: true
  local:
    path: /local
    command: [stdioserver]
`

// soaked is one person with a token for each server, one of which has less scope.
type soaked struct {
	t                        *testing.T
	s                        *server
	app                      *app
	sub                      string
	many, weak, other, local string
	refresh                  string
	faults, good             *atomic.Int64
	foreign                  string
}

// An hour of everything at once (five minutes in CI, seconds in make test): calls of every kind by several people while the
// configuration changes, keys are rotated and upstreams die and come back. No verdict is wrong, no answer lost or crossed, and
// memory stays flat.
func TestSoak(t *testing.T) {
	if os.Getenv("DOORWARD_SOAK") == "" && testing.Short() {
		t.Skip("a short run was asked for")
	}
	long := 6 * time.Second
	if text := os.Getenv("DOORWARD_SOAK"); text != "" {
		var err error
		if long, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	one, two, operations := freePort(t), freePort(t), freePort(t)
	ups := []*echo{startEcho(t, one), startEcho(t, two)}
	s := protectFile(t, strings.NewReplacer("$OPERATIONS", operations, "$ONE", "http://127.0.0.1:"+one+"/mcp", "$TWO", "http://127.0.0.1:"+two+"/mcp").Replace(soakFile))
	var faults, good atomic.Int64
	var all []*soaked
	for i := range 6 {
		all = append(all, s.soaks(t, fmt.Sprintf("person%d", i), &faults, &good))
	}
	end := make(chan struct{})
	var workers sync.WaitGroup
	for i, p := range all {
		p.foreign = all[(i+1)%len(all)].weak
		workers.Go(func() { p.work(end) })
	}
	var chaos sync.WaitGroup
	chaos.Go(func() { s.changes(t, long, end) })
	chaos.Go(func() { restarts(t, ups, long, end) })
	chaos.Go(func() { s.rotates(t, long, end) })

	time.Sleep(long / 2)
	half := measured(t, operations)
	time.Sleep(long / 2)
	close(end)
	workers.Wait()
	chaos.Wait()
	last := measured(t, operations)
	t.Logf("%s: %d good answers, %d while an upstream was down; %s, then %s", long, good.Load(), faults.Load(), half, last)
	if good.Load() < 100 || faults.Load()*10 > good.Load() {
		t.Errorf("%d good answers, %d faults", good.Load(), faults.Load())
	}
	if long >= time.Minute && (last.resident > half.resident*5/4+16<<20 || last.goroutines > half.goroutines*3/2+50) {
		t.Errorf("memory is not flat: %s, then %s", half, last)
	}
}

// soaks makes a person with tokens.
func (s *server) soaks(t *testing.T, name string, faults, good *atomic.Int64) *soaked {
	t.Helper()
	b := s.browser()
	b.signInBy(s.admin("user", "add", name)["sign_in_link"])
	p := &soaked{t: t, s: s, app: s.app(), faults: faults, good: good}
	token := func(server, scope string) tokens {
		resource := s.ready.Resources[server]
		return p.app.redeem(p.app.again().code(b, "resource", resource, "scope", scope), "resource", resource).tokens(t)
	}
	many := token("many", "use more")
	p.many, p.refresh, p.weak, p.other, p.local = many.Access, many.Refresh, token("many", "use").Access, token("other", "mcp").Access, token("local", "mcp").Access
	p.sub = subjectOf(p.many)
	return p
}

// work does one thing after the other until end is closed.
func (p *soaked) work(end <-chan struct{}) {
	acts := []func(nonce string){p.calls, p.calls, p.calls, p.streams, p.lacks, p.lists, p.crosses, p.sessions, p.calledLocally, p.calledOther, p.forges, p.refreshes}
	for {
		select {
		case <-end:
			return
		default:
			acts[mathrand.IntN(len(acts))](rand.Text())
		}
	}
}

// ask sends one message. status 0: the connection broke.
func (p *soaked) ask(server, token, method, body string, header ...string) (status int, h http.Header, text string) {
	r, err := http.NewRequest(method, p.s.ready.Resources[server], strings.NewReader(body))
	if err != nil {
		p.t.Error(err)
		return 0, nil, ""
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Accept", "application/json, text/event-stream")
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, nil, err.Error()
	}
	return res.StatusCode, res.Header, string(b)
}

// wants holds an answer against what it must be. The pool's upstreams die and come back: what they could not answer is said
// so, and counted.
func (p *soaked) wants(what string, down bool, status int, text string, want int, holds ...string) {
	if down && (status == 0 || status == http.StatusBadGateway && strings.Contains(text, "upstream.") || status == http.StatusNotFound) {
		p.faults.Add(1)
		return
	}
	if status != want {
		p.t.Errorf("%s: %d, not %d: %.300s", what, status, want, text)
		return
	}
	for _, h := range holds {
		if !strings.Contains(text, h) {
			p.t.Errorf("%s: no %q in %.300s", what, h, text)
		}
	}
	p.good.Add(1)
}

func (p *soaked) calls(nonce string) {
	status, _, text := p.ask("many", p.many, "POST", callBody("echo", `{"nonce":"`+nonce+`"}`), callHeaders("echo")...)
	p.wants("a call", true, status, text, 200, "echo "+nonce+" for "+p.sub+`"`)
}

func (p *soaked) streams(nonce string) {
	status, _, text := p.ask("many", p.many, "POST", callBody("secret", `{"stream":true,"nonce":"`+nonce+`"}`), callHeaders("secret")...)
	p.wants("a stream", true, status, text, 200, "notifications/message", "secret "+nonce+" for "+p.sub+`"`)
}

func (p *soaked) lacks(nonce string) {
	status, h, text := p.ask("many", p.weak, "POST", callBody("secret", `{"nonce":"`+nonce+`"}`), callHeaders("secret")...)
	p.wants("a call without scope", false, status, text+h.Get("Www-Authenticate"), 403, `scope="more"`, "insufficient_scope")
}

func (p *soaked) lists(string) {
	body := strings.Replace(callBody("x", "{}"), "tools/call", "tools/list", 1)
	header := []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/list"}
	status, _, text := p.ask("many", p.weak, "POST", body, header...)
	p.wants("a list", true, status, text, 200, `"echo"`, `"cacheScope":"private"`)
	if strings.Contains(text, `"secret"`) {
		p.t.Errorf("a list shows what may not be called: %s", text)
	}
	status, _, text = p.ask("many", p.many, "POST", body, header...)
	p.wants("a whole list", true, status, text, 200, `"echo"`, `"secret"`)
}

func (p *soaked) crosses(string) {
	status, _, text := p.ask("other", p.many, "POST", callBody("whoami", `{}`), callHeaders("whoami")...)
	p.wants("a token of another server", false, status, text, 401, "invalid_token")
}

func (p *soaked) forges(string) {
	cut := strings.LastIndexByte(p.many, '.') + 1
	status, _, text := p.ask("many", p.many[:cut]+strings.Repeat("A", len(p.many)-cut), "POST", callBody("echo", `{}`), callHeaders("echo")...)
	p.wants("a forged token", false, status, text, 401, "invalid_token")
}

func (p *soaked) refreshes(nonce string) {
	got := p.app.refresh(p.refresh, "resource", p.s.ready.Resources["many"])
	p.wants("a refresh", false, got.StatusCode, got.body, 200, "access_token")
	if got.StatusCode == 200 {
		now := got.tokens(p.t)
		p.many, p.refresh = now.Access, now.Refresh
		p.calls(nonce)
	}
}

func (p *soaked) calledOther(string) {
	status, _, text := p.ask("other", p.other, "POST", callBody("whoami", `{}`), callHeaders("whoami")...)
	p.wants("the demo", false, status, text, 200, p.sub)
}

func (p *soaked) calledLocally(string) {
	status, _, text := p.ask("local", p.local, "POST", callBody("whoami", `{}`), callHeaders("whoami")...)
	p.wants("a process", false, status, text, 200, p.sub)
}

// sessions begins a session, calls in it, has somebody else try it, and ends it.
func (p *soaked) sessions(nonce string) {
	revision := []string{"Mcp-Protocol-Version", "2025-11-25"}
	status, h, text := p.ask("many", p.many, "POST", `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`, revision...)
	p.wants("initialize", true, status, text, 200, "serverInfo")
	if status != 200 {
		return
	}
	in := append(revision, "Mcp-Session-Id", h.Get("Mcp-Session-Id"))
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"nonce":"` + nonce + `"}}}`
	status, _, text = p.ask("many", p.many, "POST", body, in...)
	p.wants("a call in a session", true, status, text, 200, "echo "+nonce+" for "+p.sub+`"`)
	status, _, text = p.ask("many", p.foreign, "POST", body, in...)
	p.wants("a session of somebody else", false, status, text, 404, "there is no such session")
	status, _, text = p.ask("many", p.many, "DELETE", "", in...)
	p.wants("the end of a session", true, status, text, 200)
}

// echo is one upstream, which dies and comes back at the same address.
type echo struct {
	address string
	command *exec.Cmd
}

func startEcho(t *testing.T, port string) *echo {
	t.Helper()
	e := &echo{address: "127.0.0.1:" + port}
	e.start(t)
	t.Cleanup(func() { _ = e.command.Process.Kill(); _ = e.command.Wait() })
	return e
}

func (e *echo) start(t *testing.T) {
	e.command = exec.Command("echoserver", e.address)
	if err := e.command.Start(); err != nil {
		t.Error(err)
		return
	}
	for range 200 {
		if c, err := net.Dial("tcp", e.address); err == nil {
			_ = c.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("an upstream does not come back at %s", e.address)
}

// often calls act about n times in d, until end is closed.
func often(n int, d time.Duration, end <-chan struct{}, act func(i int)) {
	for i := 0; ; i++ {
		select {
		case <-end:
			return
		case <-time.After(max(d/time.Duration(n), time.Second)):
			act(i)
		}
	}
}

func restarts(t *testing.T, ups []*echo, long time.Duration, end <-chan struct{}) {
	often(int(long/(15*time.Second))+3, long, end, func(i int) {
		e := ups[i%len(ups)]
		_ = e.command.Process.Kill()
		_ = e.command.Wait()
		time.Sleep(300 * time.Millisecond)
		e.start(t)
	})
}

func (s *server) rotates(t *testing.T, long time.Duration, end <-chan struct{}) {
	often(5, long, end, func(int) {
		c := exec.Command("doorward", "admin", "--data", s.ready.Data, "keys", "rotate")
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("rotating keys: %v %s", err, out)
		}
	})
}

// changes has the configuration be another one, and then the first again.
func (s *server) changes(t *testing.T, long time.Duration, end <-chan struct{}) {
	file := s.args[len(s.args)-1]
	first, err := os.ReadFile(file)
	if err != nil {
		t.Error(err)
		return
	}
	often(int(long/(10*time.Second))+4, long, end, func(i int) {
		text := first
		if i%2 == 0 {
			text = append(bytes.Clone(first), "  more:\n    path: /more\n    demo: true\n"...)
		}
		before := strings.Count(s.stderr.String(), "the configuration is in use")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Error(err)
		}
		_ = s.command.Process.Signal(syscall.SIGHUP)
		for range 500 {
			if strings.Count(s.stderr.String(), "the configuration is in use") > before {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Errorf("a changed configuration is not taken\n%s", s.stderr)
	})
}

// size is what a process takes.
type size struct{ resident, goroutines int64 }

func (s size) String() string {
	return fmt.Sprintf("%d MB and %d goroutines", s.resident>>20, s.goroutines)
}

func measured(t *testing.T, operations string) size {
	t.Helper()
	metrics := fetched(t, "http://127.0.0.1:"+operations+"/metrics").body
	read := func(name string) int64 {
		m := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindStringSubmatch(metrics)
		if m == nil {
			t.Fatalf("there is no %s", name)
		}
		v, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		return int64(v)
	}
	return size{read("process_resident_memory_bytes"), read("go_goroutines")}
}
