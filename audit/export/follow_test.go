package export_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward-mcp/doorward/audit/export"
	"github.com/doorward-mcp/doorward/audit/verify"
)

// kept is a log in memory, with the cursors of its receivers.
type kept struct {
	mu      sync.Mutex
	leaves  [][]byte
	cursors map[string]int64
}

func (k *kept) Read(_ context.Context, from int64, n int) ([][]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if from >= int64(len(k.leaves)) {
		return nil, nil
	}
	return k.leaves[from:min(from+int64(n), int64(len(k.leaves)))], nil
}

func (k *kept) Size(context.Context) (int64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return int64(len(k.leaves)), nil
}

func (k *kept) LoadCursor(_ context.Context, name string) (int64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.cursors[name], nil
}

func (k *kept) SaveCursor(_ context.Context, name string, next int64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.cursors == nil {
		k.cursors = map[string]int64{}
	}
	k.cursors[name] = next
	return nil
}

func (k *kept) add(all ...[]byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.leaves = append(k.leaves, all...)
}

func encode(t testing.TB, e verify.Entry) []byte {
	t.Helper()
	e.V = verify.Version
	b, err := verify.Encode(&e)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func some(t testing.TB, from, to int) [][]byte {
	var all [][]byte
	for i := from; i < to; i++ {
		all = append(all, encode(t, verify.Entry{ID: fmt.Sprint("id", i), Code: "mcp.called", Phase: verify.Outcome, Result: "done", Time: "2026-11-22T12:00:00.123456789Z"}))
	}
	return all
}

// receiver takes records, or does not.
type receiver struct {
	mu   sync.Mutex
	got  []int64
	fail error
	hang bool
}

func (r *receiver) send(ctx context.Context, all export.Records) error {
	r.mu.Lock()
	fail, hang := r.fail, r.hang
	r.mu.Unlock()
	if hang {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range all {
		r.got = append(r.got, one.Index)
	}
	return fail // records may have been taken all the same
}

func (r *receiver) set(fail error, hang bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail, r.hang = fail, hang
}

func (r *receiver) indexes() []int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

func numbers(from, to int64) []int64 {
	var all []int64
	for i := from; i < to; i++ {
		all = append(all, i)
	}
	return all
}

func follower(name string, k *kept, send export.Send, log *bytes.Buffer) *export.Follower {
	return &export.Follower{Name: name, Log: k, Cursors: k, Send: send, Batch: 4, Slog: slog.New(slog.NewTextHandler(log, nil))}
}

// A receiver that is down, or that hangs, lacks nothing afterwards, and holds up nobody.
func TestEachReceiverGetsEverythingAtLeastOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &kept{}
		k.add(some(t, 0, 10)...)
		var well, down, slow receiver
		down.set(errors.New("refused"), false)
		slow.set(nil, true)
		ctx, stop := context.WithCancel(t.Context())
		var work sync.WaitGroup
		for name, r := range map[string]*receiver{"well": &well, "down": &down, "slow": &slow} {
			work.Go(func() { _ = follower(name, k, r.send, &bytes.Buffer{}).Run(ctx) })
		}
		time.Sleep(10 * time.Second)
		k.add(some(t, 10, 20)...)
		time.Sleep(5 * time.Minute)
		if got := well.indexes(); !slices.Equal(got, numbers(0, 20)) {
			t.Errorf("one that is well got %v", got)
		}
		if n := len(down.indexes()) / 4; n < 6 || n > 15 {
			t.Errorf("one that is down was asked %d times in five minutes", n)
		}
		down.set(nil, false)
		slow.set(nil, false)
		time.Sleep(2 * time.Minute)
		if got := slow.indexes(); !slices.Equal(got, numbers(0, 20)) {
			t.Errorf("one that hung got %v", got)
		}
		got := down.indexes()
		slices.Sort(got)
		if !slices.Equal(slices.Compact(got), numbers(0, 20)) {
			t.Errorf("one that was down got %v", got)
		}
		stop()
		work.Wait()
	})
}

func TestRecordsThatRetentionDeletedAreNamed(t *testing.T) {
	k := &kept{}
	k.add(some(t, 0, 20)...)
	for i := 2; i < 11; i++ {
		k.leaves[i] = nil
	}
	var r receiver
	var log bytes.Buffer
	f := follower("siem", k, r.send, &log)
	var gone, behind []int64
	f.Gone = func(from, to int64) { gone = append(gone, from, to) }
	f.Behind = func(n int64) { behind = append(behind, n) }
	if err := f.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.indexes(); !slices.Equal(got, append([]int64{0, 1}, numbers(11, 20)...)) {
		t.Errorf("got %v", got)
	}
	if !slices.Equal(gone, []int64{2, 4, 4, 8, 8, 11}) {
		t.Errorf("gone are %v", gone)
	}
	if !slices.Equal(behind, []int64{16, 12, 8, 4, 0, 0}) {
		t.Errorf("behind by %v", behind)
	}
	if !strings.Contains(log.String(), "from index 2 up to 4 were deleted") {
		t.Errorf("the log says %s", log.String())
	}
}

func TestACursorAheadOfTheLogIsAnError(t *testing.T) {
	k := &kept{cursors: map[string]int64{"siem": 5}}
	k.add(some(t, 0, 3)...)
	if err := follower("siem", k, (&receiver{}).send, &bytes.Buffer{}).Once(t.Context()); err == nil || !strings.Contains(err.Error(), "only 3") {
		t.Errorf("the error is %v", err)
	}
}

// What is not understood is sent all the same: nobody else would tell the receiver.
func TestARecordOfALaterVersionIsSent(t *testing.T) {
	k := &kept{}
	k.add([]byte(`{"v":2,"new":true}`))
	var got export.Records
	f := follower("siem", k, func(_ context.Context, r export.Records) error { got = append(got, r...); return nil }, &bytes.Buffer{})
	if err := f.Once(t.Context()); err != nil || len(got) != 1 || string(got[0].Raw) != `{"v":2,"new":true}` || got[0].Entry.Code != "" {
		t.Errorf("got %+v, %v", got, err)
	}
}

// Receivers have bounds on what they take at once; one record of any size is sent.
func TestABatchIsBoundedInBytes(t *testing.T) {
	k := &kept{}
	long := encode(t, verify.Entry{Code: "mcp.called", About: strings.Repeat("x", 255<<10)})
	for range 10 {
		k.add(long)
	}
	var batches []int
	f := follower("siem", k, func(_ context.Context, r export.Records) error { batches = append(batches, len(r)); return nil }, &bytes.Buffer{})
	f.Batch = 256
	if err := f.Once(t.Context()); err != nil || !slices.Equal(batches, []int{4, 4, 2}) {
		t.Errorf("batches of %v, %v", batches, err)
	}
	k.add(make([]byte, 2<<20), some(t, 0, 1)[0])
	if err := f.Once(t.Context()); err != nil || !slices.Equal(batches[3:], []int{1, 1}) {
		t.Errorf("batches of %v, %v", batches[3:], err)
	}
}
