package audit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/doorward-mcp/doorward/oauth"
)

// Sink keeps an entry and returns when it is as durable as its class asks.
type Sink func(context.Context, Entry) error

// Receipt is proof for the caller: the id of the act's records.
type Receipt struct{ ID string }

// ErrFull is the error of an act that did not run because its intent could not be written.
var ErrFull = errors.New("audit: the log cannot be written")

// Log is the one choke point. It is safe for concurrent use.
type Log struct {
	sink      Sink
	strangers strangers

	mu    sync.Mutex // guards spool
	spool []Entry    // of acts that took power away while the sink failed, oldest first
}

// New is a log that writes to sink.
func New(sink Sink) *Log {
	l := &Log{sink: sink}
	l.strangers.write = l.write
	return l
}

// Intent is proof that the record of an act is written. Only Do makes one that is not zero.
type Intent struct {
	id  string
	now time.Time
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

// Do records the intent, runs act, records the outcome. If the intent cannot be written, act does not run and the error is
// ErrFull, unless the code takes power away: then it runs and its record is spooled. An error of act is returned as it is;
// it stands in the outcome. If only the outcome of a strict act cannot be written, the error is ErrFull too, for then
// nobody may see the answer.
func (l *Log) Do(ctx context.Context, r Record, act func(context.Context, Intent) (Outcome, error)) (Receipt, error) {
	e := Entry{ID: rand.Text(), Phase: PhaseIntent, Class: kinds[r.Code].class, Record: r}
	if err := l.keep(ctx, e); err != nil {
		return Receipt{}, err
	}
	out, err := act(ctx, Intent{e.ID, r.Now})
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
	e := Entry{ID: rand.Text(), Phase: PhaseRefusal, Class: kinds[r.Code].class, Record: r}
	if r.Caller.Subject == "" && !l.strangers.admit(e) {
		return Receipt{e.ID}, nil
	}
	return Receipt{e.ID}, l.keep(context.WithoutCancel(ctx), e)
}

// Close writes what is still counted or spooled.
func (l *Log) Close() error {
	l.strangers.flush()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.unspool(context.Background())
}

// keep writes e, or spools it if its code takes power away.
func (l *Log) keep(ctx context.Context, e Entry) error {
	err := l.write(ctx, e)
	if err == nil {
		return nil
	}
	if !kinds[e.Record.Code].takesPower {
		return fmt.Errorf("%w: %w", ErrFull, err)
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
