package export

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/doorward-mcp/doorward/audit/verify"
)

// OTLP sends records as OpenTelemetry logs over HTTP, in protobuf, to an address such as https://collector.example.com/v1/logs.
// The body of a log record is the record as it is; its event name is the code. Records that the receiver says it refuses are
// written to Slog: the protocol forbids to send them again. URL, Client, Slog and Now must be there.
type OTLP struct {
	URL     string
	Header  http.Header // such as Authorization; may be nil
	Origin  string      // of the log
	Version string      // of this program
	Client  *http.Client
	Slog    *slog.Logger
	Now     func() time.Time
}

// Send is a Send.
func (o *OTLP) Send(ctx context.Context, r Records) error {
	// LogsData and ExportLogsServiceRequest are the same on the wire; the latter's package would link gRPC.
	body, err := proto.Marshal(&logs.LogsData{ResourceLogs: []*logs.ResourceLogs{{
		Resource: &resource.Resource{Attributes: []*common.KeyValue{
			text("service.name", "doorward"), text("service.version", o.Version), text("doorward.audit.origin", o.Origin),
		}},
		ScopeLogs: []*logs.ScopeLogs{{
			Scope:      &common.InstrumentationScope{Name: "github.com/doorward-mcp/doorward/audit", Version: o.Version},
			LogRecords: o.records(r),
		}},
	}}})
	if err != nil {
		return fmt.Errorf("writing records for OTLP: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("addressing the OTLP receiver: %w", err)
	}
	for name, values := range o.Header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	answer, err := post(o.Client, req)
	if err != nil {
		return err
	}
	if n, why := rejected(answer); n > 0 {
		o.Slog.ErrorContext(ctx, "an OTLP receiver refused audit records for good", "records", n, "of", len(r), "first", r[0].Index, "reason", why)
	}
	return nil
}

func (o *OTLP) records(all Records) []*logs.LogRecord {
	out := make([]*logs.LogRecord, len(all))
	now := o.Now()
	for i, r := range all {
		hash := tlog.RecordHash(r.Raw)
		one := &logs.LogRecord{
			ObservedTimeUnixNano: uint64(now.UnixNano()),
			EventName:            r.Entry.Code,
			Body:                 &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: strings.ToValidUTF8(string(r.Raw), "\uFFFD")}},
			Attributes: []*common.KeyValue{
				{Key: "doorward.audit.index", Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: r.Index}}},
				text("doorward.audit.hash", base64.StdEncoding.EncodeToString(hash[:])),
				text("doorward.audit.id", r.Entry.ID), text("doorward.audit.phase", r.Entry.Phase), text("doorward.audit.result", r.Entry.Result),
			},
		}
		if at, err := time.Parse(time.RFC3339Nano, r.Entry.Time); err == nil {
			one.TimeUnixNano = uint64(at.UnixNano())
		}
		one.SeverityNumber, one.SeverityText = grave(r.Entry)
		one.TraceId, one.SpanId = trace(r.Entry.Trace)
		out[i] = one
	}
	return out
}

// grave is the severity of the OpenTelemetry logs data model, by that of syslog.
func grave(e verify.Entry) (logs.SeverityNumber, string) {
	switch severity(e) {
	case 2:
		return logs.SeverityNumber_SEVERITY_NUMBER_FATAL, "FATAL"
	case 4:
		return logs.SeverityNumber_SEVERITY_NUMBER_WARN, "WARN"
	case 5:
		return logs.SeverityNumber_SEVERITY_NUMBER_INFO2, "INFO2"
	}
	return logs.SeverityNumber_SEVERITY_NUMBER_INFO, "INFO"
}

// trace reads a traceparent (W3C Trace Context §3.2.2); nil if it is none.
func trace(parent string) (id, span []byte) {
	parts := strings.Split(parent, "-")
	if len(parts) < 4 || len(parts[1]) != 32 || len(parts[2]) != 16 {
		return nil, nil
	}
	id, err := hex.DecodeString(parts[1])
	if err != nil {
		return nil, nil
	}
	if span, err = hex.DecodeString(parts[2]); err != nil {
		return nil, nil
	}
	return id, span
}

func text(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}

// rejected reads ExportLogsServiceResponse: partial_success (1) has rejected_log_records (1) and error_message (2).
func rejected(answer []byte) (n int64, why string) {
	eachField(answer, func(number protowire.Number, _ uint64, partial []byte) {
		if number != 1 {
			return
		}
		eachField(partial, func(number protowire.Number, value uint64, b []byte) {
			switch number {
			case 1:
				n = int64(value)
			case 2:
				why = string(b)
			}
		})
	})
	return n, why
}

// eachField goes through a protobuf message. What is no such message is as if it ended.
func eachField(b []byte, each func(number protowire.Number, value uint64, content []byte)) {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return
		}
		b = b[n:]
		var value uint64
		var content []byte
		switch kind {
		case protowire.VarintType:
			value, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			content, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(number, kind, b)
		}
		if n < 0 {
			return
		}
		each(number, value, content)
		b = b[n:]
	}
}
