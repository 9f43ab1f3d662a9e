package admin

import (
	"context"
	"fmt"
	"time"

	"github.com/doorward-mcp/doorward/audit/verify"
)

// Tail asks for what comes after an index, and is how it is answered. It does not need the index.
type Tail struct {
	Query
	From int64 `json:"from"`           // the first record to look at; -1: the next one to be written, -2: the last one, and so on
	Once bool  `json:"once,omitempty"` // do not wait
	Hits []Hit `json:"hits,omitempty"` // of the answer, the oldest first
	Next int64 `json:"next,omitempty"` // of the answer: From of the next question
}

const (
	tailWait = 20 * time.Second       // of an answer, at most
	tailPace = 200 * time.Millisecond // between two looks at the log
	tailStep = 1000                   // records that are looked at at once
)

// Tail waits until there are records that fit, or for a while.
func (l *AuditLog) Tail(ctx context.Context, t Tail) (Tail, error) {
	size, err := l.Leaves.Size(ctx)
	if err != nil {
		return Tail{}, err
	}
	if t.From < 0 {
		t.From = max(size+t.From+1, 0)
	}
	answer := Tail{Hits: []Hit{}, Next: t.From}
	wait := time.NewTimer(tailWait)
	defer wait.Stop()
	pace := time.NewTicker(tailPace)
	defer pace.Stop()
	for {
		if err := l.look(ctx, &t.Query, &answer); err != nil {
			return Tail{}, err
		}
		if len(answer.Hits) > 0 || t.Once {
			return answer, nil
		}
		select {
		case <-wait.C:
			return answer, nil
		case <-ctx.Done():
			return answer, nil
		case <-pace.C:
		}
	}
}

// look adds what fits of the records that are there, up to a page.
func (l *AuditLog) look(ctx context.Context, q *Query, answer *Tail) error {
	for len(answer.Hits) == 0 {
		leaves, err := l.Leaves.Read(ctx, answer.Next, tailStep)
		if err != nil || len(leaves) == 0 {
			return err
		}
		for _, b := range leaves {
			index := answer.Next
			answer.Next++
			if b == nil { // its body was deleted
				continue
			}
			e, err := verify.Decode(b)
			if err != nil {
				return fmt.Errorf("record %d: %w", index, err)
			}
			if q.Fits(&e) {
				answer.Hits = append(answer.Hits, Hit{index, e})
			}
			if len(answer.Hits) == q.Page() {
				return nil
			}
		}
	}
	return nil
}
