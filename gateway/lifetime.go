package gateway

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/guard"
)

// errGone is why an answer ends before its upstream ends it, besides guard.ErrExpired and guard.ErrRevoked.
var errGone = errors.New("the client went away")

// cut is the outcome of an answer that was broken off, with why.
func cut(out audit.Outcome, err error) audit.Outcome {
	switch {
	case err == nil:
	case errors.Is(err, errGone):
		out.Result, out.Reason = "failed", "gone"
	case errors.Is(err, guard.ErrExpired):
		out.Result, out.Reason = "refused", "expired"
	case errors.Is(err, guard.ErrRevoked):
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
	if c.Message.Revision.ClosingCancels() || c.OpensStream() {
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

// streams reports whether an answer is one that can last.
func streams(res *http.Response) bool {
	return mediaType(res) == "text/event-stream"
}
