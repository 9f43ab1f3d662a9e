package audit

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/doorward-mcp/doorward/audit/verify"
	"github.com/doorward-mcp/doorward/mcp"
)

// write is the writer's goroutine: it commits what waits until the line has ended.
func (j *Journal) write(ctx context.Context) {
	defer close(j.ended)
	for failures := 0; ; {
		<-j.line.wake
		j.company()
		for {
			batch, dropped := j.line.take(most)
			if len(batch) == 0 && dropped == 0 {
				break
			}
			if err := j.commit(ctx, batch, dropped); err != nil {
				failures++
				j.c.Slog.ErrorContext(ctx, "the audit log cannot be written", "error", err)
				if j.line.over() || failures > 3 && j.line.isEnding() {
					return
				}
				pause := time.NewTimer(min(time.Duration(failures)*patience, time.Second))
				<-pause.C
				j.line.ring() // what went back waits still
				break
			}
			failures = 0
		}
		if j.line.over() {
			return
		}
	}
}

// company waits a moment if nobody waits for what is there.
func (j *Journal) company() {
	if j.line.urgent() {
		return
	}
	pause := time.NewTimer(patience)
	defer pause.Stop()
	for {
		select {
		case <-pause.C:
			return
		case <-j.line.wake:
			if j.line.urgent() {
				return
			}
		}
	}
}

// commit keeps a batch. Of one that cannot be kept, what was about to happen does not, and what has happened waits on.
func (j *Journal) commit(ctx context.Context, batch []*handed, dropped int) error {
	before := j.seq
	leaves := make([][]byte, 0, len(batch)+1)
	whose := make([]*handed, 0, len(batch)+1)
	if dropped > 0 {
		b, err := j.encode(&verify.Entry{V: verify.Version, ID: rand.Text(), Code: verify.Dropped, Phase: verify.Notice, Time: stamp(j.c.Now()), Count: dropped})
		if err != nil {
			return err
		}
		leaves, whose = append(leaves, b), append(whose, nil)
	}
	for _, h := range batch {
		b, err := j.encoded(h)
		if err != nil { // one record's fault is nobody else's
			j.line.unkept(h, err)
			continue
		}
		leaves, whose = append(leaves, b), append(whose, h)
	}
	if len(leaves) == 0 {
		return nil
	}
	j.line.beginCommit(j.c.Now(), whose)
	first, err := j.c.Leaves.Append(ctx, leaves)
	j.line.endCommit()
	if err != nil {
		j.seq = before
		j.failed(whose, dropped, err)
		return err
	}
	j.kept(whose, first)
	j.durable.Store(first + int64(len(leaves)))
	return nil
}

func (j *Journal) encoded(h *handed) ([]byte, error) {
	if h.v == nil {
		v := kept(&h.e, &h.known, h.at)
		h.v, h.e.Record.Message = v, mcp.Message{} // it is the request's, and is not read again
	}
	return j.encode(h.v)
}

// Bounds of a record that would be too long: a batch may have thousands of operations, and each of them rules.
const (
	maxCalls = 64
	maxRules = 64
)

// cut shortens a record, and has it say so.
func cut(v *verify.Entry) *verify.Entry {
	if n := len(v.Calls); n > maxCalls {
		v.Calls, v.More = v.Calls[:maxCalls], n-maxCalls
	}
	if p := v.Policy; p != nil {
		short := *p
		short.Rules, short.Obligations, short.Shadow = p.Rules[:min(len(p.Rules), maxRules)], p.Obligations[:min(len(p.Obligations), maxRules)], nil
		v.Policy, v.Cut = &short, true
	}
	return v
}

// encode numbers a record and gives its bytes.
func (j *Journal) encode(v *verify.Entry) ([]byte, error) {
	v.Node, v.Boot, v.Seq = j.c.Node, j.boot, j.seq+1
	b, err := verify.Encode(v)
	if err == nil && len(b) > verify.MaxRecord {
		b, err = verify.Encode(cut(v))
	}
	if err == nil && len(b) > verify.MaxRecord {
		err = fmt.Errorf("an audit record is %d bytes long, which is too much", len(b))
	}
	if err == nil {
		j.seq++
	}
	return b, err
}

// kept answers everybody of a batch that is durable, and follows which intents are open.
func (j *Journal) kept(whose []*handed, first int64) {
	for i, h := range whose {
		if h == nil {
			continue
		}
		h.index = first + int64(i)
		switch h.e.Phase {
		case PhaseIntent:
			j.open[h.e.ID] = h.index
		case PhaseOutcome:
			delete(j.open, h.e.ID)
		}
		h.answer(nil)
	}
	for _, h := range j.line.orphans(whose) { // its act did not happen: whoever was to do it has gone
		e := h.e
		e.Phase, e.Outcome = PhaseOutcome, Outcome{Result: "failed", Reason: "log_late"}
		j.line.put(&handed{e: e, known: h.known, at: j.c.Now()})
	}
	j.mark(first + int64(len(whose)))
}

// mark finds the floor again, no more often than it is asked for: many streams may be open.
func (j *Journal) mark(end int64) {
	now := j.c.Now()
	if now.Sub(j.marked).Abs() < busy && len(j.open) > 0 {
		return
	}
	j.marked = now
	for _, at := range j.open {
		end = min(end, at)
	}
	j.floor.Store(end)
}

func (j *Journal) failed(whose []*handed, dropped int, err error) {
	var again []*handed
	for _, h := range whose {
		if h == nil {
			continue
		}
		if j.line.refused(h, err) {
			continue
		}
		again = append(again, h)
	}
	j.line.back(again, dropped)
}

func (h *handed) answer(err error) {
	if h.done != nil {
		h.done <- err
	}
}

// orphans are the intents that were kept after whoever waited for them had gone.
func (l *line) orphans(whose []*handed) (all []*handed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range whose {
		if h != nil && h.state == abandoned && h.e.Phase == PhaseIntent {
			all = append(all, h)
		}
	}
	return all
}

func (l *line) isEnding() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ending
}
