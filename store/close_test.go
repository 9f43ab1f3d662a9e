package store_test

import (
	"context"
	"crypto/rand"
	"sync"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/grant"
	"github.com/doorward-mcp/doorward/token"
)

// Requests may still be under way when the program ends: their acts are done or fail, and nothing breaks.
func TestActsThatComeAsTheDatabaseCloses(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		pendings := f.db.Authserver().Pendings
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				for n := 0; ; n++ {
					err := pendings.Begin(context.Background(), f.now, f.now.Add(time.Minute), authserver.Pending{ID: rand.Text()})
					if err != nil {
						return
					}
					if n == 100_000 {
						t.Error("a closed database takes acts")
						return
					}
				}
			})
		}
		time.Sleep(5 * time.Millisecond)
		if err := f.db.Close(); err != nil {
			t.Error(err)
		}
		all.Wait()
		f.db = nil
	})
}

// Rule 7: the end of a grant hits every token of it, also one that a replica whose clock is ahead has minted; and who
// repeats himself makes no second row.
func TestARevokedGrantHitsTokensOfAnyClock(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		g, code := f.approved()
		f.redeem(code)
		_, v := f.redeem(code)
		if v != grant.Stolen {
			t.Fatal(v)
		}
		ahead := token.Caller{Grant: g.ID, Issued: f.now.Add(time.Minute)}
		if !f.db.Revocations().Revoked(ahead) {
			t.Error("a token of a clock that is ahead passes")
		}
		for _, revoke := range []func(context.Context, audit.Intent) error{
			func(ctx context.Context, in audit.Intent) error {
				return f.db.Authserver().Grants.Revoke(ctx, in, g.ID)
			},
			func(ctx context.Context, in audit.Intent) error {
				return f.db.Revocations().Revoke(ctx, in, token.Revocation{ID: "jti", NotBefore: start.Add(time.Hour), Until: start.Add(time.Hour)})
			},
		} {
			f.must(revoke)
			changed := f.db.Revocations().Changed()
			f.now = f.now.Add(time.Second)
			f.must(revoke)
			f.must(revoke)
			select {
			case <-changed:
				t.Error("a repetition is a change that every replica reads")
			default:
			}
		}
	})
}
