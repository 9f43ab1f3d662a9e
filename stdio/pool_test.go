//go:build unix

package stdio_test

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	wire "github.com/doorward-mcp/doorward/mcp"
)

func TestWithoutSessionsACallerHasAProcess(t *testing.T) {
	k := start(t, "scripted")
	pids := map[string]int{}
	for _, c := range []string{"ada", "bob", "ada"} {
		status, h, body := k.do(t, who(c), "POST", "", wire.V20260728, stateless("1", "x/who"))
		if status != 200 || h.Get("Mcp-Session-Id") != "" {
			t.Fatalf("%d %v %s", status, h, body)
		}
		if had := pids[c]; had != 0 && had != pid(t, body) {
			t.Errorf("%s has two processes", c)
		}
		pids[c] = pid(t, body)
	}
	another := who("ada")
	another.Client = "another"
	_, _, body := k.do(t, another, "POST", "", wire.V20260728, stateless("1", "x/who"))
	if pids["ada"] == pids["bob"] || pid(t, body) == pids["ada"] {
		t.Error("a process is shared")
	}
}

func TestAnIdInFlightGetsAnotherProcessOfTheCaller(t *testing.T) {
	k := start(t, "scripted")
	ctx, cancel := context.WithCancel(t.Context())
	res, err := k.ask(ctx, t, who("ada"), "POST", "", wire.V20260728, stateless("1", "x/log-then-silent"))
	if err != nil {
		t.Fatal(err)
	}
	_, _, other := k.do(t, who("ada"), "POST", "", wire.V20260728, stateless("1", "x/who"))
	_, _, same := k.do(t, who("ada"), "POST", "", wire.V20260728, stateless("2", "x/who"))
	if pid(t, other) == pid(t, same) {
		t.Error("a request went to the process on which its id is in flight")
	}
	cancel()
	if _, err := readAll(res.Body); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled request ended with %v", err)
	}
	// Nobody else is told, and the process is.
	k.log.wait(t, "notifications/cancelled", 1)
	if _, _, body := k.do(t, who("ada"), "POST", "", wire.V20260728, stateless("1", "x/who")); pid(t, body) != pid(t, other) {
		t.Error("a request got an id that may still be answered")
	}
}

func TestErrorsHaveTheirStatusIn20260728(t *testing.T) {
	k := start(t, "scripted")
	if status, _, _ := k.do(t, who("ada"), "POST", "", wire.V20260728, stateless("1", "x/refuse")); status != 404 {
		t.Errorf("an unknown method: %d", status)
	}
	id := k.session(t, who("ada"))
	if status, _, _ := k.post(t, who("ada"), id, call("1", "x/refuse", "")); status != 200 {
		t.Errorf("an unknown method in an older revision: %d", status)
	}
}

func TestMoreProcessesThanMaxAreRefused(t *testing.T) {
	k := start(t, "scripted")
	k.Max = 2
	ada := who("ada")
	one := k.session(t, ada)
	two := k.session(t, ada)
	// Both are busy: a stream is open.
	for _, id := range []string{one, two} {
		res, err := k.ask(t.Context(), t, ada, "GET", id, wire.V20251125, "")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
	}
	status, h, body := k.post(t, who("bob"), "", initialize)
	if status != 503 || h.Get("Retry-After") == "" || !strings.Contains(body, `"id":0`) {
		t.Errorf("%d %v %s", status, h, body)
	}
}

func TestTheProcessThatIsIdleLongestMakesRoom(t *testing.T) {
	k := start(t, "scripted")
	k.Max = 2
	ada := who("ada")
	one := k.session(t, ada)
	two := k.session(t, ada)
	k.post(t, ada, one, call("1", "x/who", ""))
	three := k.session(t, who("bob"))
	for id, want := range map[string]int{one: 200, two: 404} {
		if status, _, _ := k.post(t, ada, id, call("2", "x/who", "")); status != want {
			t.Errorf("%d, want %d", status, want)
		}
	}
	if status, _, _ := k.post(t, who("bob"), three, call("1", "x/who", "")); status != 200 {
		t.Errorf("the new session: %d", status)
	}
}

func TestIdleProcessesEnd(t *testing.T) {
	k := start(t, "scripted")
	k.Idle = 50 * time.Millisecond
	_, _, body := k.do(t, who("ada"), "POST", "", wire.V20260728, stateless("1", "x/who"))
	gone(t, pid(t, body))
	if _, _, again := k.do(t, who("ada"), "POST", "", wire.V20260728, stateless("1", "x/who")); pid(t, again) == pid(t, body) {
		t.Error("the process that has ended answered")
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	k := start(t, "scripted")
	var all []int
	for _, c := range []string{"ada", "bob"} {
		_, _, body := k.do(t, who(c), "POST", "", wire.V20260728, stateless("1", "x/who"))
		all = append(all, pid(t, body))
	}
	_ = k.Close()
	for _, p := range all {
		gone(t, p)
	}
	if status, _, _ := k.post(t, who("ada"), "", initialize); status != 503 {
		t.Errorf("after Close: %d", status)
	}
}

// Design rule 6: child processes inherit no environment but what is listed.
func TestTheEnvironmentIsAList(t *testing.T) {
	t.Setenv("A_SECRET_OF_OURS", "x")
	t.Setenv("PASSED_ON", "yes")
	k := start(t, "scripted", "PASSED_ON", "GIVEN=1", "NOT_SET_ANYWHERE")
	_, _, body := k.do(t, who("ada"), "POST", "", wire.V20260728, stateless("1", "x/environment"))
	if strings.Contains(body, "A_SECRET_OF_OURS") || strings.Contains(body, "NOT_SET") {
		t.Errorf("the environment: %s", body)
	}
	for _, want := range []string{`"PASSED_ON=yes"`, `"GIVEN=1"`, `"PATH=` + os.Getenv("PATH") + `"`} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is missing: %s", want, body)
		}
	}
}

func TestACommandThatCannotBeStarted(t *testing.T) {
	k := start(t, "scripted")
	k.Command = []string{"/there/is/no/such/program"}
	status, _, body := k.post(t, who("ada"), "", initialize)
	if status != 502 || strings.Contains(body, "/there") {
		t.Errorf("%d %s", status, body)
	}
	k.log.wait(t, "/there/is/no", 1)
}

func TestACrashLoopIsSlowedDown(t *testing.T) {
	k := start(t, "dies")
	now := time.Unix(1_800_000_000, 0)
	k.Now = func() time.Time { return now }
	status, _, body := k.post(t, who("ada"), "", initialize)
	if status != 502 || !strings.Contains(body, "standard error") || strings.Contains(body, "4711") {
		t.Errorf("%d %s", status, body)
	}
	k.log.wait(t, "4711", 1)
	var waits []string
	for range 4 {
		status, h, _ := k.post(t, who("ada"), "", initialize)
		waits = append(waits, h.Get("Retry-After"))
		if status != 502 {
			t.Errorf("in the wait: %d", status)
		}
		now = now.Add(9 * time.Second) // the wait is over
		k.post(t, who("ada"), "", initialize)
	}
	if want := []string{"1", "2", "4", "8"}; !slices.Equal(waits, want) {
		t.Errorf("waits %v, want %v", waits, want)
	}
	if _, h, _ := k.post(t, who("bob"), "", initialize); h.Get("Retry-After") != "" {
		t.Error("bob waits for what happened to ada")
	}
	if all, _ := k.log.now(); strings.Count(all, "server process started") != 6 {
		t.Errorf("started %d times", strings.Count(all, "server process started"))
	}
}

func TestACancelledCallOfTheSDKIsCancelledThere(t *testing.T) {
	k := start(t, "sdk")
	ada := who("ada")
	id := k.session(t, ada)
	k.post(t, ada, id, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := k.ask(ctx, t, ada, "POST", id, wire.V20251125, call("1", "tools/call", `{"name":"hang","arguments":{}}`))
		ended <- err
	}()
	k.log.wait(t, "hanging", 1)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	k.log.wait(t, "cancelled", 1)
}

// Closing the stream of an answer cancels in 2026-07-28, and does not in older revisions.
func TestClosingAStream(t *testing.T) {
	for _, c := range []struct {
		revision wire.Revision
		cancels  bool
	}{{wire.V20260728, true}, {wire.V20251125, false}} {
		t.Run(string(c.revision), func(t *testing.T) {
			k := start(t, "scripted")
			ada, id, body := who("ada"), "", stateless("1", "x/log-then-silent")
			if !c.cancels {
				id, body = k.session(t, ada), call("1", "x/log-then-silent", "")
			}
			res, err := k.ask(t.Context(), t, ada, "POST", id, c.revision, body)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if c.cancels {
				k.log.wait(t, "notifications/cancelled", 1)
				return
			}
			k.post(t, ada, id, `{"jsonrpc":"2.0","method":"x/marker"}`)
			k.log.wait(t, "x/marker", 1)
			if all, _ := k.log.now(); strings.Contains(all, "notifications/cancelled") {
				t.Error("a stream that was closed cancelled its request")
			}
		})
	}
}

func readAll(r io.Reader) (string, error) { b, err := io.ReadAll(r); return string(b), err }
