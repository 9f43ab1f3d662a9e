package store_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/login"
	"github.com/doorward-mcp/doorward/token"
)

func TestSessionsEndByThemselves(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		people, sessions := f.db.Login().People, f.db.Login().Sessions
		hash := sha256.Sum256([]byte("cookie"))
		f.must(func(ctx context.Context, in audit.Intent) error {
			return people.Add(ctx, in, login.Person{Principal: alice, Name: "alice", Groups: []string{"g"}})
		})
		err := f.act(func(ctx context.Context, in audit.Intent) error {
			return people.Add(ctx, in, login.Person{Principal: token.Principal{Issuer: alice.Issuer, Subject: "2"}, Name: "alice"})
		})
		if !errors.Is(err, login.ErrTaken) {
			t.Errorf("a second alice: %v", err)
		}
		f.must(func(ctx context.Context, in audit.Intent) error {
			return sessions.Start(ctx, in, hash, login.Session{Principal: alice, At: f.now, ACR: "pw"}, time.Hour, 90*time.Minute)
		})
		at := func(d time.Duration) error {
			s, err := sessions.Session(t.Context(), f.now.Add(d), hash)
			if err == nil && (s.Principal != alice || s.Name != "alice" || !s.At.Equal(f.now) || s.ACR != "pw" || len(s.Groups) != 1) {
				t.Errorf("session %+v", s)
			}
			return err
		}
		for _, x := range []struct {
			after time.Duration
			ended bool
		}{{0, false}, {50 * time.Minute, false}, {80 * time.Minute, false}, {90 * time.Minute, true}} { // each use moves the idle hour on, up to the end
			if err := at(x.after); errors.Is(err, login.ErrNotFound) != x.ended {
				t.Errorf("after %s: %v", x.after, err)
			}
		}
		f.must(func(ctx context.Context, in audit.Intent) error { return sessions.End(ctx, in, hash) })
		if err := at(0); !errors.Is(err, login.ErrNotFound) {
			t.Errorf("after signing out: %v", err)
		}
	})
}

func TestALinkSignsInOnce(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		people, links := f.db.Login().People, f.db.Login().Links
		f.must(func(ctx context.Context, in audit.Intent) error {
			return people.Add(ctx, in, login.Person{Principal: alice, Name: "alice"})
		})
		hash := sha256.Sum256([]byte("secret"))
		f.must(func(ctx context.Context, in audit.Intent) error {
			return links.Make(ctx, in, hash, alice.Subject, f.now.Add(15*time.Minute))
		})
		if p, err := links.Link(t.Context(), f.now, hash); err != nil || p.Name != "alice" {
			t.Fatal(p, err)
		}
		var mu sync.Mutex
		used := 0
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				err := f.act(func(ctx context.Context, in audit.Intent) error { _, err := links.Use(ctx, in, hash); return err })
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					used++
				} else if !errors.Is(err, login.ErrNotFound) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if used != 1 {
			t.Errorf("the link signed in %d times", used)
		}
	})
}
