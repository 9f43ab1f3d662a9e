//go:build unix

package stdio_test

import (
	"strings"
	"testing"
	"time"

	wire "github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/stdio"
)

const tokened = `{"_meta":{"progressToken":"mine","io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}`

// A request with a progress token hears that the server is starting, until it has: in every revision, and under the client's own token.
func TestStartUpIsShownAsProgress(t *testing.T) {
	for name, c := range map[string]struct {
		revision wire.Revision
		body     string
		how      func(*stdio.Pool)
	}{
		"a session":   {wire.V20251125, strings.Replace(initialize, `"params":{`, `"params":{"_meta":{"progressToken":"mine"},`, 1), func(*stdio.Pool) {}},
		"no sessions": {wire.V20260728, call("1", "x/who", tokened), func(*stdio.Pool) {}},
		"shared":      {wire.V20260728, call("1", "x/who", tokened), shared},
		"a person's":  {wire.V20251125, strings.Replace(initialize, `"params":{`, `"params":{"_meta":{"progressToken":"mine"},`, 1), person},
		"no token":    {wire.V20260728, stateless("1", "x/who"), func(*stdio.Pool) {}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := start(t, "scripted", "START_DELAY=2500ms").on(c.how)
			status, h, body := k.do(t, who("ada"), "POST", "", c.revision, c.body)
			want, begin := 2, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":\"mine\",\"progress\":0.000001,\"message\":\"the MCP server is starting\"}}\n\n"
			if name == "no token" {
				want, begin = 0, `{"jsonrpc"`
			}
			if status != 200 || strings.Count(body, "is starting") != want || !strings.HasPrefix(body, begin) || !strings.Contains(body, `"pid"`) || strings.Contains(body, "4711") {
				t.Errorf("%d %v\n%s", status, h, body)
			}
		})
	}
}

// A process that does not speak is ended, whatever it waits for, and its client is told so, without what it wrote to standard error.
func TestAServerThatDoesNotStart(t *testing.T) {
	for name, c := range map[string]struct {
		body   string
		status int
	}{"no token": {stateless("1", "x/who"), 504}, "token": {call("1", "x/who", tokened), 200}, "a session": {initialize, 504}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := start(t, "scripted", "START_DELAY=1h").on(func(p *stdio.Pool) { p.Start = 1500 * time.Millisecond })
			revision := wire.V20260728
			if c.body == initialize {
				revision = wire.V20251125
			}
			status, _, body := k.do(t, who("ada"), "POST", "", revision, c.body)
			if status != c.status || !strings.Contains(body, "did not start within 1.5s") || strings.Contains(body, "4711") {
				t.Errorf("%d %s", status, body)
			}
			k.log.wait(t, "4711", 1)
			k.log.wait(t, "has said nothing", 1)
			for end := time.Now().Add(patience); k.Stats() != (stdio.Stats{Failed: 1}); time.Sleep(10 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("%+v", k.Stats())
				}
			}
			if _, h, _ := k.do(t, who("ada"), "POST", "", revision, c.body); h.Get("Retry-After") == "" {
				t.Error("it is started again at once")
			}
		})
	}
}

// A request that takes long on a server that has started is not taken for a server that does not start.
func TestALongRequestIsNoStart(t *testing.T) {
	t.Parallel()
	k := start(t, "scripted").on(func(p *stdio.Pool) { p.Start = 500 * time.Millisecond })
	done := make(chan string, 1)
	go func() {
		_, _, body, err := k.try(who("ada"), "POST", "", wire.V20260728, stateless("1", "x/silent"))
		if err != nil {
			body = err.Error()
		}
		done <- body
	}()
	k.log.wait(t, "server process started", 1)
	select {
	case body := <-done:
		t.Errorf("the request ended with %s", body)
	case <-time.After(1500 * time.Millisecond):
	}
	if s := k.Stats(); s != (stdio.Stats{Running: 1}) {
		t.Errorf("%+v", s)
	}
}
