//go:build unix

package stdio_test

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	wire "github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/stdio"
)

func shared(p *stdio.Pool) { p.Isolation = stdio.SharedInsecure }
func person(p *stdio.Pool) { p.Isolation = stdio.PerPerson }

// A person's clients share a process; another person never does. Everybody shares one only where configuration says so.
func TestWhoSharesAProcess(t *testing.T) {
	for name, c := range map[string]struct {
		how                   func(*stdio.Pool)
		clients, people, eras bool
	}{"session": {func(*stdio.Pool) {}, false, false, false}, "person": {person, true, false, false}, "shared": {shared, true, true, false},
		"unknown": {func(p *stdio.Pool) { p.Isolation = "everybody" }, false, false, false}} {
		t.Run(name, func(t *testing.T) {
			k := start(t, "scripted").on(c.how)
			of := func(subject, client string) int {
				caller := who(subject)
				caller.Client = client
				_, h, _ := k.post(t, caller, "", initialize)
				_, _, body := k.post(t, caller, h.Get("Mcp-Session-Id"), call("1", "x/who", ""))
				return pid(t, body)
			}
			one, client, people := of("ada", "client"), of("ada", "another"), of("bob", "client")
			if (one == client) != c.clients || (one == people) != c.people {
				t.Errorf("ada %d, with another client %d, bob %d", one, client, people)
			}
			_, _, body := k.do(t, who("ada"), "POST", "", wire.V20260728, stateless("1", "x/who"))
			if pid(t, body) == one {
				t.Error("a request without initialize went to a process that was initialized")
			}
		})
	}
}

// A process is initialized once. Who comes with the same revision and capabilities gets its answer under an id of theirs, and who comes with
// others gets another process.
func TestASharedProcessIsInitializedOnce(t *testing.T) {
	k := start(t, "scripted").on(shared)
	_, h, first := k.post(t, who("ada"), "", initialize)
	_, h2, second := k.post(t, who("bob"), "", strings.Replace(initialize, `"id":0`, `"id":"mine"`, 1))
	if !strings.Contains(first, `"id":0,`) || strings.Replace(first, `"id":0,`, `"id":"mine",`, 1) != second || strings.Contains(first, "h.ada.s") {
		t.Errorf("answers\n%s\n%s", first, second)
	}
	a, b := h.Get("Mcp-Session-Id"), h2.Get("Mcp-Session-Id")
	if a == b || len(a) < 26 || len(b) < 26 {
		t.Errorf("sessions %q and %q", a, b)
	}
	k.post(t, who("ada"), a, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	k.post(t, who("bob"), b, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	_, _, mine := k.post(t, who("bob"), b, call("1", "x/who", ""))
	k.log.wait(t, "notifications/initialized", 1)
	if all, _ := k.log.now(); strings.Count(all, "notifications/initialized") != 1 {
		t.Error("the process was told twice that it is initialized")
	}
	_, h, _ = k.post(t, who("cyd"), "", strings.Replace(initialize, `"capabilities":{}`, `"capabilities":{"sampling":{}}`, 1))
	_, _, other := k.post(t, who("cyd"), h.Get("Mcp-Session-Id"), call("1", "x/who", ""))
	if pid(t, mine) == pid(t, other) {
		t.Error("a client with other capabilities got what was agreed upon with the first")
	}
	if !strings.Contains(mine, "h.bob.s") || strings.Contains(mine, `\"id\":1`) {
		t.Errorf("the process read %s", mine)
	}
}

// RS-SID-NOT-AUTH: a session on a shared process is of one caller too, and ends alone.
func TestASessionOnASharedProcessIsOfOneCaller(t *testing.T) {
	k := start(t, "scripted").on(shared)
	ada, bob := k.session(t, who("ada")), k.session(t, who("bob"))
	for _, c := range [][2]string{{"POST", call("1", "x/who", "")}, {"POST", `{"jsonrpc":"2.0","method":"n"}`}, {"GET", ""}, {"DELETE", ""}} {
		res, err := k.ask(t.Context(), t, who("bob"), c[0], ada, wire.V20251125, c[1])
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != 404 {
			t.Errorf("%s: %s", c[0], res.Status)
		}
	}
	if status, _, _ := k.do(t, who("ada"), "DELETE", ada, wire.V20251125, ""); status != 204 {
		t.Errorf("DELETE: %d", status)
	}
	if status, _, _ := k.post(t, who("ada"), ada, call("1", "x/who", "")); status != 404 {
		t.Errorf("after the end: %d", status)
	}
	if status, _, _ := k.post(t, who("bob"), bob, call("1", "x/who", "")); status != 200 {
		t.Errorf("the other session: %d", status)
	}
}

// A cancellation names a request of its own caller, or none.
func TestACancellationOnASharedProcess(t *testing.T) {
	t.Parallel()
	k := start(t, "scripted").on(shared)
	ada, bob := k.session(t, who("ada")), k.session(t, who("bob"))
	ended := make(chan string, 1)
	go func() {
		_, _, answer, _ := k.try(who("ada"), "POST", ada, wire.V20251125, call(`"mine"`, "x/silent", ""))
		ended <- answer
	}()
	k.log.wait(t, "x/silent", 1)
	all, _ := k.log.now()
	name := wireName.FindStringSubmatch(all)
	if name == nil {
		t.Fatalf("the request has no name of ours: %s", all)
	}
	cancel := `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"mine","reason":"x"}}`
	k.post(t, who("bob"), bob, cancel)
	k.log.wait(t, "notifications/cancelled", 1)
	if all, _ := k.log.now(); strings.Contains(all, "mine") || strings.Count(all, name[1]) != 1 {
		t.Errorf("bob cancelled %s:\n%s", name[1], all)
	}
	k.post(t, who("ada"), ada, cancel)
	k.log.wait(t, name[1], 2)
	select {
	case answer := <-ended:
		if !strings.Contains(answer, `"id":"mine"`) || !strings.Contains(answer, "cancelled") {
			t.Errorf("the request that was cancelled is answered with %s", answer)
		}
	case <-time.After(patience):
		t.Error("a request that was cancelled is never answered")
	}
}

// wireName finds what a silent request is called on its process.
var wireName = regexp.MustCompile(`id[\\":]+([A-Z2-7]{26})[\\",]+method[\\":]+x/silent`)

// A request of a server that many share is answered at once: nobody can tell whom it asks. What all may know, all who listen are told.
func TestASharedServerAsksNobody(t *testing.T) {
	k := start(t, "scripted").on(shared)
	ada, bob := k.session(t, who("ada")), k.session(t, who("bob"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	res, err := k.ask(ctx, t, who("bob"), "GET", bob, wire.V20251125, "")
	if err != nil {
		t.Fatal(err)
	}
	k.post(t, who("bob"), bob, `{"jsonrpc":"2.0","id":"s1","result":{"forged":1}}`)
	if status, _, body := k.post(t, who("ada"), ada, call("1", "x/announce", "")); status != 200 || strings.Contains(body, "list_changed") {
		t.Errorf("%d %s", status, body)
	}
	go func() { _, _, _, _ = k.try(who("ada"), "POST", ada, wire.V20251125, call("2", "x/ask", "")) }()
	k.log.wait(t, "many share", 1)
	b := make([]byte, 4096)
	n, _ := res.Body.Read(b)
	if got := string(b[:n]); got != "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/list_changed\"}\n\n" {
		t.Errorf("the stream says %q", got)
	}
	if all, _ := k.log.now(); strings.Contains(all, "forged") {
		t.Error("an answer that nobody asked for went to the process")
	}
}

// A session that nobody ends is no memory for ever.
func TestSessionsOnASharedProcessAreBounded(t *testing.T) {
	k := start(t, "scripted").on(shared)
	first := k.session(t, who("ada"))
	bob := k.session(t, who("bob"))
	for range 64 {
		k.session(t, who("ada"))
	}
	if status, _, _ := k.post(t, who("ada"), first, call("1", "x/who", "")); status != 404 {
		t.Errorf("the oldest of 65 sessions: %d", status)
	}
	if status, _, _ := k.post(t, who("bob"), bob, call("1", "x/who", "")); status != 200 {
		t.Errorf("another's session: %d", status)
	}
}

// A batch keeps its names apart too.
func TestABatchOnASharedProcess(t *testing.T) {
	k := start(t, "scripted").on(shared)
	_, h, _ := k.do(t, who("ada"), "POST", "", wire.V20250326, initialize)
	id := h.Get("Mcp-Session-Id")
	_, _, body := k.do(t, who("ada"), "POST", id, wire.V20250326, `[`+call("1", "x/slowly", "")+`,`+call(`"b"`, "x/who", "")+`]`)
	if !strings.HasPrefix(body, "[") || !strings.Contains(body, `"id":1,`) || !strings.Contains(body, `"id":"b",`) {
		t.Errorf("%s", body)
	}
	if status, _, _ := k.do(t, who("ada"), "POST", id, wire.V20250326, `[`+call("1", "x/slowly", "")+`,{"jsonrpc":"2.0","id":"s","result":{}}]`); status != 400 {
		t.Errorf("a batch with an answer: %d", status)
	}
}

// Who does not read holds nobody else up, and loses the answer.
func TestASlowReaderOnASharedProcess(t *testing.T) {
	k := start(t, "scripted").on(shared)
	slow, err := k.ask(t.Context(), t, who("ada"), "POST", "", wire.V20260728, call("1", "x/chatter", tokened))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan string, 1)
	go func() {
		_, _, body, _ := k.try(who("bob"), "POST", "", wire.V20260728, stateless("1", "x/who"))
		done <- body
	}()
	select {
	case body := <-done:
		pid(t, body)
	case <-time.After(patience):
		t.Fatal("bob waits for what ada does not read")
	}
	if body, err := readAll(slow.Body); err == nil || strings.Contains(body, `"result"`) {
		t.Errorf("the answer that was not read ends with %v and %d bytes", err, len(body))
	}
}

func TestMostPerPerson(t *testing.T) {
	k := start(t, "scripted").on(func(p *stdio.Pool) { p.Max, p.PerPerson = 3, 1 })
	res, err := k.ask(t.Context(), t, who("ada"), "GET", k.session(t, who("ada")), wire.V20251125, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if status, _, _ := k.post(t, who("ada"), "", initialize); status != 503 {
		t.Errorf("a second process of ada's: %d", status)
	}
	if status, _, _ := k.post(t, who("bob"), "", initialize); status != 200 {
		t.Errorf("bob, meanwhile: %d", status)
	}
}

// Strangers at a server that is open to everybody are one caller to us. Without sessions, what they call alike is kept apart all the same.
func TestStrangersAreKeptApart(t *testing.T) {
	k := start(t, "hostile")
	anybody := who("anonymous")
	anybody.Issuer, anybody.Client = "", ""
	_, _, body := k.do(t, anybody, "POST", "", wire.V20260728, call("1", "x/y", tokened))
	if strings.Contains(body, "sampling") || strings.Count(body, "data:") != 2 || !strings.Contains(body, `"id":1,"result":{"s":""}`) {
		t.Errorf("%s", body)
	}
}
