package audit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorward-mcp/doorward/oauth"
)

// Sink keeps an entry and returns when it is as durable as its class asks.
type Sink func(context.Context, Entry) error

// Receipt is proof for the caller: the id of the act's records.
type Receipt struct{ ID string }

// unavailable is what whoever asked is told of ErrFull.
var unavailable = &oauth.Error{Status: 503, Code: "temporarily_unavailable", Reason: "audit_log", RetryAfter: 5,
	Description: "what is asked for must be recorded first, and the audit log cannot be written at the moment; nothing was done. Try again"}

// Log is the one choke point. It is safe for concurrent use.
type Log struct {
	sink      Sink
	strangers strangers
	levels    atomic.Pointer[Levels]

	mu    sync.Mutex // guards spool
	spool []Entry    // of acts that took power away while the sink failed, oldest first
}

// New is a log that writes to sink.
func New(sink Sink) *Log {
	l := &Log{sink: sink}
	l.strangers.write = l.write
	return l
}

// SetLevels says how much of each call is recorded from now on.
func (l *Log) SetLevels(all Levels) { l.levels.Store(&all) }

func (l *Log) level(r *Record) Level {
	if all := l.levels.Load(); all != nil {
		return all.of(r)
	}
	return Levels(nil).of(r)
}

// Intent is proof that the record of an act is written. Only Do makes one that is not zero.
type Intent struct {
	id    string
	now   time.Time
	level Level
}

// Now is the act's time: the store's only clock for changes. It panics for an Intent that Do did not make.
func (i Intent) Now() time.Time {
	if i.id == "" {
		panic("audit: an act without a record")
	}
	return i.now
}

// ID is the receipt's id, known before the answer begins.
func (i Intent) ID() string { return i.id }

// Full reports whether the answer is recorded too: then the act gives it in its Outcome.
func (i Intent) Full() bool { return i.level.atLeast(LevelFull) }

// Do records the intent, runs act, records the outcome. If the intent cannot be written, act does not run and the error is
// ErrFull, unless the code takes power away: then it runs and its record is spooled. An error of act is returned as it is;
// it stands in the outcome. If only the outcome of a strict act cannot be written, the error is ErrFull too, for then
// nobody may see the answer.
func (l *Log) Do(ctx context.Context, r Record, act func(context.Context, Intent) (Outcome, error)) (Receipt, error) {
	e := Entry{ID: rand.Text(), Phase: PhaseIntent, Class: kinds[r.Code].class, Level: l.level(&r), Record: r}
	if err := l.keep(ctx, e); err != nil {
		return Receipt{}, err
	}
	out, err := act(ctx, Intent{e.ID, r.Now, e.Level})
	e.Phase, e.Outcome = PhaseOutcome, judged(out, err)
	// The outcome is written also when whoever asked has gone away.
	if lost := l.keep(context.WithoutCancel(ctx), e); lost != nil && err == nil && e.Class == Strict {
		return Receipt{e.ID}, lost
	}
	return Receipt{e.ID}, err
}

// judged completes an outcome from the act's error, where the act has not said itself what came of it.
func judged(out Outcome, err error) Outcome {
	var refused *oauth.Error
	switch {
	case err != nil && out.Result != "" && out.Result != "done":
	case errors.As(err, &refused):
		out.Result, out.Reason = "refused", refused.Reason
	case err != nil:
		out.Result, out.Reason = "failed", "internal"
	case out.Result == "":
		out.Result = "done"
	}
	return out
}

// Refused records a refusal, for which there is no act. Refusals without a verified caller are counted per source and
// code and written as one record a second, so that a stranger cannot fill the log.
func (l *Log) Refused(ctx context.Context, r Record) (Receipt, error) {
	e := Entry{ID: rand.Text(), Phase: PhaseRefusal, Class: kinds[r.Code].class, Level: l.level(&r), Record: r}
	if r.Caller.Subject == "" {
		e.Class = Bounded // of whatever code: a full log keeps nobody from being refused
		if !l.strangers.admit(e) {
			return Receipt{e.ID}, nil
		}
	}
	return Receipt{e.ID}, l.keep(context.WithoutCancel(ctx), e)
}

// TakesPower reports whether acts of this code happen also when they cannot be recorded at once.
func (c Code) TakesPower() bool { return kinds[c].takesPower }

// Close writes what is still counted or spooled.
func (l *Log) Close() error {
	l.strangers.flush()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.unspool(context.Background())
}

// keep writes e, or spools it if its code takes power away.
func (l *Log) keep(ctx context.Context, e Entry) error {
	if e.Level == LevelNone {
		return nil
	}
	err := l.write(ctx, e)
	if err == nil {
		return nil
	}
	if !e.Record.Code.TakesPower() {
		return fmt.Errorf("%w: %w: %w", ErrFull, unavailable, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spool = append(l.spool, e)
	return nil
}

func (l *Log) write(ctx context.Context, e Entry) error {
	l.mu.Lock()
	err := l.unspool(ctx)
	l.mu.Unlock()
	if err != nil {
		return err
	}
	return l.sink(ctx, e)
}

// unspool writes what waited, in order. The caller holds mu.
func (l *Log) unspool(ctx context.Context) error {
	for len(l.spool) > 0 {
		if err := l.sink(ctx, l.spool[0]); err != nil {
			return err
		}
		l.spool = l.spool[1:]
	}
	return nil
}
