package audit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorward-mcp/doorward/audit/verify"
)

// JournalConfig is what a Journal needs. All of it must be there.
type JournalConfig struct {
	Origin      string // name of the log and of its keys, such as mcp.example.com/audit
	Node        string // name of this process's place, the same after a restart
	Leaves      Leaves
	Checkpoints Checkpoints
	Vault       Vault
	Keys        *Keyring
	Now         func() time.Time
	Slog        *slog.Logger
}

// Journal writes one process's records to the log: it numbers them, commits many at once, and signs what has become of the
// tree. Write is a Sink. It is safe for concurrent use.
//
//	Write ─► line ─► one writer: number, encode, Append ─► durable: whoever waits goes on
//	                                                     ─► signer, off the path: checkpoints, marks
type Journal struct {
	c    JournalConfig
	boot string

	line line
	days atomic.Pointer[day]

	// Of the writer's goroutine alone.
	seq    int64
	open   map[string]int64 // :: id of an intent → index of it, as long as it has no outcome
	marked time.Time        // when the floor was last found

	floor   atomic.Int64 // of the mark: intents before it have their outcomes
	durable atomic.Int64 // records that this process knows to be durable, all processes' together
	signing sync.Mutex   // held while a checkpoint is made
	ended   chan struct{}
	stop    context.CancelFunc
	working sync.WaitGroup
}

// Bounds of a Journal. Their sum bounds what waits in memory.
const (
	most     = 1024                  // records of one commit
	atRisk   = 1000                  // records of lists and floods that wait at most
	patience = 50 * time.Millisecond // how long lists and floods wait for company
	late     = 2 * time.Second       // a commit that takes longer stops strict calls
	grace    = 10 * time.Second      // at the end, for what waits
	room     = 10_000                // records that wait without anybody waiting for them
)

// OpenJournal begins to write: what an earlier process of this node left open is closed as unknown, and a notice says that a
// new one has begun. Close ends it.
func OpenJournal(ctx context.Context, c JournalConfig) (*Journal, error) {
	if c.Origin == "" || c.Node == "" || c.Leaves == nil || c.Checkpoints == nil || c.Vault == nil || c.Keys == nil || c.Now == nil || c.Slog == nil {
		return nil, errors.New("opening the audit log: something of its configuration is missing")
	}
	j := &Journal{c: c, boot: rand.Text()[:16], open: map[string]int64{}, ended: make(chan struct{})}
	j.line.init()
	if err := j.begin(ctx); err != nil {
		return nil, fmt.Errorf("opening the audit log: %w", err)
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	j.stop = stop
	j.working.Go(func() { j.write(running) })
	j.working.Go(func() { j.sign(running) })
	j.working.Go(func() { j.mind(running) })
	return j, nil
}

// Close writes what waits, signs the tree as it is, and ends.
func (j *Journal) Close() error {
	j.line.end()
	select {
	case <-j.ended:
	case <-time.After(grace):
	}
	j.stop() // a store that does not answer is not waited for any longer
	j.working.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if err := j.Checkpoint(ctx); err != nil {
		return fmt.Errorf("closing the audit log: %w", err)
	}
	return j.line.left()
}

// Write keeps an entry as its class asks: strict and grouped ones are durable when it returns, an outcome of a grouped act
// and everything bounded waits its turn. An error means that nothing may be done in the entry's name.
func (j *Journal) Write(ctx context.Context, e Entry) error {
	h := handed{e: e, at: j.c.Now()}
	if err := errors.Join(j.learn(ctx, &h), j.seal(ctx, &h)); err != nil {
		j.c.Slog.ErrorContext(ctx, "the vault of the audit log does not answer", "error", err)
		return err
	}
	if e.Class == Bounded || e.Class == Grouped && e.Phase == PhaseOutcome {
		j.line.put(&h)
		return nil
	}
	return j.line.wait(&h)
}

// learn asks the vault about those whom the record is about.
func (j *Journal) learn(ctx context.Context, h *handed) (err error) {
	if h.known.day, err = j.today(ctx, h.at); err != nil {
		return err
	}
	if p := h.e.principal(); p.Subject != "" {
		if h.known.subject, err = j.c.Vault.Subject(ctx, p); err != nil {
			return fmt.Errorf("finding a pseudonym: %w", err)
		}
	}
	for i, a := range h.e.chain()[:min(len(h.e.chain()), maxChain)] {
		if a.Client != "" || a.Subject == "" {
			continue
		}
		if h.known.actors == nil {
			h.known.actors = make([]string, maxChain)
		}
		s, err := j.c.Vault.Subject(ctx, a.Principal)
		if err != nil {
			return fmt.Errorf("finding a pseudonym: %w", err)
		}
		h.known.actors[i] = s.Pseudonym
	}
	return nil
}

type day struct {
	date string
	key  [32]byte
}

// today is the key of the day's commitments.
func (j *Journal) today(ctx context.Context, now time.Time) ([32]byte, error) {
	date := now.UTC().Format(time.DateOnly)
	if d := j.days.Load(); d != nil && d.date == date {
		return d.key, nil
	}
	key, err := j.c.Vault.Day(ctx, now)
	if err != nil {
		return [32]byte{}, fmt.Errorf("finding the key of a day: %w", err)
	}
	j.days.Store(&day{date, key})
	return key, nil
}

// Floor is the index before which every intent has its outcome: what those acts have done is done.
func (j *Journal) Floor() int64 { return j.floor.Load() }

// Notice keeps what the log says about itself and gives its index.
func (j *Journal) Notice(ctx context.Context, code, about, reason string, n *verify.Note) (index int64, err error) {
	now := j.c.Now()
	h := handed{at: now, v: &verify.Entry{V: verify.Version, ID: rand.Text(), Code: code, Phase: verify.Notice, Time: stamp(now), About: about, Reason: reason, Notice: n}}
	if err := j.line.wait(&h); err != nil {
		return 0, err
	}
	return h.index, nil
}
