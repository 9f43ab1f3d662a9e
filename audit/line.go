package audit

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/doorward-mcp/doorward/audit/verify"
	"github.com/doorward-mcp/doorward/mcp"
)

// handed is an entry on its way to the writer.
type handed struct {
	e     Entry // zero for a notice
	known known
	at    time.Time
	v     *verify.Entry // as it is kept; made of e by the writer, which alone touches it then

	done  chan error // nil: nobody waits
	index int64      // where it is kept, once done says nil
	state state
}

// state says who has a handed entry. line.mu guards it.
type state int

const (
	inLine    state = iota
	taken           // the writer encodes it, and reads the request's memory
	encoded         // the store has it
	abandoned       // whoever waited has given up; it is kept if the store answers after all
	left            // whoever waited goes on without it; it must be kept
)

// line is where entries wait for the writer.
type line struct {
	mu      sync.Mutex
	waiting []*handed
	idle    int             // of them, those for which nobody waits
	dropped int             // that nobody waited for and that had no room, since the last notice
	lost    map[string]bool // :: id of an intent that was dropped, until its outcome is dropped too
	wake    chan struct{}   // there is something, capacity 1
	since   time.Time       // when the commit under way began; zero: none is
	stuck   chan struct{}   // closed when a commit takes too long, made anew when it ends
	ending  bool
}

func (l *line) init() {
	l.wake, l.stuck, l.lost = make(chan struct{}, 1), make(chan struct{}), map[string]bool{}
}

// put leaves an entry for which nobody waits.
func (l *line) put(h *handed) {
	l.mu.Lock()
	if l.ending && h.e.Phase == PhaseOutcome { // the next process says that what came of its act is unknown
		l.mu.Unlock()
		return
	}
	if l.idle >= room || l.ending || l.lost[h.e.ID] {
		l.drop(h)
		l.mu.Unlock()
		return
	}
	own := *h
	own.e.Record.Message.Body = nil // it is the request's
	l.idle++
	l.waiting = append(l.waiting, &own)
	l.mu.Unlock()
	l.ring()
}

// drop counts an entry that has no room. Nobody keeps the outcome of an intent that was not kept. The caller holds mu.
func (l *line) drop(h *handed) {
	l.dropped++
	switch h.e.Phase {
	case PhaseIntent:
		l.lost[h.e.ID] = true
	case PhaseOutcome:
		delete(l.lost, h.e.ID)
	}
}

// wait leaves an entry and waits until it is durable.
func (l *line) wait(h *handed) error {
	done := make(chan error, 1)
	h.done = done
	l.mu.Lock()
	if l.ending {
		l.mu.Unlock()
		return errors.New("the audit log is closed")
	}
	stuck := l.stuck
	l.waiting = append(l.waiting, h)
	l.mu.Unlock()
	l.ring()
	for {
		select {
		case err := <-done:
			return err
		case <-stuck:
		}
		var gone bool
		var err error
		if gone, stuck, err = l.abandon(h, done); gone {
			return err
		}
	}
}

// abandon ends the waiting for an entry, unless it is durable by now, or being read: then it goes on. What takes power away happens
// although nobody knows yet that it was recorded, and stays in line.
func (l *line) abandon(h *handed, done chan error) (gone bool, stuck chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(done) > 0 || h.state == taken {
		return false, l.stuck, nil
	}
	power := h.e.Record.Code.TakesPower()
	if h.state == inLine && (power || !h.begins()) {
		h.e.Record.Message = mcp.Message{} // it is the request's, which ends
	}
	if power {
		h.state = left
		return true, nil, nil
	}
	h.state = abandoned
	return true, nil, ErrLate
}

// refused tells whoever waits for an entry that it was not kept, and reports whether it is done with: the act does not happen, or
// takes power away, and the Log spools its record. What has happened, and what nobody waits for, must be kept later.
func (l *line) refused(h *handed, err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	waits := h.done != nil && h.state != left
	h.answer(err)
	return waits && (h.begins() || h.e.Record.Code.TakesPower())
}

// unkept ends an entry that cannot be kept at all.
func (l *line) unkept(h *handed, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h.done == nil {
		l.drop(h)
	}
	h.answer(err)
}

func (l *line) ring() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// take is what waits, at most n; what was abandoned in line, and would begin an act, is gone.
func (l *line) take(n int) (batch []*handed, dropped int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	batch = make([]*handed, 0, min(n, len(l.waiting)))
	i := 0
	for ; i < len(l.waiting) && len(batch) < n; i++ {
		h := l.waiting[i]
		if h.done == nil {
			l.idle--
		}
		if h.state == abandoned && h.begins() {
			continue
		}
		if h.state == inLine {
			h.state = taken
		}
		batch = append(batch, h)
	}
	l.waiting = slices.Delete(l.waiting, 0, i)
	dropped, l.dropped = l.dropped, 0
	return batch, dropped
}

// urgent reports whether somebody waits, or so much is there that nobody should.
func (l *line) urgent() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ending || l.idle >= atRisk || l.idle < len(l.waiting)
}

// begins reports whether the entry is of an act that must not happen when it could not be kept.
func (h *handed) begins() bool { return h.e.ID == "" || h.e.Phase == PhaseIntent }

// beginCommit and endCommit frame what the store does.
func (l *line) beginCommit(now time.Time, batch []*handed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since = now
	for _, h := range batch {
		if h != nil && h.state == taken {
			h.state = encoded
		}
	}
}

func (l *line) endCommit() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since = time.Time{}
	select {
	case <-l.stuck:
		l.stuck = make(chan struct{})
	default:
	}
}

// watch lets everybody go who waits for a commit that began before then.
func (l *line) watch(then time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.since.IsZero() || l.since.After(then) {
		return
	}
	select {
	case <-l.stuck:
	default:
		close(l.stuck)
	}
}

// back puts what happened and could not be kept before everything else, as far as there is room.
func (l *line) back(batch []*handed, dropped int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropped += dropped
	var again []*handed
	for _, h := range batch {
		if l.idle >= room || l.lost[h.e.ID] {
			l.drop(h)
			continue
		}
		h.done, h.state = nil, inLine // whoever waited has been answered
		again = append(again, h)
		l.idle++
	}
	l.waiting = append(again, l.waiting...)
}

func (l *line) end() {
	l.mu.Lock()
	l.ending = true
	l.mu.Unlock()
	l.ring()
}

// over reports whether nothing more will come.
func (l *line) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ending && len(l.waiting) == 0
}

// left says what the end has lost.
func (l *line) left() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.waiting) + l.dropped; n > 0 {
		return fmt.Errorf("closing the audit log: %d records could not be kept", n)
	}
	return nil
}
