package store_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/seal"
	"github.com/doorward-mcp/doorward/store"
	"github.com/doorward-mcp/doorward/token"
)

var bob = token.Principal{Issuer: alice.Issuer, Subject: "bob-subject"}

func (f *fixture) subject(p token.Principal) audit.Subject {
	f.t.Helper()
	s, err := f.db.Vault().Subject(f.t.Context(), p)
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

func (f *fixture) erase(p token.Principal) (pseudonyms []string) {
	f.t.Helper()
	f.must(func(ctx context.Context, in audit.Intent) (err error) {
		pseudonyms, err = f.db.Vault().Erase(ctx, in, p)
		return err
	})
	return pseudonyms
}

func (f *fixture) who(pseudonym string) (p token.Principal, err error) {
	f.t.Helper()
	err = f.act(func(ctx context.Context, in audit.Intent) (err error) {
		p, err = f.db.Vault().Who(ctx, in, pseudonym)
		return err
	})
	return p, err
}

func (f *fixture) open(record string) (c audit.Clear, err error) {
	f.t.Helper()
	err = f.act(func(ctx context.Context, in audit.Intent) (err error) {
		c, err = f.db.Vault().Open(ctx, in, record)
		return err
	})
	return c, err
}

func TestAPseudonymIsOnePersonsAndStays(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		if p, err := f.db.Vault().Pseudonym(t.Context(), alice); !errors.Is(err, audit.ErrErased) {
			t.Errorf("before anybody is known: %q, %v", p, err)
		}
		first := f.subject(alice)
		if len(first.Pseudonym) != 28 || !strings.HasPrefix(first.Pseudonym, "p_") || first.Key == [32]byte{} {
			t.Errorf("%q with a key %v", first.Pseudonym, first.Key != [32]byte{})
		}
		for _, other := range []token.Principal{bob, {Issuer: "https://other.example", Subject: alice.Subject}, {Issuer: alice.Issuer + "a", Subject: strings.TrimPrefix(alice.Subject, "a")}} {
			if s := f.subject(other); s.Pseudonym == first.Pseudonym || s.Key == first.Key {
				t.Errorf("%v is alice", other)
			}
		}
		f.reopen()
		if s := f.subject(alice); s != first {
			t.Error("after a restart alice is somebody else")
		}
		if p, err := f.db.Vault().Pseudonym(t.Context(), alice); err != nil || p != first.Pseudonym {
			t.Errorf("%q, %v", p, err)
		}
		if p, err := f.who(first.Pseudonym); err != nil || p != alice {
			t.Errorf("%v, %v", p, err)
		}
		if _, err := f.db.Vault().Subject(t.Context(), token.Principal{Issuer: alice.Issuer}); err == nil {
			t.Error("nobody has a pseudonym")
		}
	})
}

// Many ask for somebody new at once, in two processes: all get one pseudonym.
func TestAPseudonymIsMadeOnce(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		other := f.second()
		got := make([]audit.Subject, 20)
		var all sync.WaitGroup
		for i := range got {
			all.Go(func() {
				v := f.db.Vault()
				if i%2 == 1 {
					v = other.Vault()
				}
				s, err := v.Subject(t.Context(), bob)
				if err != nil {
					t.Error(err)
				}
				got[i] = s
			})
		}
		all.Wait()
		for _, s := range got {
			if s != got[0] {
				t.Fatalf("%q and %q", s.Pseudonym, got[0].Pseudonym)
			}
		}
	})
}

// second opens the database once more, as another process does.
func (f *fixture) second() *store.DB {
	f.t.Helper()
	db, err := store.Open(f.t.Context(), f.address, f.box)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestADayHasOneKey(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		key := func(at time.Time) [32]byte {
			t.Helper()
			k, err := f.db.Vault().Day(t.Context(), at)
			if err != nil || k == [32]byte{} {
				t.Fatal(err)
			}
			return k
		}
		midnight := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
		first := key(midnight.Add(-time.Hour))
		if key(midnight) == first {
			t.Error("two days have one key")
		}
		f.reopen()
		if key(midnight.Add(-24*time.Hour).In(time.FixedZone("", 3600))) != first || key(midnight.Add(-time.Nanosecond)) != first {
			t.Error("one day has two keys")
		}
		key(midnight.Add(20 * 24 * time.Hour))
		if key(midnight.Add(-time.Hour)) == first {
			t.Error("the key of an old day was kept")
		}
	})
}

func TestClearValuesOpenForTheirRecordAlone(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		s, other := f.subject(alice), f.subject(bob)
		all := []audit.Clear{{Record: "one", Pseudonym: s.Pseudonym, Value: []byte(`{"a":1}`)}, {Record: "two", Pseudonym: other.Pseudonym, Value: []byte(`{"b":2}`)}, {Record: "gone", Pseudonym: "p_NOBODY", Value: []byte(`{}`)}}
		if err := f.db.Vault().Keep(t.Context(), all); err != nil {
			t.Fatal(err)
		}
		f.reopen()
		for _, want := range all[:2] {
			if c, err := f.open(want.Record); err != nil || string(c.Value) != string(want.Value) || c.Pseudonym != want.Pseudonym || c.Record != want.Record {
				t.Errorf("%+v, %v", c, err)
			}
		}
		for _, record := range []string{"gone", "never"} {
			if _, err := f.open(record); !errors.Is(err, audit.ErrErased) {
				t.Errorf("%s: %v", record, err)
			}
		}
		if err := f.db.Vault().SweepValues(t.Context(), time.Now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
		if _, err := f.open("one"); err != nil {
			t.Errorf("a value of today was swept: %v", err)
		}
		if err := f.db.Vault().SweepValues(t.Context(), time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if _, err := f.open("one"); !errors.Is(err, audit.ErrErased) {
			t.Errorf("after the sweep: %v", err)
		}
	})
}

// Reading clear values or names without a record does not happen: the zero Intent has no time.
func TestNobodyReadsTheVaultWithoutARecord(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		s := f.subject(alice)
		for what, read := range map[string]func(audit.Intent){
			"values": func(in audit.Intent) { _, _ = f.db.Vault().Open(t.Context(), in, "one") },
			"names":  func(in audit.Intent) { _, _ = f.db.Vault().Who(t.Context(), in, s.Pseudonym) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s were read", what)
					}
				}()
				var none audit.Intent
				read(none)
			}()
		}
	})
}

// After erasure the vault cannot answer, in this process at once and in others within a second, and the person is somebody new.
func TestWhoeverIsErasedIsForgotten(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		other := f.second()
		ctx, stop := context.WithCancel(t.Context())
		var following sync.WaitGroup
		following.Go(func() { other.Vault().Follow(ctx, func(err error) { t.Error(err) }) })
		defer following.Wait()
		defer stop()
		was, stays := f.subject(alice), f.subject(bob)
		if s, err := other.Vault().Subject(t.Context(), alice); err != nil || s != was {
			t.Fatal(err)
		}
		for _, c := range []audit.Clear{{Record: "one", Pseudonym: was.Pseudonym, Value: []byte("1")}, {Record: "two", Pseudonym: stays.Pseudonym, Value: []byte("2")}} {
			if err := f.db.Vault().Keep(t.Context(), []audit.Clear{c}); err != nil {
				t.Fatal(err)
			}
		}
		if p := f.erase(alice); len(p) != 1 || p[0] != was.Pseudonym {
			t.Errorf("erased %q", p)
		}
		if p := f.erase(alice); len(p) != 0 {
			t.Errorf("erased again %q", p)
		}
		if _, err := f.who(was.Pseudonym); !errors.Is(err, audit.ErrErased) {
			t.Errorf("who it was: %v", err)
		}
		if _, err := f.open("one"); !errors.Is(err, audit.ErrErased) {
			t.Errorf("the values: %v", err)
		}
		if _, err := f.db.Vault().Pseudonym(t.Context(), alice); !errors.Is(err, audit.ErrErased) {
			t.Errorf("the pseudonym: %v", err)
		}
		if err := f.db.Vault().Keep(t.Context(), []audit.Clear{{Record: "late", Pseudonym: was.Pseudonym, Value: []byte("1")}}); err != nil {
			t.Error(err)
		}
		if _, err := f.open("late"); !errors.Is(err, audit.ErrErased) {
			t.Errorf("what came late: %v", err)
		}
		if s := f.subject(alice); s.Pseudonym == was.Pseudonym || s.Key == was.Key {
			t.Error("the next time it is the same person")
		}
		if _, err := f.db.Vault().Pseudonym(t.Context(), alice); !errors.Is(err, audit.ErrErased) {
			t.Errorf("what was under way made a pseudonym that is kept: %v", err)
		}
		if c, err := f.open("two"); err != nil || string(c.Value) != "2" || f.subject(bob) != stays {
			t.Errorf("bob was harmed: %v", err)
		}
		until := time.Now().Add(time.Second)
		for {
			s, err := other.Vault().Subject(t.Context(), alice)
			if err == nil && s != was {
				break
			}
			if time.Now().After(until) {
				t.Fatalf("the other process still knows alice: %v", err)
			}
			time.Sleep(20 * time.Millisecond) // another process is another process: its clock is the wall's
		}
	})
}

// Whoever was erased long enough ago that no token of theirs can be out is known again, as somebody new.
func TestWhoeverComesBackIsSomebodyNew(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		was := f.subject(alice)
		f.erase(alice)
		if err := f.db.Sweep(t.Context(), time.Now().Add(26*time.Hour)); err != nil {
			t.Fatal(err)
		}
		f.reopen()
		s := f.subject(alice)
		if p, err := f.db.Vault().Pseudonym(t.Context(), alice); err != nil || p != s.Pseudonym || p == was.Pseudonym {
			t.Errorf("%q, %q, %v", p, s.Pseudonym, err)
		}
	})
}

// Neither a name nor a value nor a key stands in the files, and another key-encryption key opens nothing.
func TestTheVaultIsSealed(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		s := f.subject(alice)
		if err := f.db.Vault().Keep(t.Context(), []audit.Clear{{Record: "one", Pseudonym: s.Pseudonym, Value: []byte("a value in the clear")}}); err != nil {
			t.Fatal(err)
		}
		wrong, err := seal.New(append(make([]byte, 31), 1))
		if err != nil {
			t.Fatal(err)
		}
		other, err := store.Open(t.Context(), f.address, wrong)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Vault().Subject(t.Context(), alice); !errors.Is(err, seal.ErrWrongKey) {
			t.Errorf("under another key: %v", err)
		}
		if err := other.Close(); err != nil {
			t.Error(err)
		}
		path, ok := strings.CutPrefix(f.address, "sqlite:")
		if !ok {
			return
		}
		look := func(what string, secret []byte) {
			t.Helper()
			for _, end := range []string{"", "-wal"} {
				if b, err := os.ReadFile(path + end); err == nil && bytes.Contains(b, secret) {
					t.Errorf("%s stands in %s%s", what, path, end)
				}
			}
		}
		look("who it is", []byte(alice.Subject))
		look("a value", []byte("in the clear"))
		look("a key", s.Key[:])
		f.erase(alice)
		look("the pseudonym of somebody who was erased", []byte(s.Pseudonym))
	})
}

func BenchmarkSubjectInMemory(b *testing.B) {
	box, err := seal.New(make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	db, err := store.Open(b.Context(), "sqlite:"+b.TempDir()+"/a.db", box)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	v := db.Vault()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Subject(b.Context(), alice); err != nil {
			b.Fatal(err)
		}
	}
}
