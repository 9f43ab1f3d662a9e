package stdio_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	wire "github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/stdio"
)

// parent is a program with a pool, that starts a process, says its pid, and stays.
func parent() {
	p := &stdio.Pool{Command: []string{os.Args[0]}, Env: []string{role + "=scripted", "STUBBORN=1"}}
	body := stateless("1", "x/who")
	h := http.Header{"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {"x/who"}, "Content-Type": {"application/json"}}
	m, err := wire.Read("POST", textproto.MIMEHeader(h), []byte(body))
	if err != nil {
		panic(err)
	}
	res, err := p.For(who("ada"), m).RoundTrip((&http.Request{Method: "POST", Header: h}).WithContext(context.Background()))
	if err != nil {
		panic(err)
	}
	all, _ := io.ReadAll(res.Body)
	_, after, _ := strings.Cut(string(all), `"pid":`)
	fmt.Println(strings.TrimRight(after, "}"))
	select {}
}

// A process does not outlive us when we are killed, even if it ignores that its input closes.
func TestAKilledGatewayLeavesNoProcess(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), role+"=parent")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	child, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("the parent said %q", line)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	gone(t, child)
}
