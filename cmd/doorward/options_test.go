package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ran is a command's exit status and what it printed.
func ran(t testing.TB, args ...string) (status int, out, said string) {
	t.Helper()
	return ranTo(t, nil, args...)
}

func ranTo(t testing.TB, to io.Writer, args ...string) (status int, out, said string) {
	t.Helper()
	c := exec.Command("doorward", args...)
	c.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", "XDG_DATA_HOME="+t.TempDir())
	var o, e strings.Builder
	c.Stdout, c.Stderr = &o, &e
	if to != nil {
		c.Stdout = to
	}
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), o.String(), e.String()
}

// The exit statuses: 0 yes, 1 no, 2 usage, 3 sign-in, 4 unreachable, 70 our fault.
func TestExitStatus(t *testing.T) {
	s := protect(t)
	nobody := "http://127.0.0.1:" + freePort(t) + "/mcp"
	exits := func(name string, want int, says string, args ...string) {
		as(t, s, name, func(t *testing.T) {
			status, out, said := ran(t, args...)
			if status != want || !strings.Contains(out+said, says) {
				t.Errorf("doorward %s: status %d, want %d\n%s%s", strings.Join(args, " "), status, want, out, said)
			}
		})
	}
	exits("version", 0, "doorward ", "version")
	for _, verb := range [][]string{{}, {"protect"}, {"call"}, {"tools"}, {"admin"}, {"admin", "link"}, {"admin", "user", "add"}, {"admin", "keys", "rotate"}, {"version"}} {
		exits("help of "+strings.Join(verb, " "), 0, "Usage: doorward", append(verb, "--help")...)
	}
	exits("no", 1, "there is no person nobody here", "admin", "link", "nobody", "--data", s.ready.Data)
	exits("an unknown flag", 2, "no-such-flag", "protect", "--no-such-flag")
	exits("an unknown verb", 2, "Try doorward --help", "frobnicate")
	exits("an unknown output", 2, "--output", "--output", "xml", "version")
	exits("a taken port", 2, "is taken by another program", "protect", "--listen", strings.TrimPrefix(s.ready.Issuer, "http://"))
	exits("no address", 2, "", "call", "nonsense", "whoami")
	exits("a secret on the command line", 2, "must be a reference", "call", "--no-browser", "--client-id", "x", "--client-secret", "plain", s.ready.Resource, "whoami")
	exits("nobody signs in", 3, "", "call", "--no-browser", "--no-keychain", "--timeout", "300ms", s.ready.Resource, "whoami")
	exits("nobody answers", 4, "does not answer", "call", "--no-browser", "--no-keychain", nobody, "whoami")
	exits("nothing runs", 4, "nothing runs with this data directory", "admin", "link", "--data", filepath.Join(t.TempDir(), "none"))
	as(t, s, "our fault", func(t *testing.T) {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Skip("no device here that fails to write")
		}
		defer func() { _ = full.Close() }()
		if status, _, said := ranTo(t, full, "version"); status != 70 {
			t.Errorf("status %d\n%s", status, said)
		}
	})
}

// What is no MCP server is called that, with the next step.
func TestAnAddressThatIsNoMCPServer(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"a web page": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<h1>hello</h1>")
		},
		"not found": http.NotFound,
		"other JSON": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"hello":"world"}`)
		},
		"a bare 401":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) },
		"an empty 200": func(http.ResponseWriter, *http.Request) {},
	} {
		t.Run(name, func(t *testing.T) {
			web := httptest.NewServer(h)
			defer web.Close()
			status, _, said := ran(t, "call", "--no-browser", "--no-keychain", "--timeout", "5s", web.URL+"/mcp", "whoami")
			if status == 0 || status == 70 || !strings.Contains(said, web.URL) || name != "a bare 401" && !strings.Contains(said, "is its address right? Most end in /mcp") {
				t.Errorf("status %d: %s", status, said)
			}
		})
	}
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "text/html") }))
	defer up.Close()
	s := protect(t, up.URL)
	eventually(t, "protect says that the upstream is a web page", func() bool {
		return strings.Contains(s.stderr.String(), "answers with a web page, so it is no MCP server")
	})
}

// --output json: one line as soon as it serves, with these members, and nothing else on standard output.
func TestTheReadyLine(t *testing.T) {
	listen, dir := "127.0.0.1:"+freePort(t), filepath.Join(t.TempDir(), "data")
	c := exec.Command("doorward", "protect", "--output", "json", "--listen", listen, "--data", dir)
	c.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if res, err := http.Get("http://" + listen + "/.well-known/oauth-protected-resource"); err != nil || res.StatusCode != 200 {
		t.Errorf("it does not serve yet: %v", err)
	}
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(lines)
	if err := errors.Join(err, c.Wait()); err != nil || len(rest) > 0 {
		t.Errorf("then %q, %v", rest, err)
	}
	var m map[string]string
	if err := json.Unmarshal([]byte(line), &m); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	for name, want := range map[string]string{"resource": "http://" + listen + "/mcp", "issuer": "http://" + listen, "username": "admin", "data": dir} {
		if m[name] != want {
			t.Errorf("%s is %q, want %q", name, m[name], want)
		}
	}
	if len(m) != 6 || len(m["password"]) < 20 || !strings.HasPrefix(m["sign_in_link"], "http://"+listen+"/link/") {
		t.Errorf("%s", line)
	}
}

// --print-config prints what serve will read, and does nothing.
func TestPrintConfig(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	status, out, said := ran(t, "protect", "--print-config", "--data", dir, "--name", "Mine", "--env", "A", "--env", "B=c", "--", "npx", "-y", "server")
	for _, want := range []string{"public_url: http://127.0.0.1:8080\n", "listen: 127.0.0.1:8080\n", "data: " + dir + "\n", "path: /mcp\n", "name: Mine\n", "- npx\n", "- server\n", "- A\n", "- B=c\n", "policy:\n  bundle: " + filepath.Join(dir, "policy") + "\n", "mode: open\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("it lacks %q", want)
		}
	}
	if _, err := os.Stat(dir); status != 0 || said != "" || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("status %d, %s, %v\n%s", status, said, err, out)
	}
}

// A clock that cannot be right is told before a token is born expired.
func TestAClockFarOff(t *testing.T) {
	for _, at := range []time.Time{time.Unix(0, 0), time.Date(2025, 12, 31, 0, 0, 0, 0, time.UTC), time.Date(2101, 1, 1, 0, 0, 0, 0, time.UTC)} {
		var f failed
		if err := checkClock(at); !errors.As(err, &f) || f.status != exitUsage || !strings.Contains(fmt.Sprint(err), "timedatectl set-ntp true") {
			t.Errorf("%s: %v", at, err)
		}
	}
	if err := checkClock(time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Error(err)
	}
}
