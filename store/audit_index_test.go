package store_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward-mcp/doorward/admin"
	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/audit/verify"
	"github.com/doorward-mcp/doorward/store"
)

// onIndexes runs one contract on the index of either database, over a log in files.
func onIndexes(t *testing.T, contract func(t *testing.T, f *fixture, log *audit.Segments, path string)) {
	on(t, func(t *testing.T, f *fixture) {
		log, err := audit.OpenSegments(t.TempDir(), func() time.Time { return start }, audit.SegmentOptions{MaxBytes: 2000})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = log.Close() })
		contract(t, f, log, filepath.Join(t.TempDir(), "index.db"))
	})
}

func index(t *testing.T, f *fixture, path string, log audit.Leaves) *store.Index {
	t.Helper()
	x, err := f.db.Index(t.Context(), path, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = x.Close() })
	return x
}

// follow indexes all there is and gives in how many steps.
func follow(t *testing.T, x *store.Index) (steps int) {
	t.Helper()
	for ; ; steps++ {
		n, err := x.Follow(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return steps
		}
		if n > 2000 {
			t.Fatalf("%d records in one step", n)
		}
	}
}

func write(t *testing.T, log audit.Leaves, all ...verify.Entry) {
	t.Helper()
	var leaves [][]byte
	for _, e := range all {
		e.V = verify.Version
		b, err := verify.Encode(&e)
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, b)
	}
	if _, err := log.Append(t.Context(), leaves); err != nil {
		t.Fatal(err)
	}
}

func found(t *testing.T, x *store.Index, q admin.Query) (all []int64) {
	t.Helper()
	hits, err := x.Find(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range hits {
		all = append(all, h.Index)
	}
	return all
}

func at(minute int) string {
	return start.Add(time.Duration(minute) * time.Minute).Format(time.RFC3339)
}

// story is ten records, a minute apart.
func story() []verify.Entry {
	deny, allow := &verify.Decision{Verdict: "deny"}, &verify.Decision{Verdict: "allow"}
	alice, bob := &verify.Subject{Pseudonym: "p_ALICE"}, &verify.Subject{Pseudonym: "p_BOB"}
	all := []verify.Entry{
		{ID: "a", Code: "client.registered", Phase: "intent", About: "c1"},
		{ID: "b", Code: "login.signed_in", Phase: "outcome", Subject: alice, Result: "done"},
		{ID: "c", Code: "token.issued", Phase: "outcome", Subject: alice, Client: "c1", Grant: "g1", Tokens: []verify.Token{{Kind: "access_token", ID: "t1"}}},
		{ID: "d", Code: "mcp.called", Phase: "intent", Subject: alice, Client: "c1", Grant: "g1", Server: "https://s1", Calls: []verify.Call{{Name: "add"}}, Policy: allow, Request: "r1", Tokens: []verify.Token{{Kind: "access_token", ID: "t1"}}},
		{ID: "d", Code: "mcp.called", Phase: "outcome", Subject: alice, Client: "c1", Grant: "g1", Server: "https://s1", Result: "done", Request: "r1"},
		{ID: "e", Code: "mcp.refused", Phase: "refusal", Subject: bob, Client: "c2", Server: "https://s2", Calls: []verify.Call{{Name: "add"}, {Name: "drop"}}, Policy: deny, Request: "r2"},
		{ID: "f", Code: "mcp.called", Phase: "intent", Subject: bob, Client: "c2", Chain: []verify.Actor{{Client: "c3", How: "exchange"}, {Pseudonym: "p_ALICE", How: "act-claim"}}, Server: "https://s1", Calls: []verify.Call{{Name: "drop"}}, Policy: allow},
		{ID: "g", Code: "log.started", Phase: "notice", About: "origin"},
		{ID: "h", Code: "privacy.erased", Phase: "outcome", About: "p_BOB"},
		{ID: "i", Code: "mcp.refused", Phase: "refusal", Policy: deny},
	}
	for i := range all {
		all[i].Time = at(i)
	}
	return all
}

func TestTheIndexFindsByEverything(t *testing.T) {
	onIndexes(t, func(t *testing.T, f *fixture, log *audit.Segments, path string) {
		write(t, log, story()...)
		x := index(t, f, path, log)
		if got := found(t, x, admin.Query{}); got != nil {
			t.Errorf("before anything is indexed: %v", got)
		}
		follow(t, x)
		for _, c := range []struct {
			what string
			q    admin.Query
			want []int64
		}{
			{"everything", admin.Query{}, []int64{9, 8, 7, 6, 5, 4, 3, 2, 1, 0}},
			{"person", admin.Query{Person: "p_ALICE"}, []int64{6, 4, 3, 2, 1}},
			{"erased person", admin.Query{Person: "p_BOB"}, []int64{8, 6, 5}},
			{"agent", admin.Query{Agent: "c1"}, []int64{4, 3, 2}},
			{"agent in a chain", admin.Query{Agent: "c3"}, []int64{6}},
			{"tool", admin.Query{Tool: "add"}, []int64{5, 3}},
			{"second tool", admin.Query{Tool: "drop"}, []int64{6, 5}},
			{"server", admin.Query{Server: "https://s1"}, []int64{6, 4, 3}},
			{"decision", admin.Query{Decision: "deny"}, []int64{9, 5}},
			{"code", admin.Query{Code: "mcp.called"}, []int64{6, 4, 3}},
			{"grant", admin.Query{Grant: "g1"}, []int64{4, 3, 2}},
			{"request", admin.Query{Request: "r2"}, []int64{5}},
			{"id", admin.Query{ID: "d"}, []int64{4, 3}},
			{"token", admin.Query{Token: "t1"}, []int64{3, 2}},
			{"about", admin.Query{About: "c1"}, []int64{0}},
			{"two at once", admin.Query{Tool: "add", Decision: "deny"}, []int64{5}},
			{"three at once", admin.Query{Person: "p_BOB", Agent: "c2", Server: "https://s1"}, []int64{6}},
			{"what contradicts itself", admin.Query{ID: "d", Decision: "deny"}, nil},
			{"what is not there", admin.Query{Person: "p_NOBODY"}, nil},
			{"one kind is not another", admin.Query{Agent: "p_ALICE"}, nil},
			{"since", admin.Query{Since: start.Add(7 * time.Minute)}, []int64{9, 8, 7}},
			{"until", admin.Query{Until: start.Add(2 * time.Minute)}, []int64{1, 0}},
			{"a range of time", admin.Query{Person: "p_ALICE", Since: start.Add(2 * time.Minute), Until: start.Add(4 * time.Minute)}, []int64{3, 2}},
			{"another day", admin.Query{Since: start.Add(24 * time.Hour)}, nil},
			{"a page", admin.Query{Limit: 3}, []int64{9, 8, 7}},
			{"the page after it", admin.Query{Limit: 3, Before: 7}, []int64{6, 5, 4}},
			{"a page of a person", admin.Query{Person: "p_ALICE", Limit: 2}, []int64{6, 4}},
			{"the page after that", admin.Query{Person: "p_ALICE", Limit: 2, Before: 4}, []int64{3, 2}},
		} {
			if diff := cmp.Diff(c.want, found(t, x, c.q)); diff != "" {
				t.Errorf("%s (-want +got)\n%s", c.what, diff)
			}
		}
		hits, err := x.Find(t.Context(), admin.Query{ID: "e"})
		if err != nil || len(hits) != 1 || hits[0].Entry.Calls[1].Name != "drop" {
			t.Errorf("%+v, %v", hits, err)
		}
	})
}

// The index goes on where it was, follows what comes, and is made anew from the log whatever became of it.
func TestTheIndexIsDisposable(t *testing.T) {
	onIndexes(t, func(t *testing.T, f *fixture, log *audit.Segments, path string) {
		var many []verify.Entry
		for i := range 4500 {
			many = append(many, verify.Entry{ID: fmt.Sprint(i), Code: "mcp.called", Phase: "intent", Time: at(i), Subject: &verify.Subject{Pseudonym: fmt.Sprintf("p_%d", i%7)}})
		}
		write(t, log, many...)
		x := index(t, f, path, log)
		if steps := follow(t, x); steps != 3 {
			t.Errorf("%d steps", steps)
		}
		whole := found(t, x, admin.Query{Person: "p_3", Limit: 1000})
		if len(whole) != 643 || !slices.IsSortedFunc(whole, func(a, b int64) int { return int(b - a) }) {
			t.Errorf("%d of one person", len(whole))
		}
		write(t, log, verify.Entry{ID: "new", Code: "mcp.called", Phase: "intent", Time: at(0), Subject: &verify.Subject{Pseudonym: "p_3"}})
		x = index(t, f, path, log)
		if steps := follow(t, x); steps != 1 {
			t.Errorf("after a restart %d steps", steps)
		}
		if got := found(t, x, admin.Query{Person: "p_3", Limit: 2}); !slices.Equal(got, []int64{4500, 4497}) {
			t.Errorf("after a restart: %v", got)
		}
		if err := x.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := found(t, x, admin.Query{Person: "p_3"}); got != nil {
			t.Errorf("after a reset: %v", got)
		}
		follow(t, x)
		if got := found(t, x, admin.Query{Person: "p_3", Limit: 1000}); len(got) != 644 {
			t.Errorf("made anew: %d", len(got))
		}
		other, err := audit.OpenSegments(t.TempDir(), func() time.Time { return start }, audit.SegmentOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = other.Close() }()
		write(t, other, story()...)
		x = index(t, f, path, other)
		follow(t, x)
		if got := found(t, x, admin.Query{Person: "p_3"}); got != nil {
			t.Errorf("of another log: %v", got)
		}
		if got := found(t, x, admin.Query{Grant: "g1"}); !slices.Equal(got, []int64{4, 3, 2}) {
			t.Errorf("of the other log: %v", got)
		}
	})
}

func TestADamagedIndexIsMadeAnew(t *testing.T) {
	f := &fixture{t: t, address: "sqlite:" + filepath.Join(t.TempDir(), "a.db"), box: newBox(t)}
	f.reopen()
	log, err := audit.OpenSegments(t.TempDir(), func() time.Time { return start }, audit.SegmentOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	write(t, log, story()...)
	path := filepath.Join(t.TempDir(), "index.db")
	if err := os.WriteFile(path, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	x := index(t, f, path, log)
	follow(t, x)
	if got := found(t, x, admin.Query{Grant: "g1"}); len(got) != 3 {
		t.Errorf("%v", got)
	}
}

// Of records whose bodies were deleted the index finds nothing, and after Forget has nothing.
func TestTheIndexForgetsWhatTheLogHasNot(t *testing.T) {
	onIndexes(t, func(t *testing.T, f *fixture, log *audit.Segments, path string) {
		for range 30 {
			write(t, log, story()...)
		}
		x := index(t, f, path, log)
		follow(t, x)
		both := note(t, log, 300, 1)
		if err := log.Publish(t.Context(), 300, both); err != nil {
			t.Fatal(err)
		}
		gone, err := log.Drop(t.Context(), 150)
		if err != nil || gone < 50 {
			t.Fatal(gone, err)
		}
		q := admin.Query{Grant: "g1", Limit: 1000}
		left := found(t, x, q)
		if len(left) == 0 || len(left) == 90 || slices.Min(left) < gone {
			t.Errorf("%d are found, with %d gone", len(left), gone)
		}
		if err := x.Forget(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(left, found(t, x, q)); diff != "" {
			t.Errorf("after it forgot (-want +got)\n%s", diff)
		}
		if err := x.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
		follow(t, x)
		if diff := cmp.Diff(left, found(t, x, q)); diff != "" {
			t.Errorf("made anew (-want +got)\n%s", diff)
		}
	})
}

// Nothing that the log commits to, and no pseudonym, stands in the index: it holds hashes.
func TestTheIndexHoldsHashes(t *testing.T) {
	onIndexes(t, func(t *testing.T, f *fixture, log *audit.Segments, path string) {
		write(t, log, story()...)
		x := index(t, f, path, log)
		follow(t, x)
		_ = x.Close()
		for _, name := range []string{path, path + "-wal"} {
			b, err := os.ReadFile(name)
			if err == nil && (bytes.Contains(b, []byte("ALICE")) || bytes.Contains(b, []byte("https://s1"))) {
				t.Errorf("%s has what a record says", name)
			}
		}
	})
}

func BenchmarkIndex(b *testing.B) {
	log, err := audit.OpenSegments(b.TempDir(), time.Now, audit.SegmentOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	db, err := store.Open(context.Background(), "sqlite:"+b.TempDir()+"/a.db", nil)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for range 10 {
		var leaves [][]byte
		for range 200 {
			for _, e := range story() {
				e.V, e.ID = verify.Version, fmt.Sprint(len(leaves), b.N)
				l, _ := verify.Encode(&e)
				leaves = append(leaves, l)
			}
		}
		if _, err := log.Append(b.Context(), leaves); err != nil {
			b.Fatal(err)
		}
	}
	x, err := db.Index(b.Context(), b.TempDir()+"/index.db", log)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = x.Close() }()
	records := 0
	for b.Loop() {
		n, err := x.Follow(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		records += n
		if n == 0 {
			if err := x.Reset(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
}
