package audit_test

import (
	"context"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/audit/verify"
)

// dropping are segments that look, before they delete, whether the log says so.
type dropping struct {
	*audit.Segments
	t    testing.TB
	said int64 // up to which record
}

func (d *dropping) Drop(ctx context.Context, before int64) (int64, error) {
	size, err := d.Size(ctx)
	if err != nil {
		return 0, err
	}
	leaves, err := d.Read(ctx, 0, int(size))
	if err != nil {
		return 0, err
	}
	for _, b := range leaves {
		if b == nil {
			continue
		}
		e, err := verify.Decode(b)
		if err != nil {
			return 0, err
		}
		if e.Code == verify.Retention {
			d.said = max(d.said, e.Notice.To)
		}
	}
	if d.said < before {
		d.t.Errorf("records before %d are deleted, and the log says so of those before %d", before, d.said)
	}
	return d.Segments.Drop(ctx, before)
}

// bodies says from which record on there are bodies.
func (tr *trail) bodies() int64 {
	tr.t.Helper()
	leaves, err := tr.segments.Read(tr.t.Context(), 0, 1000)
	if err != nil {
		tr.t.Fatal(err)
	}
	for i, b := range leaves {
		if b != nil {
			return int64(i)
		}
	}
	tr.t.Fatal("there is no body at all")
	return 0
}

// Retention deletes what is old, up to what is held and up to the first act that has not ended; the log says so before.
func TestRetentionKeepsWhatIsHeldOrOpen(t *testing.T) {
	tr := newTrail(t)
	tr.options.MaxBytes = 1 // a segment for each batch
	tr.leaves = func(audit.Leaves) audit.Leaves { return &dropping{Segments: tr.segments, t: t} }
	tr.begin()
	calls := func(n int) {
		for range n {
			if _, err := tr.Do(t.Context(), call(`{}`), nothing); err != nil {
				t.Fatal(err)
			}
		}
	}
	calls(4) // records 1 to 8
	in, block, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() { // record 9
		defer close(ended)
		_, _ = tr.Do(context.Background(), call(`{}`), func(context.Context, audit.Intent) (audit.Outcome, error) {
			close(in)
			<-block
			return audit.Outcome{}, nil
		})
	}()
	<-in
	time.Sleep(300 * time.Millisecond) // the journal looks for open acts four times a second
	calls(2)
	if err := tr.journal.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour)
	for _, c := range []struct {
		name   string
		before time.Time
		held   []audit.Span
		first  int64 // record whose body is there
	}{
		{"nothing is old", time.Now().Add(-time.Hour), nil, 0},
		{"a hold", later, []audit.Span{{From: 4, To: 6}}, 4},
		{"a hold of what is gone, and one later", later, []audit.Span{{From: 0, To: 2}, {From: 7, To: 100}}, 7},
		{"an act that has not ended", later, nil, 9},
	} {
		if _, err := tr.journal.Retain(t.Context(), c.before, c.held); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := tr.bodies(); got != c.first {
			t.Errorf("%s: the first body is of record %d, not %d", c.name, got, c.first)
		}
	}
	close(block)
	<-ended
	tr.end()
	tr.reopened().sound()
}
