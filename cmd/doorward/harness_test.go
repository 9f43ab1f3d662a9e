package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/doorward-mcp/doorward/oauth"
)

// TestMain makes the program itself a command of the tests: scripts and attacks run the built binary.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"doorward":    main,
		"person":      personMain,
		"upstream":    upstreamMain,
		"tofile":      toFile,
		"stdioserver": stdioServerMain,
		"echoserver":  echoMain,
	})
}

// server is a running doorward, reached over TCP like any other.
type server struct {
	t       testing.TB
	ready   ready
	command *exec.Cmd
	stderr  *lockedBuffer
	args    []string
	env     []string // besides the test's own: what it was first started with
	program string   // empty: doorward
}

// lockedBuffer is what a process writes, readable while it runs.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// freePort is a port of loopback that nobody listens on.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// protect starts `doorward protect` with args on a free port and in a fresh data directory.
func protect(t testing.TB, args ...string) *server {
	t.Helper()
	s := &server{t: t, args: append([]string{"--output", "json", "protect", "--listen", "127.0.0.1:" + freePort(t), "--data", filepath.Join(t.TempDir(), "data")}, args...)}
	s.start()
	t.Cleanup(func() { s.stop() })
	return s
}

func (s *server) start(env ...string) {
	s.t.Helper()
	if !s.tryStart(env...) {
		_ = s.command.Wait()
		s.t.Fatalf("doorward did not start\n%s", s.stderr)
	}
}

// tryStart reports whether the process came so far as to say that it serves.
func (s *server) tryStart(env ...string) bool {
	s.t.Helper()
	program := s.program
	if program == "" {
		program = "doorward"
	}
	if len(env) > 0 {
		s.env = env
	}
	s.command = exec.Command(program, s.args...)
	s.command.Env = append(append(os.Environ(), "GORACE=atexit_sleep_ms=0"), s.env...) // or every end takes a second longer
	s.stderr = &lockedBuffer{}
	s.command.Stderr = s.stderr
	out, err := s.command.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.command.Start(); err != nil {
		s.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	return err == nil && json.Unmarshal(line, &s.ready) == nil
}

// stop ends the process as a person would, and fails the test if it did not end well.
func (s *server) stop() {
	if s.command == nil {
		return
	}
	_ = s.command.Process.Signal(os.Interrupt)
	if err := s.command.Wait(); err != nil {
		s.t.Errorf("doorward ended with %v\n%s", err, s.stderr)
	}
	s.command = nil
	s.leaks()
}

// kill ends the process as a power cut does; one that has died is only waited for.
func (s *server) kill() {
	_ = s.command.Process.Kill()
	_ = s.command.Wait()
	s.command = nil
}

// restart ends the process and starts it again with the same arguments.
func (s *server) restart() {
	s.t.Helper()
	s.stop()
	s.start()
}

// browser is a person's browser without JavaScript: it keeps cookies and follows nothing by itself.
type browser struct {
	t      testing.TB
	server *server
	http   *http.Client
}

func (s *server) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &browser{s.t, s, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// answer is a response that has been read.
type answer struct {
	*http.Response
	body string
}

func (a answer) json(t testing.TB) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%s: not JSON: %s", a.Status, a.body)
	}
	return v
}

func (b *browser) do(r *http.Request) answer {
	b.t.Helper()
	return do(b.t, b.http, r)
}

func do(t testing.TB, c *http.Client, r *http.Request) answer {
	t.Helper()
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res, string(body)}
}

func request(t testing.TB, method, address, body string, header ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func (b *browser) get(address string) answer {
	b.t.Helper()
	return b.do(request(b.t, "GET", b.server.at(address), ""))
}

// post sends a form as the page at our own origin does.
func (b *browser) post(path string, form url.Values) answer {
	b.t.Helper()
	return b.do(request(b.t, "POST", b.server.at(path), form.Encode(),
		"Content-Type", "application/x-www-form-urlencoded", "Origin", b.server.ready.Issuer, "Sec-Fetch-Site", "same-origin"))
}

// at is an address of the server; one that is whole is left as it is.
func (s *server) at(address string) string {
	if strings.HasPrefix(address, "/") {
		return s.ready.Issuer + address
	}
	return address
}

// signIn signs in with the one-time link.
func (b *browser) signIn() {
	b.t.Helper()
	if a := b.post(strings.TrimPrefix(b.server.ready.Link, b.server.ready.Issuer), nil); a.StatusCode != http.StatusSeeOther {
		b.t.Fatalf("signing in by link: %s\n%s", a.Status, a.body)
	}
}

// follow follows redirects inside the server and stops at a page, or at an address elsewhere.
func (b *browser) follow(address string) answer {
	b.t.Helper()
	for range 10 {
		a := b.get(address)
		to, err := a.Location()
		if err != nil || to.Host != a.Request.URL.Host {
			return a
		}
		address = to.String()
	}
	b.t.Fatal("the pages redirect without end")
	return answer{}
}

// app is a client: what it registered, and what it keeps between its requests.
type app struct {
	t        testing.TB
	server   *server
	ID       string
	Secret   string
	Redirect string
	Verifier string
	State    string
}

const callback = "http://127.0.0.1:7777/callback"

// register registers a client dynamically.
func (s *server) register(metadata string) *app {
	s.t.Helper()
	a := do(s.t, http.DefaultClient, request(s.t, "POST", s.at("/register"), metadata, "Content-Type", "application/json"))
	if a.StatusCode != http.StatusCreated {
		s.t.Fatalf("registering: %s %s", a.Status, a.body)
	}
	var m struct {
		ID        string   `json:"client_id"`
		Secret    string   `json:"client_secret"`
		Redirects []string `json:"redirect_uris"`
	}
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		s.t.Fatal(err)
	}
	return &app{s.t, s, m.ID, m.Secret, m.Redirects[0], oauth.NewVerifier(), rand.Text()}
}

// app registers a client of the usual kind: public, on loopback.
func (s *server) app() *app {
	s.t.Helper()
	return s.register(`{"client_name":"Test app","redirect_uris":["` + callback + `"]}`)
}

// authorizeURL is the authorization request; changes are pairs of name and value, an empty value leaves the member out.
func (a *app) authorizeURL(changes ...string) string {
	q := url.Values{"response_type": {"code"}, "client_id": {a.ID}, "redirect_uri": {a.Redirect}, "state": {a.State},
		"code_challenge": {oauth.S256(a.Verifier)}, "code_challenge_method": {"S256"}, "resource": {a.server.ready.Resource}}
	for i := 0; i+1 < len(changes); i += 2 {
		if q.Del(changes[i]); changes[i+1] != "" {
			q.Set(changes[i], changes[i+1])
		}
	}
	return a.server.at("/authorize?" + q.Encode())
}

// code has the person of b allow what is asked, and gives the code.
func (a *app) code(b *browser, changes ...string) string {
	a.t.Helper()
	q := a.allowed(b, changes...)
	if q.Get("state") != a.State || q.Get("iss") != a.server.ready.Issuer || q.Get("code") == "" {
		a.t.Fatalf("the answer at the callback: %v", q)
	}
	return q.Get("code")
}

// allowed has the person of b press Allow where it is asked for, and gives what arrives at the callback.
func (a *app) allowed(b *browser, changes ...string) url.Values {
	a.t.Helper()
	page := b.follow(a.authorizeURL(changes...))
	if page.Request.URL.Path == "/consent" {
		page = b.post("/consent", url.Values{"pending": {page.Request.URL.Query().Get("pending")}, "decision": {"allow"}})
		if to, err := page.Location(); err == nil {
			page = b.follow(to.String())
		}
	}
	to, err := page.Location()
	if err != nil || !strings.HasPrefix(to.String(), a.Redirect) {
		a.t.Fatalf("no way back to the client: %s at %s, to %v\n%s", page.Status, page.Request.URL, to, page.body)
	}
	return to.Query()
}

// token asks the token endpoint; changes as in authorizeURL.
func (a *app) token(form url.Values, changes ...string) answer {
	a.t.Helper()
	form.Set("client_id", a.ID)
	if a.Secret != "" {
		form.Set("client_secret", a.Secret)
	}
	for i := 0; i+1 < len(changes); i += 2 {
		if form.Del(changes[i]); changes[i+1] != "" {
			form.Set(changes[i], changes[i+1])
		}
	}
	return do(a.t, http.DefaultClient, request(a.t, "POST", a.server.at("/token"), form.Encode(), "Content-Type", "application/x-www-form-urlencoded"))
}

func (a *app) redeem(code string, changes ...string) answer {
	a.t.Helper()
	return a.token(url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {a.Redirect}, "code_verifier": {a.Verifier}, "resource": {a.server.ready.Resource}}, changes...)
}

func (a *app) refresh(token string, changes ...string) answer {
	a.t.Helper()
	return a.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "resource": {a.server.ready.Resource}}, changes...)
}

// tokens are what a good answer of the token endpoint holds.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Scope   string `json:"scope"`
	Type    string `json:"token_type"`
	Life    int    `json:"expires_in"`
}

func (a answer) tokens(t testing.TB) tokens {
	t.Helper()
	var v tokens
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || a.StatusCode != http.StatusOK || v.Access == "" || v.Refresh == "" {
		t.Fatalf("no tokens: %s %s", a.Status, a.body)
	}
	return v
}

// connect signs the person of a fresh browser in and gives an app with its tokens.
func (s *server) connect() (*app, tokens) {
	s.t.Helper()
	b := s.browser()
	b.signIn()
	a := s.app()
	return a, a.redeem(a.code(b)).tokens(s.t)
}

// call sends one tools/call of 2026-07-28, which needs no session.
func (s *server) call(token, tool, arguments string, header ...string) answer {
	s.t.Helper()
	return s.send(token, callBody(tool, arguments), append(callHeaders(tool), header...)...)
}

func callBody(tool, arguments string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":%s,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"test","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`, tool, arguments)
}

func callHeaders(tool string) []string {
	return []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", tool}
}

// send posts a message to the protected address.
func (s *server) send(token, body string, header ...string) answer {
	s.t.Helper()
	r := request(s.t, "POST", s.ready.Resource, body, append([]string{"Content-Type", "application/json", "Accept", "application/json, text/event-stream"}, header...)...)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return do(s.t, http.DefaultClient, r)
}

// wants fails unless an answer is an error with this status, code and reason (of the audit log's last refusal).
func (a answer) wants(t testing.TB, status int, code string) {
	t.Helper()
	if a.StatusCode != status {
		t.Errorf("%s, want %d\n%s", a.Status, status, a.body)
		return
	}
	if got := a.json(t)["error"]; code != "" && got != code {
		t.Errorf("error %v, want %q\n%s", got, code, a.body)
	}
}

// eventually waits for what another process does.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatal("not within 20 s: " + what)
}

// personMain is a command of scripts: it plays the person whom `doorward call --no-browser` sends to an address. It reads
// the address from the file that it is given, signs in with user name and password, and allows.
func personMain() {
	if err := playPerson(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "person:", err)
		os.Exit(1)
	}
}

func playPerson(args []string) error {
	if len(args) != 3 {
		return errors.New("usage: person FILE USERNAME PASSWORD")
	}
	var address string
	for end := time.Now().Add(30 * time.Second); address == ""; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			return errors.New("no sign-in address was printed")
		}
		text, _ := os.ReadFile(args[0])
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "http") && strings.HasSuffix(line, "\n") {
				address = strings.TrimSpace(line)
			}
		}
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	c := &http.Client{Jar: jar}
	page, err := c.Get(address)
	if err != nil {
		return err
	}
	for _, form := range []url.Values{{"username": {args[1]}, "password": {args[2]}}, {"decision": {"allow"}}} {
		_ = page.Body.Close()
		form.Set("pending", page.Request.URL.Query().Get("pending"))
		if page, err = c.PostForm(page.Request.URL.String(), form); err != nil {
			return err
		}
	}
	defer func() { _ = page.Body.Close() }()
	if page.StatusCode != http.StatusOK || page.Request.URL.Path != "/callback" {
		body, _ := io.ReadAll(page.Body)
		return fmt.Errorf("ended at %s: %s\n%s", page.Request.URL, page.Status, body)
	}
	return nil
}
