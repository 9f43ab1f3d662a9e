package store_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/login"
	"github.com/doorward-mcp/doorward/seal"
	"github.com/doorward-mcp/doorward/store"
	"github.com/doorward-mcp/doorward/token"
)

func TestKeysAreKeptSealed(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		first, err := token.NewKey(f.now, f.now)
		if err != nil {
			t.Fatal(err)
		}
		second, err := token.NewKey(f.now, f.now.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range []token.Key{first, second} {
			f.must(func(ctx context.Context, in audit.Intent) error {
				return f.db.Authserver().Keys.Add(ctx, in, k, f.now.Add(2*time.Hour))
			})
		}
		f.reopen()
		keys, err := f.db.Authserver().Keys.Keys(t.Context(), f.now)
		if err != nil || len(keys) != 2 {
			t.Fatal(len(keys), err)
		}
		for _, k := range keys {
			if k.ID == first.ID && (!k.Private.Equal(first.Private) || !k.Until.Equal(f.now.Add(2*time.Hour))) || k.ID == second.ID && !k.Until.IsZero() {
				t.Errorf("key %s until %s", k.ID, k.Until)
			}
		}
		wrong, err := seal.New(append(make([]byte, 31), 1))
		if err != nil {
			t.Fatal(err)
		}
		other, err := store.Open(t.Context(), f.address, wrong)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = other.Close() }()
		if _, err := other.Authserver().Keys.Keys(t.Context(), f.now); !errors.Is(err, seal.ErrWrongKey) {
			t.Errorf("under another key-encryption key: %v", err)
		}
	})
}

func TestSettingsAreMadeOnce(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		if _, err := f.db.Setting(t.Context(), "x"); !errors.Is(err, store.ErrUnset) {
			t.Fatal(err)
		}
		for _, value := range []string{"first", "second"} {
			f.must(func(ctx context.Context, in audit.Intent) error {
				kept, err := f.db.Set(ctx, in, "x", value)
				if kept != "first" {
					err = fmt.Errorf("kept %q", kept)
				}
				return err
			})
		}
	})
}

// An act without a record does not happen: the zero Intent has no time.
func TestNoChangeWithoutARecord(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		defer func() {
			if recover() == nil {
				t.Error("an act ran without a record")
			}
		}()
		var none audit.Intent
		_, _ = f.db.Set(t.Context(), none, "x", "y")
	})
}

func TestACloseFailureOfOneActSparesTheOthers(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		var all sync.WaitGroup
		for n := range 40 {
			all.Go(func() {
				name := strings.Repeat("p", 1+n/2) // each name twice: one of the two must fail
				err := f.act(func(ctx context.Context, in audit.Intent) error {
					return f.db.Login().People.Add(ctx, in, login.Person{Principal: token.Principal{Issuer: "i", Subject: rand.Text()}, Name: name})
				})
				if err != nil && !errors.Is(err, login.ErrTaken) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		for n := range 20 {
			if _, err := f.db.Login().People.Person(t.Context(), f.now, strings.Repeat("p", 1+n)); err != nil {
				t.Errorf("person %d: %v", n, err)
			}
		}
	})
}
