package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/mcp"
)

// propagator reads and writes traceparent and tracestate (W3C Trace Context). Baggage is what a client wants others to know,
// and goes no further.
var propagator = propagation.TraceContext{}

// trace begins the span of an admitted call, as a child of what the client says: in _meta, or else in the headers. Arguments,
// addresses of resources and session ids are no attributes: spans go to places that are read by many.
func (s *Server) trace(life context.Context, r *http.Request, c guard.Call) (context.Context, trace.Span) {
	if s.c.Tracer == nil {
		return life, nil
	}
	parent := propagator.Extract(context.Background(), propagation.HeaderCarrier(r.Header))
	name, attributes := r.Method, []attribute.KeyValue{
		attribute.String("mcp.protocol.version", string(c.Message.Revision)), attribute.String("doorward.server", c.Server), attribute.String("doorward.request", c.Request.ID)}
	if all := c.Message.Operations; len(all) == 1 && all[0].Method != "" {
		op := all[0]
		parent = within(parent, op)
		name = short(op.Method)
		attributes = append(attributes, attribute.String("mcp.method.name", name))
		switch item, _ := op.Item(); item.Kind {
		case mcp.ItemTool:
			name += " " + short(op.Name)
			attributes = append(attributes, attribute.String("gen_ai.tool.name", short(op.Name)))
		case mcp.ItemPrompt:
			name += " " + short(op.Name)
			attributes = append(attributes, attribute.String("gen_ai.prompt.name", short(op.Name)))
		}
	}
	_, span := s.c.Tracer.Start(parent, name, trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(c.Request.Now), trace.WithAttributes(attributes...))
	return trace.ContextWithSpan(life, span), span
}

// short is as much of a name as goes into a span: callers make names up, as long as a body may be.
func short(name string) string { return strings.ToValidUTF8(name[:min(len(name), 128)], "") }

// within is the parent that a request names in its _meta, where 2026-07-28 has it; else the one that is known.
func within(known context.Context, op mcp.Operation) context.Context {
	var params struct {
		Meta struct {
			Parent string `json:"traceparent"`
			State  string `json:"tracestate"`
		} `json:"_meta"`
	}
	if json.Unmarshal(op.Params, &params) != nil || params.Meta.Parent == "" {
		return known
	}
	return propagator.Extract(known, propagation.MapCarrier{"traceparent": params.Meta.Parent, "tracestate": params.Meta.State})
}

// carry has the upstream's spans be children of ours. Without a tracer what the client said goes on as it is.
func carry(ctx context.Context, h http.Header) {
	if trace.SpanContextFromContext(ctx).IsValid() {
		propagator.Inject(ctx, propagation.HeaderCarrier(h))
	}
}

// traced ends a span with what came of the call.
func traced(span trace.Span, out audit.Outcome, err error) {
	if span == nil {
		return
	}
	if err != nil || out.Result == "failed" || out.Result == "upstream" {
		span.SetStatus(codes.Error, out.Reason)
		span.SetAttributes(attribute.String("error.type", out.Reason))
	}
	span.End()
}
