package export

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/doorward-mcp/doorward/audit/verify"
)

// Reader is a log to read: audit.Leaves are one.
type Reader interface {
	// Read gives at most n records from an index on, fewer at the end; nil stands for one whose body was deleted.
	Read(ctx context.Context, from int64, n int) ([][]byte, error)
	Size(ctx context.Context) (int64, error)
}

// Cursors keep how far each receiver has been served.
type Cursors interface {
	// LoadCursor is the index of the first record that a receiver has not taken; 0 for one that was never served.
	LoadCursor(ctx context.Context, name string) (int64, error)
	// SaveCursor keeps it. It need not be durable: what a crash takes back is sent again.
	SaveCursor(ctx context.Context, name string, next int64) error
}

// Record is a record of the log on its way to a receiver.
type Record struct {
	Index int64
	Raw   []byte       // the bytes that its leaf hash is of
	Entry verify.Entry // what they say; zero if they are of a version that is not known here
}

// Records are those of one batch, in the log's order. Indexes may be missing between them: those bodies were deleted.
type Records []Record

// Send hands records to a receiver and returns nil when it took all of them. After an error they are sent again, all of them,
// so a receiver may see a record twice, and knows it by its index.
type Send func(ctx context.Context, r Records) error

// Follower brings a log's records to one receiver, in order and at least once, and remembers how far it came. A receiver that
// is down has a Follower wait, and nobody else; when it is back it gets what it missed. Name, Log, Cursors, Send and Slog must
// be there.
type Follower struct {
	Name    string // of the receiver; its cursor's
	Log     Reader
	Cursors Cursors
	Send    Send
	Slog    *slog.Logger

	Batch   int           // records of one Send at most; 0: 256
	Every   time.Duration // how long to wait for more records; 0: one second
	Timeout time.Duration // of one Send; 0: 30 seconds
	Most    time.Duration // between two attempts, which begin a second apart and go on twice as far each time; 0: one minute

	Behind func(records int64)  // told how many records the receiver lacks, after each attempt; may be nil
	Gone   func(from, to int64) // told of records whose bodies were deleted before the receiver had them; may be nil
}

// largest is how many bytes of records are sent at once, besides a first one that is larger.
const largest = 1 << 20

func atMost(leaves [][]byte, bytes int) [][]byte {
	for i, leaf := range leaves {
		if bytes -= len(leaf); bytes < 0 && i > 0 {
			return leaves[:i]
		}
	}
	return leaves
}

// errGone names records that were deleted before a receiver had them.
type errGone struct{ from, to int64 }

func (e errGone) Error() string {
	return fmt.Sprintf("records from index %d up to %d were deleted before they were sent", e.from, e.to)
}

// Run goes on until ctx ends, whose error it returns.
func (f *Follower) Run(ctx context.Context) error {
	every, most := orElse(f.Every, time.Second), orElse(f.Most, time.Minute)
	wait := time.Second
	for ctx.Err() == nil {
		n, err := f.once(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			f.Slog.ErrorContext(ctx, "audit records do not reach a receiver", "receiver", f.Name, "error", err, "again_in", wait)
			sleep(ctx, wait)
			wait = min(2*wait, most)
		default:
			wait = min(time.Second, most)
			if n == 0 {
				sleep(ctx, every)
			}
		}
	}
	return ctx.Err()
}

// Once sends what there is, until the receiver has it all or an error comes.
func (f *Follower) Once(ctx context.Context) error {
	for {
		if n, err := f.once(ctx); err != nil || n == 0 {
			return err
		}
	}
}

// once sends a batch and gives how many records it went past.
func (f *Follower) once(ctx context.Context) (int, error) {
	from, err := f.Cursors.LoadCursor(ctx, f.Name)
	if err != nil {
		return 0, fmt.Errorf("reading the cursor of %s: %w", f.Name, err)
	}
	size, err := f.Log.Size(ctx)
	if err != nil {
		return 0, err
	}
	if f.Behind != nil {
		defer func() { f.Behind(max(0, size-from)) }()
	}
	if from > size {
		return 0, fmt.Errorf("%s has had records up to index %d, and the log has only %d: it was repaired, or is another one", f.Name, from, size)
	}
	batch := f.Batch
	if batch <= 0 {
		batch = 256
	}
	leaves, err := f.Log.Read(ctx, from, batch)
	if err != nil || len(leaves) == 0 {
		return 0, err
	}
	leaves = atMost(leaves, largest)
	records, gone := f.decode(ctx, from, leaves)
	if err := f.send(ctx, records); err != nil {
		return 0, err
	}
	for _, g := range gone {
		f.Slog.ErrorContext(ctx, "audit records never reached a receiver", "receiver", f.Name, "error", g)
		if f.Gone != nil {
			f.Gone(g.from, g.to)
		}
	}
	next := from + int64(len(leaves))
	if err := f.Cursors.SaveCursor(ctx, f.Name, next); err != nil {
		return 0, fmt.Errorf("keeping the cursor of %s: %w", f.Name, err)
	}
	from = next
	return len(leaves), nil
}

func (f *Follower) send(ctx context.Context, records Records) error {
	if len(records) == 0 {
		return nil
	}
	timeout := orElse(f.Timeout, 30*time.Second)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errors.New("the receiver has not answered in "+timeout.String()))
	defer cancel()
	if err := f.Send(ctx, records); err != nil {
		return fmt.Errorf("sending records from index %d up to %d: %w", records[0].Index, records[len(records)-1].Index+1, err)
	}
	return nil
}

// decode makes records of leaves, and finds the ranges that are gone.
func (f *Follower) decode(ctx context.Context, from int64, leaves [][]byte) (Records, []errGone) {
	var records Records
	var gone []errGone
	for i, leaf := range leaves {
		index := from + int64(i)
		if leaf == nil {
			if n := len(gone); n > 0 && gone[n-1].to == index {
				gone[n-1].to++
			} else {
				gone = append(gone, errGone{index, index + 1})
			}
			continue
		}
		e, err := verify.Decode(leaf)
		if err != nil {
			f.Slog.WarnContext(ctx, "an audit record is sent as it is", "receiver", f.Name, "index", index, "error", err)
			e = verify.Entry{}
		}
		records = append(records, Record{Index: index, Raw: leaf, Entry: e})
	}
	return records, gone
}

func orElse(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
