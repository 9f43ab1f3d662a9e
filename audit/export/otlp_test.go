package export_test

import (
	"bytes"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/doorward-mcp/doorward/audit/export"
	"github.com/doorward-mcp/doorward/audit/verify"
)

func TestOTLPSendsLogRecords(t *testing.T) {
	raw := encode(t, verify.Entry{ID: "a", Code: "mcp.refused", Phase: verify.Refusal, Reason: "no_scope", Time: "2026-11-22T12:00:00.5Z",
		Trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
	var data logs.LogsData
	var kind, token string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		kind, token = r.Header.Get("Content-Type"), r.Header.Get("Authorization")
		if err := proto.Unmarshal(b, &data); err != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	defer s.Close()
	o := &export.OTLP{URL: s.URL + "/v1/logs", Header: http.Header{"Authorization": {"Bearer x"}}, Origin: "example.com/audit", Version: "1", Client: s.Client(), Slog: slog.New(slog.DiscardHandler), Now: now}
	if err := o.Send(t.Context(), records(t, 41, raw)); err != nil {
		t.Fatal(err)
	}
	if kind != "application/x-protobuf" || token != "Bearer x" {
		t.Errorf("the headers are %q and %q", kind, token)
	}
	r := data.ResourceLogs[0].ScopeLogs[0].LogRecords[0]
	if r.Body.GetStringValue() != string(raw) || r.EventName != "mcp.refused" || r.Attributes[0].Value.GetIntValue() != 41 {
		t.Errorf("the log record is %v", r)
	}
	if hex.EncodeToString(r.TraceId) != "0af7651916cd43dd8448eb211c80319c" || hex.EncodeToString(r.SpanId) != "b7ad6b7169203331" {
		t.Errorf("the trace is %x, %x", r.TraceId, r.SpanId)
	}
	if r.TimeUnixNano != uint64(now().UnixNano())+5e8 || r.SeverityText != "INFO2" {
		t.Errorf("the time is %d, the severity %s", r.TimeUnixNano, r.SeverityText)
	}
}

// OTLP: what a receiver says it rejected must not be sent again. It is not passed over in silence.
func TestOTLPTellsWhatWasRejected(t *testing.T) {
	partial := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 2)
	partial = protowire.AppendString(protowire.AppendTag(partial, 2, protowire.BytesType), "too old")
	answer := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), partial)
	for name, c := range map[string]struct {
		answer []byte
		said   bool
	}{"some": {answer, true}, "none": {nil, false}, "nonsense": {[]byte("\xff\xff"), false}} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(c.answer) }))
		var log bytes.Buffer
		o := &export.OTLP{URL: s.URL, Client: s.Client(), Slog: slog.New(slog.NewTextHandler(&log, nil)), Now: now}
		if err := o.Send(t.Context(), records(t, 0, some(t, 0, 5)...)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if strings.Contains(log.String(), "records=2 of=5 first=0 reason=\"too old\"") != c.said {
			t.Errorf("%s: the log says %q", name, log.String())
		}
		s.Close()
	}
}

func TestOTLPIsSentAgainAfterAnError(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	defer s.Close()
	o := &export.OTLP{URL: s.URL, Client: s.Client(), Slog: slog.New(slog.DiscardHandler), Now: now}
	if err := o.Send(t.Context(), records(t, 0, some(t, 0, 1)...)); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("the error is %v", err)
	}
}
