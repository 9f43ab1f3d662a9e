package guard

import (
	"bytes"
	"context"
	"io"
	"net/http"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/internal/request"
)

// Protect admits and records calls to a Go server. next finds the Call with From; it gets the body that was judged, and
// not the token.
func (g *Guard) Protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = request.Begin(r, g.c.Now, nil)
		call, err := g.Admit(r)
		if err != nil {
			g.Refuse(w, r, err)
			return
		}
		if call.Nonce != "" {
			w.Header().Set("DPoP-Nonce", call.Nonce)
		}
		_, err = g.c.Log.Do(r.Context(), call.Record(), func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
			w.Header().Set("Doorward-Receipt", in.ID())
			seen := &status{ResponseWriter: w, code: http.StatusOK}
			next.ServeHTTP(seen, call.forward(r.WithContext(ctx)))
			if seen.code >= 400 {
				return audit.Outcome{Result: "failed", Reason: http.StatusText(seen.code)}, nil
			}
			return audit.Outcome{}, nil
		})
		if err != nil {
			g.Refuse(w, r, err)
		}
	})
}

// forward is r with the judged body, without credentials or what only a gateway may say, and with the call in its context.
func (c Call) forward(r *http.Request) *http.Request {
	r = r.WithContext(context.WithValue(r.Context(), key{}, c))
	r.Header = r.Header.Clone()
	r.Header.Del("Authorization")
	r.Header.Del("DPoP")
	r.Header.Del("Cookie")
	r.Header.Del("Doorward-Caller")
	if c.Message.Body != nil {
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(c.Message.Body)), int64(len(c.Message.Body))
	}
	return r
}

type key struct{}

// From is the call that Protect admitted; ok is false outside of it.
func From(ctx context.Context) (c Call, ok bool) {
	c, ok = ctx.Value(key{}).(Call)
	return c, ok
}

// status remembers the status that was answered.
type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) { s.code = code; s.ResponseWriter.WriteHeader(code) }

// Unwrap lets http.ResponseController reach Flush.
func (s *status) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// Flush is for servers that ask for an http.Flusher rather than a ResponseController.
func (s *status) Flush() { _ = http.NewResponseController(s.ResponseWriter).Flush() }
