package main

import (
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

const operatedFile = `public_url: http://127.0.0.1:$PORT
listen: 127.0.0.1:$PORT
operations:
  listen: 127.0.0.1:$OPERATIONS
data: $DIR/data
policy: scopes-only
registration:
  mode: open
servers:
  mcp:
    path: /mcp
    url: $UP
`

// operated starts a server with a listener for who runs it.
func operated(t *testing.T, upstream, more string, env ...string) (s *server, operations string) {
	t.Helper()
	port := freePort(t)
	s = protectFile(t, strings.NewReplacer("$OPERATIONS", port, "$UP", upstream).Replace(operatedFile)+more, env...)
	return s, "http://127.0.0.1:" + port
}

func fetched(t *testing.T, address string) answer {
	t.Helper()
	return do(t, http.DefaultClient, request(t, "GET", address, ""))
}

// Who runs it sees reasons and metrics; everybody else sees yes or no, and no metric at all.
func TestOperations(t *testing.T) {
	up := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{"content":[]}}`)
	})
	s, operations := operated(t, up.URL, "")
	_, got := s.connect()
	for host, status := range map[string]int{"evil.example": 421, "evil.example:9090": 421, "127.0.0.1.evil.example": 421, "localhost": 200, "[::1]:9090": 200, "127.0.0.1": 200} {
		r := request(t, "GET", operations+"/metrics", "")
		r.Host = host // a page that has bound its name to this address
		if a := do(t, http.DefaultClient, r); a.StatusCode != status {
			t.Errorf("metrics for %s: %s", host, a.Status)
		}
	}
	for i := range 20 { // names that a caller chooses are no labels
		if a := s.call(got.Access, fmt.Sprintf("made-up-%d", i), "{}"); a.StatusCode != 200 {
			t.Fatalf("%s %s", a.Status, a.body)
		}
	}
	if a := s.call("", "x", "{}"); a.StatusCode != 401 {
		t.Fatal(a.Status)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if a := s.get(path, ""); a.StatusCode != 200 || strings.Contains(a.body, "checks") {
			t.Errorf("%s: %s %s", path, a.Status, a.body)
		}
		if a := fetched(t, operations+path); a.StatusCode != 200 {
			t.Errorf("%s: %s %s", path, a.Status, a.body)
		}
	}
	if a := s.get("/metrics", ""); a.StatusCode != 404 {
		t.Errorf("metrics for everybody: %s", a.Status)
	}
	ready := fetched(t, operations+"/readyz")
	for _, name := range []string{`"database","ok":true,"required":true`, `"revocations","ok":true`, `"signing_key","ok":true`, `"audit_log","ok":true`, `"server mcp","ok":true,"required":false`} {
		if !strings.Contains(ready.body, name) {
			t.Errorf("/readyz has no %s: %s", name, ready.body)
		}
	}
	metrics := fetched(t, operations+"/metrics").body
	for _, want := range []string{
		`doorward_records_total{code="mcp.called",result="done",server="mcp"} 20`, `doorward_refusals_total{code="request.refused",reason="no_token",server="mcp"} 1`,
		`doorward_decision_seconds_count{server="mcp"} 20`, `doorward_request_seconds_count{code="mcp.called",server="mcp"} 20`, `doorward_upstream_well{server="mcp",upstream="` + strings.TrimPrefix(up.URL, "http://") + `"} 1`,
		"doorward_revocations_age_seconds ", "doorward_signing_key_age_seconds ", "doorward_requests_in_flight 0", "doorward_audit_failures_total 0", "doorward_build_info{", "go_goroutines ",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(metrics, "made-up") {
		t.Error("a caller chose a label")
	}
}

// W3C Trace Context: a span of a call is a child of what the client says, in _meta first, and the upstream's a child of ours.
// Spans hold no arguments, and a collector that is gone holds nothing up.
func TestTracing(t *testing.T) {
	var mu sync.Mutex
	var got []*spans.Span
	key := ""
	otlp := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			if z, err := gzip.NewReader(body); err == nil {
				body = z
			}
		}
		b, _ := io.ReadAll(body)
		var e collector.ExportTraceServiceRequest
		if err := proto.Unmarshal(b, &e); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		key = r.Header.Get("X-Key")
		for _, rs := range e.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				got = append(got, ss.Spans...)
			}
		}
	}))
	defer otlp.Close()
	up := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{"content":[]}}`)
	})
	s, _ := operated(t, up.URL, "tracing:\n  endpoint: "+otlp.URL+"/v1/traces\n  headers: {X-Key: '${env:OTEL_KEY}'}\n", "OTEL_KEY=the-key")
	_, tokens := s.connect()
	const inMeta, inHeader = "4bf92f3577b34da6a3ce929d0e0e4736", "0af7651916cd43dd8448eb211c80319c"
	body := strings.Replace(callBody("add", `{"secret":"hunter2"}`), `"_meta":{`, `"_meta":{"traceparent":"00-`+inMeta+`-00f067aa0ba902b7-01",`, 1)
	if a := s.send(tokens.Access, body, append(callHeaders("add"), "Traceparent", "00-"+inHeader+"-b7ad6b7169203331-01")...); a.StatusCode != 200 {
		t.Fatalf("%s %s", a.Status, a.body)
	}
	first := up.last(t).Header.Get("Traceparent")
	if a := s.call(tokens.Access, "add", "{}", "Traceparent", "00-"+inHeader+"-b7ad6b7169203331-01"); a.StatusCode != 200 {
		t.Fatalf("%s %s", a.Status, a.body)
	}
	second := up.last(t).Header.Get("Traceparent")
	if !strings.HasPrefix(first, "00-"+inMeta+"-") || strings.Contains(first, "00f067aa0ba902b7") || !strings.HasPrefix(second, "00-"+inHeader+"-") || strings.Contains(second, "b7ad6b7169203331") {
		t.Errorf("the upstream got %s and %s", first, second)
	}
	s.stop()
	mu.Lock()
	defer mu.Unlock()
	if key != "the-key" {
		t.Errorf("the collector got the key %q", key)
	}
	want := map[string]string{inMeta: "00f067aa0ba902b7", inHeader: "b7ad6b7169203331"}
	for _, span := range got {
		trace := hex.EncodeToString(span.TraceId)
		if parent, ok := want[trace]; ok && span.Name == "tools/call add" && hex.EncodeToString(span.ParentSpanId) == parent && strings.Contains(first+second, hex.EncodeToString(span.SpanId)) {
			delete(want, trace)
		}
		if strings.Contains(span.String(), "hunter2") {
			t.Errorf("a span has an argument: %s", span)
		}
	}
	if len(want) > 0 {
		t.Errorf("no span in %v; there are %v", want, got)
	}
}

// A collector that does not answer holds up neither a call nor the end.
func TestTracingWithoutACollector(t *testing.T) {
	up := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{"content":[]}}`)
	})
	s, _ := operated(t, up.URL, "tracing:\n  endpoint: http://127.0.0.1:1/v1/traces\n")
	_, tokens := s.connect()
	began := time.Now()
	if a := s.call(tokens.Access, "add", "{}"); a.StatusCode != 200 || time.Since(began) > 3*time.Second {
		t.Errorf("%s after %s", a.Status, time.Since(began))
	}
}
