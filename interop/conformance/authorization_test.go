//go:build conformance

package conformance

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/interop/installation"
	"github.com/doorward-mcp/doorward/interop/person"
)

// TestAuthorization runs the suite's scenarios for authorization servers against `doorward protect`. The suite waits for
// a person: it prints an address and listens at its callback. This test is the person.
func TestAuthorization(t *testing.T) {
	t.Parallel()
	i := installation.Protect(t)
	who := installation.SignedIn(t, i)
	for _, revision := range []string{"2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"} {
		t.Run(revision, func(t *testing.T) {
			_, port, err := net.SplitHostPort(installation.FreeAddress(t))
			if err != nil {
				t.Fatal(err)
			}
			client := installation.Register(t, i, "http://127.0.0.1:"+port+"/callback")
			// The suite would wait five minutes for somebody who cannot come.
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			visit := func(line string) {
				address := strings.TrimSpace(line)
				if !strings.HasPrefix(address, i.Issuer) || !strings.Contains(address, "response_type=code") {
					return
				}
				go func() {
					if err := arrive(ctx, who, address); err != nil {
						t.Errorf("signing in: %v", err)
						cancel()
					}
				}()
			}
			judged.judge(t, conformance(ctx, "authorization", revision, everything, visit, "authorization",
				"--url", i.Issuer, "--client-id", client, "--resource", i.Resource, "--port", port))
		})
	}
}

// arrive authorizes the suite's client and calls its callback, as the browser would.
func arrive(ctx context.Context, who *person.Person, address string) error {
	back, err := who.Authorize(ctx, address)
	if err != nil {
		return err
	}
	// The suite prints the address before its callback listens: a refused connection has delivered nothing.
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, back.String(), nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(r)
		switch {
		case err == nil:
			return res.Body.Close()
		case !errors.Is(err, syscall.ECONNREFUSED):
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}
