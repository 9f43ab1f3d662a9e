package client_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/client"
)

// Somebody without a browser gets the address, whole and on a line of its own.
func TestShowWritesTheAddress(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var out strings.Builder
	const address = "https://as.example.com/authorize?client_id=a&state=b"
	if err := client.Show(&out)(t.Context(), address); err != nil || !strings.Contains(out.String(), "\n  "+address+"\n") {
		t.Errorf("wrote %q, %v", out.String(), err)
	}
}

func TestAskReadsLines(t *testing.T) {
	ask := client.Ask(strings.NewReader("one\ntwo"), io.Discard)
	for _, want := range []string{"one", "two"} {
		if got, err := ask(t.Context(), ""); err != nil || strings.TrimSpace(got) != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	if _, err := ask(t.Context(), ""); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v, want EOF", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	silent, w := io.Pipe()
	defer w.Close()
	ask = client.Ask(silent, io.Discard)
	if _, err := ask(ctx, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of the sign-in: %v, want Canceled", err)
	}
	go func() { _, _ = io.WriteString(w, "late\n") }()
	if got, err := ask(t.Context(), ""); err != nil || got != "late\n" {
		t.Errorf("the next sign-in gets %q, %v; want the late line", got, err)
	}
	if _, err := client.Ask(strings.NewReader(strings.Repeat("a", 1<<20)), io.Discard)(t.Context(), ""); err == nil {
		t.Error("a line without end: no error")
	}
}
