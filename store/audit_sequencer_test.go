package store_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/seal"
	"github.com/doorward-mcp/doorward/store"
)

// sequencers opens the log at address, each time anew.
func sequencers(t *testing.T, address string) func() theLog {
	var last *store.DB
	t.Cleanup(func() {
		if last != nil {
			_ = last.Close()
		}
	})
	return func() theLog {
		if last != nil {
			if err := last.Close(); err != nil {
				t.Fatal(err)
			}
		}
		db, err := store.Open(t.Context(), address, newBox(t))
		if err != nil {
			t.Fatal(err)
		}
		last = db
		return db.Sequencer()
	}
}

func TestOnlyPostgresSequences(t *testing.T) {
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "a.db"), newBox(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if db.Sequencer() != nil {
		t.Error("SQLite has a sequencer")
	}
}

// writing is what a process of this test's own is to write: it appends numbered leaves and prints each one's index when it is acknowledged.
const writing = "DOORWARD_TEST_WRITER"

type told struct {
	Writer string `json:"w"`
	Number int    `json:"n"`
	First  int64  `json:"i"`
}

// TestWriter is no test: it is a writer, run by others as a process.
func TestWriter(t *testing.T) {
	address := os.Getenv(writing)
	if address == "" {
		t.Skip("only as a process of another test")
	}
	box, err := seal.New(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), address, box)
	if err != nil {
		t.Fatal(err)
	}
	most, err := strconv.Atoi(os.Getenv(writing + "_MOST"))
	if err != nil {
		t.Fatal(err)
	}
	s, name, number := db.Sequencer(), rand.Text(), 0
	for batch := 0; number < most; batch++ {
		var leaves [][]byte
		for i := range 1 + batch%5 {
			leaves = append(leaves, []byte(fmt.Sprintf(`{"w":%q,"n":%d}`, name, number+i)))
		}
		first, err := s.Append(t.Context(), leaves)
		if err != nil {
			time.Sleep(20 * time.Millisecond) // none of them is kept: they are given again
			continue
		}
		for i := range leaves {
			b, _ := json.Marshal(told{name, number + i, first + int64(i)})
			fmt.Println("SAID", string(b))
		}
		number += len(leaves)
	}
}

// writers runs n processes and gives what they were told was kept.
func writers(t *testing.T, ctx context.Context, address string, n, most int) (wait func() []told) {
	t.Helper()
	var mu sync.Mutex
	var all []told
	var done sync.WaitGroup
	for range n {
		c := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestWriter$", "-test.v")
		c.Env = append(os.Environ(), writing+"="+address, writing+"_MOST="+strconv.Itoa(most))
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		var errs bytes.Buffer
		c.Stderr = &errs
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		done.Go(func() {
			for lines := bufio.NewScanner(out); lines.Scan(); {
				text, ok := bytes.CutPrefix(lines.Bytes(), []byte("SAID "))
				var s told
				if !ok {
					continue
				}
				if err := json.Unmarshal(text, &s); err != nil {
					t.Error(err)
				}
				mu.Lock()
				all = append(all, s)
				mu.Unlock()
			}
			if err := c.Wait(); err != nil && ctx.Err() == nil {
				t.Errorf("a writer: %v\n%s", err, errs.String())
			}
		})
	}
	return func() []told { done.Wait(); return all }
}

// order holds a log to what its writers were told: everything acknowledged is there under its index, every writer's own order is kept,
// nothing is there twice, and the tree is the tree of what is there.
func order(t *testing.T, l theLog, acknowledged []told) {
	t.Helper()
	size, err := l.Size(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	leaves, err := l.Read(t.Context(), 0, int(size))
	if err != nil || int64(len(leaves)) != size {
		t.Fatalf("%d of %d, %v", len(leaves), size, err)
	}
	at, next := map[told]bool{}, map[string]int{}
	var stored []tlog.Hash
	own := tlog.HashReaderFunc(func(numbers []int64) (h []tlog.Hash, err error) {
		for _, n := range numbers {
			h = append(h, stored[n])
		}
		return h, nil
	})
	for i, b := range leaves {
		var s told
		if err := json.Unmarshal(b, &s); err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
		if s.Number != next[s.Writer] {
			t.Fatalf("record %d is number %d of its writer, want %d", i, s.Number, next[s.Writer])
		}
		next[s.Writer]++
		s.First = int64(i)
		at[s] = true
		h, err := tlog.StoredHashes(int64(i), b, own)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, h...)
	}
	for _, s := range acknowledged {
		if !at[s] {
			t.Errorf("acknowledged and not there: %+v", s)
		}
	}
	want, err := tlog.TreeHash(size, own)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tlog.TreeHash(size, l.Hashes(t.Context())); err != nil || got != want {
		t.Errorf("the tree: %v, %v", got, err)
	}
}

// Eight processes on one PostgreSQL keep one order without a gap.
func TestEightProcessesKeepOneOrder(t *testing.T) {
	address := postgres(t)
	l := sequencers(t, address)()
	acknowledged := writers(t, t.Context(), address, 8, 300)()
	if len(acknowledged) < 8*300 {
		t.Errorf("%d were acknowledged", len(acknowledged))
	}
	order(t, l, acknowledged)
}

// PostgreSQL is killed while processes write to it, and comes back: nothing that was acknowledged is lost, nothing is there twice.
func TestKillingPostgresLosesNothingAcknowledged(t *testing.T) {
	own, err := startPostgres()
	if errors.Is(err, exec.ErrNotFound) {
		postgres(t) // skips, or says why it may not
	}
	if err != nil {
		t.Fatal(err)
	}
	defer own.stop()
	address, err := own.address()
	if err != nil {
		t.Fatal(err)
	}
	l := sequencers(t, address)
	l()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	wait := writers(t, ctx, address, 4, 1500)
	for range 3 {
		time.Sleep(700 * time.Millisecond) // writers are to be in the middle of something
		if err := own.kill(); err != nil {
			t.Fatal(err)
		}
		if err := own.start(); err != nil {
			t.Fatal(err)
		}
	}
	acknowledged := wait()
	if len(acknowledged) < 4*1500 {
		t.Errorf("%d were acknowledged", len(acknowledged))
	}
	order(t, l(), acknowledged)
}

func TestKeysOfTheLogAreSwapped(t *testing.T) {
	db, err := store.Open(t.Context(), postgres(t), newBox(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	s := db.Sequencer()
	is := func(want string) {
		t.Helper()
		if b, err := s.LoadKeys(t.Context()); err != nil || string(b) != want {
			t.Errorf("%q, %v, want %q", b, err, want)
		}
	}
	is("")
	if err := s.SaveKeys(t.Context(), nil, []byte("one")); err != nil {
		t.Fatal(err)
	}
	is("one")
	for _, old := range [][]byte{nil, []byte("other")} {
		if err := s.SaveKeys(t.Context(), old, []byte("two")); err == nil {
			t.Errorf("after %q it was saved", old)
		}
	}
	is("one")
	if err := s.SaveKeys(t.Context(), []byte("one"), []byte("two")); err != nil {
		t.Fatal(err)
	}
	is("two")
}

// Of earlier checkpoints one in ten seconds stays, and those by which a key handed over to another.
func TestEarlierCheckpointsAreThinned(t *testing.T) {
	l := sequencers(t, postgres(t))().(*store.Sequencer)
	if _, err := l.Append(t.Context(), leavesOf(0, 9)); err != nil {
		t.Fatal(err)
	}
	for size := int64(1); size < 9; size++ {
		signatures := 1
		if size == 4 {
			signatures = 2
		}
		if err := l.Publish(t.Context(), size, note(t, l, size, signatures)); err != nil {
			t.Fatal(err)
		}
	}
	notes, last, err := l.Earlier(t.Context(), 0, 10)
	if err != nil || last != 8 {
		t.Fatal(last, err)
	}
	want := []string{string(note(t, l, 1, 1)), string(note(t, l, 4, 2)), string(note(t, l, 8, 1))}
	var got []string
	for _, n := range notes {
		got = append(got, string(n))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
