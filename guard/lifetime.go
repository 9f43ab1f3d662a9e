package guard

import (
	"context"
	"errors"
	"time"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/token"
)

// Why the context of a call ends before its answer does: context.Cause tells.
var (
	errExpired = errors.New("the token expired")
	errRevoked = errors.New("the token was taken back")
)

// soon is when a call begins to last, and is worth a goroutine: well within the second in which a token that is taken back
// must be of no use.
const soon = 250 * time.Millisecond

// lifetime is the context of a call: it ends when its token is taken back, and that of a stream which the client opened when
// it expires, too, for a stream may last for days. A call that is answered once may finish. stop must be called.
func (g *Guard) lifetime(ctx context.Context, c Call) (life context.Context, stop func()) {
	stream := c.opensStream()
	if g.c.Revocations == nil && !stream {
		return ctx, func() {}
	}
	life, end := context.WithCancelCause(ctx)
	var timers []*time.Timer
	if stream {
		left := c.Caller.End().Add(token.Leeway).Sub(c.Request.Now)
		timers = append(timers, time.AfterFunc(left, func() { end(errExpired) }))
	}
	if g.c.Revocations != nil {
		timers = append(timers, time.AfterFunc(soon, func() { g.watch(life, c, end) }))
	}
	return life, func() {
		for _, t := range timers {
			t.Stop()
		}
		end(context.Canceled)
	}
}

// watch ends a call when its token is taken back. It returns when the call has ended.
func (g *Guard) watch(life context.Context, c Call, end context.CancelCauseFunc) {
	for {
		changed := g.c.Revocations.Changed() // before the look: what changes in between is not missed
		if g.c.Revocations.Revoked(c.Caller) {
			end(errRevoked)
			return
		}
		select {
		case <-life.Done():
			return
		case <-changed:
		}
	}
}

func (c Call) opensStream() bool {
	for _, op := range c.Message.Operations {
		if op.Kind == mcp.KindStream || op.Method == "subscriptions/listen" {
			return true
		}
	}
	return false
}
