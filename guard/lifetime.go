package guard

import (
	"context"
	"errors"
	"time"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/token"
)

// Why a call ends before its answer does: the cause of its context's end.
var (
	ErrExpired = errors.New("the token expired")
	ErrRevoked = errors.New("the token was taken back")
)

// soon is when a call begins to last, and is worth a goroutine: well within the second in which a token that is taken back
// must be of no use.
const soon = 250 * time.Millisecond

// lifetime is the context of a call under Protect. stop must be called.
func (g *Guard) lifetime(ctx context.Context, c Call) (life context.Context, stop func()) {
	if g.c.Revocations == nil && !c.OpensStream() {
		return ctx, func() {}
	}
	life, end := context.WithCancelCause(ctx)
	leave := g.Attend(life, c, end)
	return life, func() { leave(); end(context.Canceled) }
}

// Attend watches over an admitted call: it ends life with ErrRevoked when the token is taken back, and that of a stream which the
// client opened with ErrExpired when the token expires, for the token was good when it began and a stream may last for days.
// The specification is silent here. A call that is answered once may finish when its token expires. stop must be called.
func (g *Guard) Attend(life context.Context, c Call, end context.CancelCauseFunc) (stop func()) {
	var expiry, news *time.Timer
	if c.OpensStream() {
		expiry = time.AfterFunc(c.Caller.End().Add(token.Leeway).Sub(c.Request.Now), func() { end(ErrExpired) })
	}
	if g.c.Revocations != nil {
		news = time.AfterFunc(soon, func() { g.watch(life, c, end) })
	}
	return func() {
		for _, t := range [...]*time.Timer{expiry, news} {
			if t != nil {
				t.Stop()
			}
		}
	}
}

// watch ends a call when its token is taken back. It returns when the call has ended.
func (g *Guard) watch(life context.Context, c Call, end context.CancelCauseFunc) {
	for {
		changed := g.c.Revocations.Changed() // before the look: what changes in between is not missed
		if g.c.Revocations.Revoked(c.Caller) {
			end(ErrRevoked)
			return
		}
		select {
		case <-life.Done():
			return
		case <-changed:
		}
	}
}

// OpensStream reports whether the call opens a stream for what the server has to say by itself.
func (c Call) OpensStream() bool {
	for _, op := range c.Message.Operations {
		if op.Kind == mcp.KindStream || op.Method == "subscriptions/listen" {
			return true
		}
	}
	return false
}
