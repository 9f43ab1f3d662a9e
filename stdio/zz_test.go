//go:build unix

package stdio_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func TestZZ(t *testing.T) {
	k := start(t, "")
	k.Command = []string{"npx", "-y", "@modelcontextprotocol/server-everything"}
	s := k.connect(t, "2025-11-25", nil)
	t.Log(text(t, s, &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"message": "through stdio"}}))
	out, _ := exec.Command("ps", "-eo", "pid,ppid,pgid,args").Output()
	t.Logf("%s", grep(string(out)))
	_ = s.Close()
	_ = k.Close()
	out, _ = exec.Command("ps", "-eo", "pid,ppid,pgid,args").Output()
	t.Logf("after: %s", grep(string(out)))
	all, _ := k.log.now()
	t.Log(all)
}

func grep(s string) (r string) {
	for _, l := range strings.Split(s, "\n") {
		if strings.Contains(l, "server-everything") {
			r += l + "\n"
		}
	}
	return
}
