package main

import (
	"context"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/doorward-mcp/doorward/config"
)

// openTracer sends spans where the configuration says; a nil Tracer: nowhere. What cannot be sent is dropped: no call waits
// for a collector.
func openTracer(ctx context.Context, c config.Config, version string) (trace.Tracer, func() error, error) {
	if c.Tracing == nil {
		return nil, func() error { return nil }, nil
	}
	headers, err := c.Tracing.Reveal(lookup)
	if err != nil {
		return nil, nil, usage("tracing: %w", err)
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(c.Tracing.Endpoint), otlptracehttp.WithHeaders(single(headers)), otlptracehttp.WithTimeout(10*time.Second))
	if err != nil {
		return nil, nil, usage("tracing: %w", err)
	}
	percent := c.Tracing.Percent
	if percent == 0 {
		percent = 100
	}
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(float64(percent)/100))),
		sdk.WithResource(resource.NewSchemaless(semconv.ServiceName("doorward"), semconv.ServiceVersion(version))))
	end := func() error {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
		defer cancel()
		_ = provider.Shutdown(last) // a collector that is gone is no reason to end badly
		return nil
	}
	return provider.Tracer("github.com/doorward-mcp/doorward"), end, nil
}

// single is a header of one value each.
func single(h http.Header) map[string]string {
	all := map[string]string{}
	for name := range h {
		all[name] = h.Get(name)
	}
	return all
}
