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
// not the token. A session that next begins belongs to its caller: another's request for it is answered 404 without next.
// The request's context ends when the token is taken back, and for a stream when it expires; next ends its answer then.
func (g *Guard) Protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = request.Begin(r, g.c.Now, nil)
		call, err := g.Admit(r)
		if err != nil {
			g.Refuse(w, r, err)
			return
		}
		defer g.Done(call)
		if call.Nonce != "" {
			w.Header().Set("DPoP-Nonce", call.Nonce)
		}
		if call, err = g.unbind(call); err != nil {
			g.Refuse(w, r, g.lostSession(r, call, err))
			return
		}
		_, err = g.c.Log.Do(r.Context(), call.Record(), func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
			w.Header().Set("Doorward-Receipt", in.ID())
			ctx, stop := g.lifetime(ctx, call)
			defer stop()
			seen := &answer{ResponseWriter: w, g: g, call: call, code: http.StatusOK}
			next.ServeHTTP(seen, call.forward(r.WithContext(ctx)))
			if seen.begin(); seen.code >= 400 {
				return audit.Outcome{Result: "failed", Reason: http.StatusText(seen.code)}, nil
			}
			return audit.Outcome{}, nil
		})
		if err != nil {
			g.Refuse(w, r, err)
		}
	})
}

// forward is r with the judged body and the server's own session id, without credentials or what only a gateway may say, and
// with the call in its context.
func (c Call) forward(r *http.Request) *http.Request {
	r = r.WithContext(c.In(r.Context()))
	r.Header = r.Header.Clone()
	r.Header.Del("Authorization")
	r.Header.Del("DPoP")
	r.Header.Del("Cookie")
	r.Header.Del("Doorward-Caller")
	r.Header.Del(sessionHeader)
	if c.Message.Session != "" {
		r.Header.Set(sessionHeader, c.Message.Session)
	}
	if c.Message.Body != nil {
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(c.Message.Body)), int64(len(c.Message.Body))
	}
	return r
}

type key struct{}

// From is the call that Protect admitted; ok is false outside of it.
func From(ctx context.Context) (c Call, ok bool) {
	c, ok = ctx.Value(key{}).(Call)
	return c, ok && c.Server != ""
}

// In is ctx with c where From finds it, for servers that run a call under another context than its request's. Of the zero
// Call, From finds nothing.
func (c Call) In(ctx context.Context) context.Context { return context.WithValue(ctx, key{}, c) }

// answer remembers the status that was answered, and binds the session that the server began to the caller.
type answer struct {
	http.ResponseWriter
	g     *Guard
	call  Call
	code  int
	begun bool
}

func (a *answer) WriteHeader(code int) {
	a.begin()
	if code >= 200 { // an informational answer is followed by another
		a.code = code
	}
	a.ResponseWriter.WriteHeader(code)
}

func (a *answer) Write(b []byte) (int, error) {
	a.begin()
	return a.ResponseWriter.Write(b)
}

// begin comes before the first byte of the answer goes out.
func (a *answer) begin() {
	if a.begun {
		return
	}
	a.begun = true
	h := a.Header()
	if id := h.Get(sessionHeader); id != "" {
		h.Set(sessionHeader, a.g.bind(a.call, id))
	}
}

// Flush is for servers that ask for an http.Flusher.
func (a *answer) Flush() { _ = a.FlushError() }

// FlushError is for http.ResponseController.
func (a *answer) FlushError() error {
	a.begin()
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// Unwrap lets http.ResponseController reach deadlines.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
