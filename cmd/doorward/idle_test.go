package main

import (
	"bufio"
	"net/http"
	"os"
	"strings"
	"testing"
)

// Streams that say nothing hold little, and nobody else up: 9,500 of them with DOORWARD_SOAK, each with a connection on either
// side of the gateway, where 20,000 may be open; else some hundred.
func TestSoakOfIdleStreams(t *testing.T) {
	n := 200
	if os.Getenv("DOORWARD_SOAK") != "" {
		n = 9_500
	}
	port, operations := freePort(t), freePort(t)
	startEcho(t, port)
	s := protectFile(t, strings.NewReplacer("$OPERATIONS", operations, "$UP", "http://127.0.0.1:"+port+"/mcp\n    limits: {caller: {at_once: 20000}}").Replace(operatedFile))
	_, got := s.connect()
	initialize := `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`
	session := do(t, http.DefaultClient, s.bearing(t, got.Access, "POST", initialize, "2025-11-25")).Header.Get("Mcp-Session-Id")
	before := measured(t, operations)
	many := &http.Client{Transport: &http.Transport{}}
	opened := make(chan error, 100)
	for from := 0; from < n; from += 100 {
		for range 100 {
			go func() {
				res, err := many.Do(s.bearing(t, got.Access, "GET", "", "2025-11-25", "Mcp-Session-Id", session, "Accept", "text/event-stream"))
				if err == nil {
					t.Cleanup(func() { _ = res.Body.Close() })
					_, err = bufio.NewReaderSize(res.Body, 16).ReadByte()
				}
				opened <- err
			}()
		}
		for range 100 {
			if err := <-opened; err != nil {
				t.Fatal(err)
			}
		}
	}
	after := measured(t, operations)
	each := (after.resident - before.resident) / int64(n)
	t.Logf("%d streams: %d KB each; %s, then %s", n, each>>10, before, after)
	if after.goroutines < before.goroutines+int64(n) {
		t.Errorf("%d goroutines: the streams are not open", after.goroutines)
	}
	if each > 256<<10 {
		t.Errorf("%d bytes for a stream that says nothing", each)
	}
	if a := s.call(got.Access, "echo", `{"nonce":"one"}`); a.StatusCode != 200 || !strings.Contains(a.body, "echo one for ") {
		t.Errorf("a call beside them: %s %s", a.Status, a.body)
	}
}
