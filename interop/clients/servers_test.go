//go:build conformance

package clients

import (
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/interop/installation"
)

// A server is one that is protected, and a call whose answer is known.
type server struct {
	name       string
	upstream   func(t *testing.T) []string // what stands behind `doorward protect`
	newest     string                      // the newest revision that it speaks
	tool, args string
	answer     string // a part of it
}

// check holds what a client saw against what the server is known to say.
func (s server) check(t *testing.T, tools []string, said string) {
	t.Helper()
	if !slices.Contains(tools, s.tool) {
		t.Errorf("it lists %v, and not %s", tools, s.tool)
	}
	if !strings.Contains(said, s.answer) {
		t.Errorf("%s answered %q, want %q", s.tool, said, s.answer)
	}
}

var servers = []server{
	{"demo", func(*testing.T) []string { return nil }, "2026-07-28", "add", `{"a":1,"b":2}`, "3"},
	{"server-everything over HTTP", everythingHTTP, "2025-11-25", "echo", `{"message":"hello"}`, "Echo: hello"},
	{"server-everything over stdio", everythingStdio, "2025-11-25", "echo", `{"message":"hello"}`, "Echo: hello"},
	{"TypeScript SDK 2.x over HTTP", server2HTTP, "2026-07-28", "echo", `{"message":"hello"}`, "Echo: hello"},
	{"TypeScript SDK 2.x over stdio", server2Stdio, "2026-07-28", "echo", `{"message":"hello"}`, "Echo: hello"},
	{"go-sdk over stdio", goStdio, "2026-07-28", "test_simple_text", `{}`, "simple text"},
}

const server2 = installation.Testdata + "/clients/server2.js"

// server2HTTP starts a server of npm's 2.x on loopback.
func server2HTTP(t *testing.T) []string {
	address := installation.FreeAddress(t)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	installation.StartQuiet(t, nil, filepath.Join(t.TempDir(), "log"), installation.Node(), server2, port)
	installation.Serves(t, address)
	return []string{"http://" + address + "/mcp"}
}

func server2Stdio(t *testing.T) []string {
	script, err := filepath.Abs(server2)
	if err != nil {
		t.Fatal(err)
	}
	return []string{"--", installation.Node(), script}
}

// goStdio is the go-sdk's own conformance server.
func goStdio(t *testing.T) []string {
	program := filepath.Join(t.TempDir(), "everything-server")
	if out, err := exec.Command("go", "build", "-o", program, "github.com/modelcontextprotocol/go-sdk/conformance/everything-server").CombinedOutput(); err != nil {
		t.Fatalf("building it: %v\n%s", err, out)
	}
	return []string{"--", program}
}

const everything = installation.Testdata + "/node_modules/@modelcontextprotocol/server-everything/dist/index.js"

// everythingHTTP starts npm's server-everything as a server on loopback.
func everythingHTTP(t *testing.T) []string {
	address := installation.FreeAddress(t)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	installation.StartQuiet(t, []string{"PORT=" + port}, filepath.Join(t.TempDir(), "log"), installation.Node(), everything, "streamableHttp")
	installation.Serves(t, address)
	return []string{"http://" + address + "/mcp"}
}

// everythingStdio has doorward start it, as a command.
func everythingStdio(t *testing.T) []string {
	script, err := filepath.Abs(everything)
	if err != nil {
		t.Fatal(err)
	}
	return []string{"--", installation.Node(), script, "stdio"}
}
