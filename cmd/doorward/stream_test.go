package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// begun begins a request and leaves its answer to be read.
func (s *server) begun(t testing.TB, r *http.Request) *http.Response {
	t.Helper()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// calling is a tools/call of a revision.
func (s *server) calling(t testing.TB, token, revision string) *http.Request {
	t.Helper()
	if revision == "2026-07-28" {
		return s.bearing(t, token, "POST", callBody("slow", "{}"), revision, "Mcp-Method", "tools/call", "Mcp-Name", "slow")
	}
	return s.bearing(t, token, "POST", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"slow","arguments":{}}}`, revision)
}

const (
	progress = "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":1,\"progress\":1}}\n\n"
	result   = "event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[]}}\n\n"
)

// flushed writes and sends on.
func flushed(w http.ResponseWriter, text string) {
	_, _ = io.WriteString(w, text)
	_ = http.NewResponseController(w).Flush()
}

// GW-SSE-UNBUFFERED: an event arrives before the next is sent, whatever the revision and whoever opened the stream.
func TestEventsArriveAsTheyAreSent(t *testing.T) {
	next := make(chan struct{})
	up := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		flushed(w, ": open\n\n")
		<-next
		flushed(w, progress)
		<-next
		flushed(w, result)
	})
	s := protect(t, up.URL)
	_, got := s.connect()
	run := func(name string, r *http.Request) {
		as(t, s, name, func(t *testing.T) {
			body := bufio.NewReader(s.begun(t, r).Body)
			reads := func(want string) {
				t.Helper()
				b := make([]byte, len(want))
				if _, err := io.ReadFull(body, b); err != nil || string(b) != want {
					t.Fatalf("%q, %v", b, err)
				}
			}
			reads(": open\n\n")
			next <- struct{}{}
			reads(progress)
			next <- struct{}{}
			reads(result)
			if rest, err := io.ReadAll(body); err != nil || len(rest) > 0 {
				t.Errorf("then %q, %v", rest, err)
			}
		})
	}
	for _, revision := range append(sessionRevisions, "2026-07-28") {
		run("a call of "+revision, s.calling(t, got.Access, revision))
	}
	run("a stream", s.bearing(t, got.Access, "GET", "", "2025-11-25"))
}

// TR-CANCEL-ON-CLOSE, TR-SSE-DISCONNECT-NOT-CANCEL: a client that goes away cancels in 2026-07-28; in older revisions its call goes on.
func TestAClientThatGoesAway(t *testing.T) {
	began, gone, finish := make(chan struct{}), make(chan bool), make(chan struct{})
	up := answering(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		flushed(w, progress)
		began <- struct{}{}
		select {
		case <-r.Context().Done():
			gone <- true
		case <-finish:
			flushed(w, result)
			gone <- r.Context().Err() != nil
		}
	})
	s := protect(t, up.URL)
	_, got := s.connect()
	leave := func(t *testing.T, r *http.Request) {
		res := s.begun(t, r)
		<-began
		if _, err := bufio.NewReader(res.Body).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}
	as(t, s, "2026-07-28", func(t *testing.T) {
		leave(t, s.calling(t, got.Access, "2026-07-28"))
		if !<-gone {
			t.Error("the upstream's request goes on")
		}
	})
	as(t, s, "a stream", func(t *testing.T) {
		leave(t, s.bearing(t, got.Access, "GET", "", "2025-11-25"))
		if !<-gone {
			t.Error("the upstream's stream goes on")
		}
	})
	for _, revision := range sessionRevisions {
		as(t, s, revision, func(t *testing.T) {
			leave(t, s.calling(t, got.Access, revision))
			s.works("another call meanwhile", s.meanwhile(t, got.Access, began, finish, gone))
		})
	}
}

// meanwhile ends the call that was left, once something else has been answered: by then its cancellation would have come.
func (s *server) meanwhile(t *testing.T, access string, began, finish chan struct{}, gone chan bool) string {
	t.Helper()
	for range 20 {
		if a := s.send(access, "{"); a.StatusCode != 400 {
			t.Fatal(a.Status)
		}
	}
	select {
	case <-gone:
		t.Error("the upstream's request was cancelled")
	case finish <- struct{}{}:
		if <-gone {
			t.Error("the upstream's request was cancelled")
		}
	}
	done := make(chan struct{})
	go func() { <-began; finish <- struct{}{}; <-gone; close(done) }()
	t.Cleanup(func() { <-done })
	return access
}

// GW-BROKEN: half an answer must not look whole.
func TestAnUpstreamThatBreaksOff(t *testing.T) {
	how := ""
	up := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		switch how {
		case "in a JSON answer":
			w.Header().Set("Content-Type", "application/json")
			flushed(w, `{"jsonrpc":"2.0","id":1,"result":{"content":[]`+strings.Repeat(" ", 100<<10))
		case "in a JSON answer with a length":
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "500")
			flushed(w, `{"jsonrpc":"2.0"`)
		case "between events":
			w.Header().Set("Content-Type", "text/event-stream")
			flushed(w, progress)
		case "in an event":
			w.Header().Set("Content-Type", "text/event-stream")
			flushed(w, progress+result[:40])
		case "after the result":
			w.Header().Set("Content-Type", "text/event-stream")
			flushed(w, progress+result)
		case "before the answer":
		}
		panic(http.ErrAbortHandler)
	})
	s := protect(t, up.URL)
	_, got := s.connect()
	for _, c := range []string{"in a JSON answer", "in a JSON answer with a length", "between events", "in an event", "after the result"} {
		for _, revision := range []string{"2025-11-25", "2026-07-28"} {
			as(t, s, c+", "+revision, func(t *testing.T) {
				how = c
				res, err := http.DefaultClient.Do(s.calling(t, got.Access, revision))
				if err != nil {
					return // broken off before the first byte was sent on
				}
				defer func() { _ = res.Body.Close() }()
				if text, err := io.ReadAll(res.Body); err == nil {
					t.Errorf("%s, a whole answer of %d bytes: %.200s", res.Status, len(text), text)
				} else if c == "after the result" && !strings.Contains(string(text), result) {
					t.Errorf("the result itself is lost: %q", text)
				}
			})
		}
	}
	as(t, s, "before the answer", func(t *testing.T) {
		how = "before the answer"
		if a := do(t, http.DefaultClient, s.calling(t, got.Access, "2026-07-28")); a.StatusCode != 502 || !strings.Contains(a.body, "broke the connection off") {
			t.Errorf("%s %s", a.Status, a.body)
		}
	})
	as(t, s, "it is recorded as failed", func(t *testing.T) {
		outcomes := 0
		for _, e := range s.audited() {
			if e["msg"] == "mcp.called" && e["phase"] == "outcome" {
				if outcomes++; e["result"] == "done" && outcomes <= 8 { // those after the result had one
					t.Errorf("%v", e)
				}
			}
		}
		if outcomes != 11 {
			t.Errorf("%d outcomes", outcomes)
		}
	})
}

// A person's interrupt ends the program within seconds, also with a stream open, and its exit status is that of a good end.
func TestTheEndWithAnOpenStream(t *testing.T) {
	t.Parallel() // it waits for a clock
	up := answering(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		flushed(w, progress)
		<-r.Context().Done()
	})
	s := protect(t, up.URL)
	_, got := s.connect()
	res := s.begun(t, s.bearing(t, got.Access, "GET", "", "2025-11-25"))
	stream := bufio.NewReader(res.Body)
	if _, err := stream.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := s.command.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	begun, ended := time.Now(), make(chan error, 1)
	go func() { ended <- s.command.Wait() }()
	for {
		if _, err := stream.ReadString('\n'); err != nil {
			break
		}
	}
	select {
	case err := <-ended:
		if s.command = nil; err != nil {
			t.Errorf("it ended with %v\n%s", err, s.stderr)
		}
	case <-time.After(15 * time.Second):
		t.Errorf("it runs %s after the interrupt", time.Since(begun))
	}
}

// Who interrupts twice does not want to wait.
func TestTheEndAtOnce(t *testing.T) {
	up := answering(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		flushed(w, progress)
		<-r.Context().Done()
	})
	s := protect(t, up.URL)
	_, got := s.connect()
	s.begun(t, s.bearing(t, got.Access, "GET", "", "2025-11-25"))
	interrupt := func() {
		if err := s.command.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
	}
	interrupt()
	eventually(t, "it takes no more connections", func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.ready.Issuer, "http://"))
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	// The program stops listening for interrupts beside everything else that an interrupt begins: one more may still be its own.
	ended := make(chan error, 1)
	go func() { ended <- s.command.Wait() }()
	var err error
	for waiting := true; waiting; {
		_ = s.command.Process.Signal(os.Interrupt)
		select {
		case err = <-ended:
			waiting = false
		case <-time.After(50 * time.Millisecond):
		}
	}
	if s.command = nil; err == nil || !strings.Contains(err.Error(), "signal: interrupt") {
		t.Errorf("it ended with %v", err)
	}
}

// The demo's slow tool, through the gateway: progress arrives as events.
func TestProgressOfTheDemo(t *testing.T) {
	s := protect(t)
	_, got := s.connect()
	body := strings.Replace(callBody("slow", `{"steps":3,"delay_ms":0}`), `"_meta":{`, `"_meta":{"progressToken":"p",`, 1)
	a := s.send(got.Access, body, callHeaders("slow")...)
	if a.StatusCode != 200 || a.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s %v\n%s", a.Status, a.Header, a.body)
	}
	for n := range 3 {
		if !strings.Contains(a.body, fmt.Sprintf(`"step %d of 3"`, n+1)) {
			t.Errorf("no step %d:\n%s", n+1, a.body)
		}
	}
	if !strings.Contains(a.body, "done after 3 steps") {
		t.Error(errors.New(a.body))
	}
}

// A stream that a token opened ends with the token and its leeway; a call that is answered once is left to finish.
func TestAStreamEndsWithItsToken(t *testing.T) {
	t.Parallel() // it waits for a clock
	finish := make(chan struct{})
	up := answering(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		flushed(w, progress)
		if r.Method == "GET" {
			<-r.Context().Done()
			return
		}
		<-finish
		flushed(w, result)
	})
	s := protect(t, up.URL)
	f := newForger(t, s)
	old := f.signed(func(_, p map[string]any) { p["exp"] = time.Now().Unix() - 27 }) // good for three more seconds
	call := s.begun(t, s.calling(t, old, "2025-11-25"))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	stream := s.begun(t, s.bearing(t, old, "GET", "", "2025-11-25").WithContext(ctx))
	if stream.StatusCode != 200 || call.StatusCode != 200 {
		t.Fatalf("%s, %s", stream.Status, call.Status)
	}
	if text, err := io.ReadAll(stream.Body); err == nil || ctx.Err() != nil || string(text) != progress {
		t.Errorf("the stream ended with %q, %v", text, err)
	}
	s.refuses("by then", old)
	close(finish)
	if text, err := io.ReadAll(call.Body); err != nil || string(text) != progress+result {
		t.Errorf("the call ended with %q, %v", text, err)
	}
}
