package stdio_test

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	wire "github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/stdio"
)

// tries has the server try something, and gives what became of it.
func (k *kit) tries(t *testing.T, what, path string) string {
	t.Helper()
	params := `{"what":"` + what + `","path":"` + path + `",` + tokened[1:]
	_, _, body := k.do(t, who("ada"), "POST", "", wire.V20260728, call("1", "x/try", params))
	var r struct{ Result string }
	if err := json.Unmarshal([]byte(body), &r); err != nil || r.Result == "" {
		log, _ := k.log.now()
		t.Fatalf("%s: %v\n%s", body, err, log)
	}
	return r.Result
}

// sandboxed is a server in a sandbox; a test is skipped where there is no Landlock of a version without holes.
func sandboxed(t *testing.T, box stdio.Sandbox) *kit {
	t.Helper()
	k := start(t, "scripted").on(func(p *stdio.Pool) { p.Confine.Sandbox = &box })
	if err := k.Check(); errors.Is(err, stdio.ErrUnconfined) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestASandbox(t *testing.T) {
	outside, read, write := t.TempDir(), t.TempDir(), t.TempDir()
	for _, dir := range []string{outside, read, write} {
		if err := os.WriteFile(filepath.Join(dir, "f"), []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(outside, "f"), filepath.Join(write, "link")); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(write, "socket")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	k := sandboxed(t, stdio.Sandbox{Read: []string{read}, Write: []string{write}})
	for _, c := range []struct {
		what, path string
		ok         bool
	}{
		{"read", outside + "/f", false}, {"write", outside + "/f", false}, {"write", outside + "/new", false}, {"truncate", outside + "/f", false},
		{"read", write + "/link", false}, {"read", write + "/../" + filepath.Base(outside) + "/f", false},
		{"read", read + "/f", true}, {"write", read + "/f", false}, {"truncate", read + "/f", false}, {"write", read + "/new", false},
		{"read", write + "/f", true}, {"write", write + "/f", true}, {"write", write + "/new", true},
		{"read", "/proc/" + strconv.Itoa(os.Getpid()) + "/environ", false}, {"read", "/etc/shadow", false}, {"read", "/etc/passwd", true},
		{"write", "/dev/null", true}, {"execute", "/bin/true", true}, {"execute", outside + "/f", false},
		{"connect", socket, false}, {"listen", "", false}, {"datagram", "", false}, {"chown", write + "/f", false},
	} {
		if got := k.tries(t, c.what, c.path); (got == "done") != c.ok {
			t.Errorf("%s %s: %s", c.what, c.path, got)
		}
	}
	if b, err := os.ReadFile(outside + "/f"); err != nil || string(b) != "secret" {
		t.Errorf("outside: %q, %v", b, err)
	}
}

func TestTheSandboxesNetwork(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	for network, c := range map[string]struct{ internet, unix bool }{stdio.NetworkNone: {}, stdio.NetworkInternet: {true, false}, stdio.NetworkAll: {true, true}} {
		k := sandboxed(t, stdio.Sandbox{Network: network})
		if got := k.tries(t, "listen", ""); (got == "done") != c.internet {
			t.Errorf("%s: listening: %s", network, got)
		}
		if got := k.tries(t, "connect", socket); (got == "done") != c.unix {
			t.Errorf("%s: a Unix socket: %s", network, got)
		}
	}
}

// Nobody else loses what a process loses: neither we nor the processes of other pools.
func TestASandboxIsOfOnePool(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if got := sandboxed(t, stdio.Sandbox{}).tries(t, "write", file); got == "done" {
		t.Error("written from inside")
	}
	for range 20 { // threads come and go
		done := make(chan error)
		go func() { done <- os.WriteFile(file, []byte("x"), 0o600) }()
		if err := <-done; err != nil {
			t.Fatalf("we cannot write any more: %v", err)
		}
	}
	if got := start(t, "scripted").tries(t, "write", file); got != "done" {
		t.Errorf("another pool: %s", got)
	}
}

// Whatever is configured, a process cannot gain privileges, and opens no more files than it may.
func TestEveryProcessIsWithoutNewPrivileges(t *testing.T) {
	k := start(t, "scripted").on(func(p *stdio.Pool) { p.Files = 99 })
	if got := k.tries(t, "status", ""); !strings.Contains(got, "NoNewPrivs:\t1") {
		t.Errorf("%s", got)
	}
	if got := k.tries(t, "who", ""); !strings.Contains(got, "files 99") {
		t.Errorf("%s", got)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil || strings.Contains(string(status), "NoNewPrivs:\t1") {
		t.Errorf("we have lost privileges too: %v", err)
	}
}

// A process runs as somebody else where root says so; who is not root is told that it cannot be.
func TestAnotherUser(t *testing.T) {
	k := start(t, "scripted").on(func(p *stdio.Pool) { p.Confine.User, p.Files, p.Processes = "65534", 77, 9 })
	err := k.Check()
	if os.Geteuid() != 0 {
		if !errors.Is(err, stdio.ErrUnconfined) {
			t.Errorf("not root: %v", err)
		}
		if status, _, _ := k.post(t, who("ada"), "", initialize); status != 502 {
			t.Errorf("it ran: %d", status)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	reachable(t, k)
	ours := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(ours, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := k.tries(t, "who", ""); !strings.Contains(got, "uid 65534 gid 65534") || !strings.HasSuffix(got, "files 77") || strings.Contains(got, "home "+os.Getenv("HOME")+" ") {
		t.Errorf("%s", got)
	}
	for _, what := range []string{"read", "chown", "signal"} {
		if got := k.tries(t, what, ours); got == "done" {
			t.Errorf("%s was done", what)
		}
	}
}

// reachable puts the program where everybody may run it.
func reachable(t *testing.T, k *kit) {
	t.Helper()
	dir, err := os.MkdirTemp("", "stdio")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	b, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "server")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(program, b, 0o755)); err != nil {
		t.Fatal(err)
	}
	k.Command = []string{program}
}

func TestWhatCannotBeConfinedIsRefused(t *testing.T) {
	data := t.TempDir()
	inside := filepath.Join(data, "inside")
	link := filepath.Join(t.TempDir(), "link")
	if err := errors.Join(os.Mkdir(inside, 0o700), os.Symlink(data, link)); err != nil {
		t.Fatal(err)
	}
	sandboxed(t, stdio.Sandbox{})
	for name, c := range map[string]stdio.Confinement{
		"a path that is not there": {Sandbox: &stdio.Sandbox{Read: []string{"/there/is/nothing"}}},
		"our data":                 {Sandbox: &stdio.Sandbox{Read: []string{data}}},
		"around our data":          {Sandbox: &stdio.Sandbox{Write: []string{filepath.Dir(data)}}},
		"inside our data":          {Sandbox: &stdio.Sandbox{Write: []string{inside}}},
		"a link to our data":       {Sandbox: &stdio.Sandbox{Read: []string{link}}},
		"a network that is none":   {Sandbox: &stdio.Sandbox{Network: "some"}},
		"a user who is not there":  {User: "nobody-of-that-name"},
	} {
		if err := c.Check(data); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if err := (stdio.Confinement{Sandbox: &stdio.Sandbox{}}).Check("/usr/lib/doorward"); err == nil {
		t.Error("data among the system's programs is taken")
	}
	if err := (stdio.Confinement{Sandbox: &stdio.Sandbox{Read: []string{t.TempDir()}}}).Check(data, filepath.Join(data, "later")); err != nil {
		t.Error(err)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	k := start(t, "scripted").on(func(p *stdio.Pool) { p.Memory = 200 })
	status, _, body := k.do(t, who("ada"), "POST", "", wire.V20260728, call("1", "x/eat", `{"n":5000,`+tokened[1:]))
	if status != 200 || !strings.Contains(body, "more memory than it may") {
		t.Errorf("%d %s", status, body)
	}
	k.log.wait(t, "more memory than it may", 1)
	if _, _, body := k.do(t, who("ada"), "POST", "", wire.V20260728, call("1", "x/eat", `{"n":10,`+tokened[1:])); !strings.Contains(body, `"result":10`) {
		t.Errorf("a little: %s", body)
	}
}

func TestProcessesAreBounded(t *testing.T) {
	t.Parallel()
	k := start(t, "scripted").on(func(p *stdio.Pool) { p.Processes = 5 })
	_, _, body := k.do(t, who("ada"), "POST", "", wire.V20260728, call("1", "x/spawn", `{"n":8,`+tokened[1:]))
	if !strings.Contains(body, "more processes than it may") {
		t.Errorf("%s", body)
	}
	_, _, body = k.do(t, who("ada"), "POST", "", wire.V20260728, call("1", "x/spawn", `{"n":3,`+tokened[1:]))
	if !strings.Contains(body, `"result":"spawned"`) {
		t.Errorf("a few: %s", body)
	}
}
