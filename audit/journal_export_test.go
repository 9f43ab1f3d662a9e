package audit

import "context"

// HandOver is Write up to where a caller would wait: what a request pays itself. Drain throws away what was handed over.
func (j *Journal) HandOver(ctx context.Context, e Entry) error {
	h := &handed{e: e, at: j.c.Now()}
	if err := j.learn(ctx, h); err != nil {
		return err
	}
	if err := j.seal(ctx, h); err != nil {
		return err
	}
	j.line.mu.Lock()
	j.line.waiting = append(j.line.waiting, h)
	j.line.mu.Unlock()
	return nil
}

// Drain forgets what was handed over.
func (j *Journal) Drain() {
	j.line.mu.Lock()
	defer j.line.mu.Unlock()
	j.line.waiting = j.line.waiting[:0]
}

// EntryOf is an entry as the log hands it over.
func EntryOf(r Record) Entry {
	return Entry{ID: "AAAAAAAAAAAAAAAAAAAAAAAAAA", Phase: PhaseIntent, Class: kinds[r.Code].class, Record: r}
}

// Encoded is what a record costs the writer.
func (j *Journal) Encoded(e *Entry) ([]byte, error) {
	h := &handed{e: *e, at: j.c.Now()}
	if err := j.learn(context.Background(), h); err != nil {
		return nil, err
	}
	return j.encoded(h)
}

// Sum is commitment.
var Sum = commitment
