package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/token"
)

// CallerHeader tells an upstream who calls, as a signed assertion. One that comes in is never passed on.
const CallerHeader = "Doorward-Caller"

// Static sets the same headers for every call: an upstream's own key.
func Static(h http.Header) Credential {
	return func(_ context.Context, _ guard.Call, out http.Header) error {
		for name, v := range h {
			out[name] = v
		}
		return nil
	}
}

// Caller sets CallerHeader, signed with ring and meant for upstream alone. An assertion serves a token's calls for half
// its life, so that a call need not wait for a signature. Of a caller whom nobody knows nothing is said.
func Caller(ring func() *token.Ring, upstream string) Credential {
	made := otter.Must(&otter.Options[string, assertion]{MaximumSize: 100_000})
	return func(_ context.Context, c guard.Call, out http.Header) error {
		if c.Caller.Subject == "" {
			return nil
		}
		now, key := c.Request.Now, c.Caller.ID
		// RFC 7519 §4.1.7: jti is optional. Other issuers may give none, or one that several tokens of a person share, and what
		// an issuer that is asked says of a token may be another thing the next time.
		if key == "" || c.Caller.Foreign {
			key = identity(c.Caller)
		}
		a, ok := made.GetIfPresent(key)
		if !ok || a.of != c.Caller.Principal || now.Sub(a.made) >= token.CallerLifetime/2 || now.Before(a.made) {
			text, err := ring().Caller(now, upstream, c.Caller)
			if err != nil {
				return err
			}
			a = assertion{text, c.Caller.Principal, now}
			made.Set(key, a)
		}
		out.Set(CallerHeader, a.text)
		return nil
	}
}

type assertion struct {
	text string
	of   token.Principal // two issuers may give the same jti
	made time.Time
}

// All sets what each of them sets, in order.
func All(each ...Credential) Credential {
	return func(ctx context.Context, c guard.Call, h http.Header) error {
		for _, set := range each {
			if err := set(ctx, c, h); err != nil {
				return err
			}
		}
		return nil
	}
}
