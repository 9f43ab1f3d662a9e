package gateway

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/token"
)

// Why an answer ends before its upstream ends it.
var (
	errGone    = errors.New("the client went away")
	errExpired = errors.New("the token expired")
	errRevoked = errors.New("the token was taken back")
)

// cut is the outcome of an answer that was broken off, with why.
func cut(out audit.Outcome, err error) audit.Outcome {
	switch {
	case err == nil:
	case errors.Is(err, errGone):
		out.Result, out.Reason = "failed", "gone"
	case errors.Is(err, errExpired):
		out.Result, out.Reason = "refused", "expired"
	case errors.Is(err, errRevoked):
		out.Result, out.Reason = "refused", "revoked"
	case errors.Is(err, errStray):
		out.Result, out.Reason = "upstream", codeList
	default:
		out.Result, out.Reason = "upstream", codeBroken
	}
	return out
}

// lifetime is the context of an upstream request. Closing the stream cancels in 2026-07-28, and a stream that the client
// opened ends with it in every revision; a call of an older revision goes on when its client is gone (MCP 2025-11-25,
// Transports: disconnection is not cancellation).
func (s *Server) lifetime(ctx context.Context, c guard.Call) (context.Context, context.CancelCauseFunc) {
	if c.Message.Revision.ClosingCancels() || opensStream(c) {
		return context.WithCancelCause(ctx)
	}
	life, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { // the client is gone
		late := time.AfterFunc(patience, func() { cancel(errGone) })
		context.AfterFunc(life, func() { late.Stop() })
	})
	return life, func(cause error) { stop(); cancel(cause) }
}

// patience is how long a call may go on when nobody waits for it any more.
const patience = 10 * time.Minute

func opensStream(c guard.Call) bool {
	for _, op := range c.Message.Operations {
		if op.Kind == mcp.KindStream || op.Method == "subscriptions/listen" {
			return true
		}
	}
	return false
}

// attend watches over a call that lasts: nearly all are over before it would be worth a goroutine. What it gives stops it.
func (s *Server) attend(life context.Context, c guard.Call, end context.CancelCauseFunc) (stop func() bool) {
	if s.c.Revocations == nil && !opensStream(c) {
		return func() bool { return true }
	}
	return time.AfterFunc(soon, func() { s.watch(c, life.Done(), end) }).Stop
}

// soon is when a call begins to last. It is well within the second in which a token that is taken back must be of no use.
const soon = 250 * time.Millisecond

// watch ends a call when its token is taken back, and a stream that the client opened when it expires, too: the token was
// good when it began, and a stream may last for days. The specification is silent here. Calls that are answered once are
// left to finish when the token expires. watch returns when done is closed.
func (s *Server) watch(c guard.Call, done <-chan struct{}, end context.CancelCauseFunc) {
	var expired <-chan struct{}
	if opensStream(c) {
		ctx, cancel := context.WithDeadline(context.Background(), c.Caller.End().Add(token.Leeway))
		defer cancel()
		expired = ctx.Done()
	}
	for {
		var changed <-chan struct{}
		if s.c.Revocations != nil {
			changed = s.c.Revocations.Changed()
			if s.c.Revocations.Revoked(c.Caller) {
				end(errRevoked)
				return
			}
		}
		select {
		case <-done:
			return
		case <-expired:
			end(errExpired)
			return
		case <-changed:
		}
	}
}

// streams reports whether an answer is one that can last.
func streams(res *http.Response) bool {
	return mediaType(res) == "text/event-stream"
}
