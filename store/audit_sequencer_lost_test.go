package store_test

import (
	"bytes"
	"context"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/store"
)

// wire stands between a process and PostgreSQL and breaks connections where a commit passes.
type wire struct {
	t       *testing.T
	socket  string // of the server
	address string // by which the database is reached through it

	mu    sync.Mutex // guards what is below
	lose  string     // "before": the next commit does not arrive; "after": its answer does not; "after and down": nor anything later
	down  bool       // nothing passes
	conns map[net.Conn]bool
}

func newWire(t *testing.T, address string) *wire {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "wire") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	q := u.Query()
	w := &wire{t: t, socket: filepath.Join(q.Get("host"), ".s.PGSQL.5432"), conns: map[net.Conn]bool{}}
	q.Set("host", dir)
	u.RawQuery = q.Encode()
	w.address = u.String()
	l, err := net.Listen("unix", filepath.Join(dir, ".s.PGSQL.5432"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close(); w.cut(true) })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.carry(c)
		}
	}()
	return w
}

func (w *wire) carry(near net.Conn) {
	far, err := net.Dial("unix", w.socket)
	if err != nil || !w.know(near, far) {
		_ = near.Close()
		return
	}
	end := func() { _, _ = near.Close(), far.Close() }
	go func() { // answers
		defer end()
		b := make([]byte, 64<<10)
		for {
			n, err := far.Read(b)
			if err != nil {
				return
			}
			if _, err := near.Write(b[:n]); err != nil {
				return
			}
		}
	}()
	defer end()
	b := make([]byte, 64<<10)
	for {
		n, err := near.Read(b)
		if err != nil {
			return
		}
		lose := ""
		if bytes.HasPrefix(b[:n], []byte("Q")) && bytes.HasSuffix(b[:n], []byte("commit\x00")) {
			w.mu.Lock()
			lose, w.lose = w.lose, ""
			w.down = w.down || lose == "after and down"
			w.mu.Unlock()
		}
		if lose == "before" {
			return
		}
		if lose != "" {
			_ = near.Close() // the answer goes nowhere
		}
		if _, err := far.Write(b[:n]); err != nil {
			return
		}
		if lose != "" {
			time.Sleep(200 * time.Millisecond) // the server is to have done it, on a machine that has other things to do
			return
		}
	}
}

func (w *wire) know(conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range conns {
		w.conns[c] = true
	}
	return !w.down
}

func (w *wire) loses(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lose = what
}

// cut breaks all connections, and with down every one that is made later.
func (w *wire) cut(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
	for c := range w.conns {
		_ = c.Close()
	}
	w.conns = map[net.Conn]bool{}
}

func (w *wire) sequencer() *store.Sequencer {
	w.t.Helper()
	db, err := store.Open(w.t.Context(), w.address, newBox(w.t))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = db.Close() })
	return db.Sequencer()
}

// A commit whose answer is lost is looked for: what is there is acknowledged, what is not is not, and nothing is there twice.
func TestALostAnswerIsLookedFor(t *testing.T) {
	address := postgres(t)
	plain := sequencers(t, address)()
	w := newWire(t, address)
	s := w.sequencer()
	if first, err := s.Append(t.Context(), leavesOf(0, 3)); err != nil || first != 0 {
		t.Fatal(first, err)
	}
	w.loses("after")
	if first, err := s.Append(t.Context(), leavesOf(3, 3)); err != nil || first != 3 {
		t.Errorf("of a commit whose answer was lost: %d, %v", first, err)
	}
	w.loses("before")
	if first, err := s.Append(t.Context(), leavesOf(6, 3)); err == nil {
		t.Errorf("a commit that never arrived was acknowledged as %d", first)
	}
	if first, err := s.Append(t.Context(), leavesOf(6, 4)); err != nil || first != 6 {
		t.Errorf("after it: %d, %v", first, err)
	}
	holds(t, plain, 10)
}

// As long as nobody knows whether a batch is there, nothing is acknowledged. Given again it is answered for; another one in its place
// fails for good, for then a record is kept that its writer believes lost.
func TestWhatStaysOpenIsAnsweredForLater(t *testing.T) {
	for what, c := range map[string]struct {
		lose string
		next int
		want string
	}{
		"kept and given again":     {"after and down", 3, ""},
		"kept and given otherwise": {"after and down", 4, "opened anew"},
	} {
		t.Run(strings.ReplaceAll(what, " ", "_"), func(t *testing.T) {
			address := postgres(t)
			plain := sequencers(t, address)()
			w := newWire(t, address)
			s := w.sequencer()
			if _, err := s.Append(t.Context(), leavesOf(0, 3)); err != nil {
				t.Fatal(err)
			}
			w.loses(c.lose)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if first, err := s.Append(ctx, leavesOf(3, 3)); err == nil {
				t.Fatalf("acknowledged as %d", first)
			}
			w.cut(false)
			first, err := s.Append(t.Context(), leavesOf(3, c.next))
			if c.want == "" && (err != nil || first != 3) {
				t.Errorf("%d, %v", first, err)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%d, %v", first, err)
			}
			holds(t, plain, 6)
		})
	}
}

// holds holds a log to its first leaves.
func holds(t *testing.T, l theLog, n int) {
	t.Helper()
	got, err := l.Read(t.Context(), 0, n+10)
	if err != nil || len(got) != n {
		t.Fatalf("%d records, want %d, %v", len(got), n, err)
	}
	for i, want := range leavesOf(0, n) {
		if !bytes.Equal(got[i], want) {
			t.Errorf("record %d is %q", i, got[i])
		}
	}
}
