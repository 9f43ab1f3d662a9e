package client

import (
	"context"
)

// alone runs act when no other goroutine of this Transport renews.
func (t *Transport) alone(ctx context.Context, act func() error) error {
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-t.turn }()
	return act()
}

// together is alone for what may ask a person: those that waited while an attempt failed get its error, so that nobody
// is asked twice for what they refused once.
func (t *Transport) together(ctx context.Context, act func() error) error {
	before := t.outcomes()
	return t.alone(ctx, func() error {
		if after := t.outcomes(); after.count != before.count && after.err != nil {
			return after.err
		}
		err := act()
		t.mu.Lock()
		defer t.mu.Unlock()
		t.last.count++
		t.last.err = err
		if ctx.Err() != nil { // this caller went away: that says nothing to the others
			t.last.err = nil
		}
		return err
	})
}

// outcome counts the finished attempts and holds how the last one ended.
type outcome struct {
	count int
	err   error
}

func (t *Transport) outcomes() outcome {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}
