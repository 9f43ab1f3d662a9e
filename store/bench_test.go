package store_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/grant"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/seal"
	"github.com/doorward-mcp/doorward/store"
)

// BenchmarkRotate is a durable rotation on SQLite, from as many clients at once as -cpu says times eight: they are joined
// into one commit.
func BenchmarkRotate(b *testing.B) {
	box, err := seal.New(make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	db, err := store.Open(b.Context(), "sqlite:"+filepath.Join(b.TempDir(), "bench.db"), box)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	log := audit.New(func(context.Context, audit.Entry) error { return nil })
	l := grant.Lifetimes{}.WithDefaults()
	act := func(do func(context.Context, audit.Intent) error) {
		if _, err := log.Do(b.Context(), audit.Record{Code: audit.TokenIssued, Now: start}, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
			return audit.Outcome{}, do(ctx, in)
		}); err != nil {
			b.Error(err)
		}
	}
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		g, code := grant.New(start, grant.Approved{Subject: alice, Client: "c", Redirect: redirect, Challenge: oauth.S256(verifier), Resources: []string{resource}, Scopes: oauth.NewScopes("mcp")}, l)
		act(func(ctx context.Context, in audit.Intent) error {
			if err := db.Authserver().Pendings.Begin(ctx, start, start.Add(l.Code), authserver.Pending{ID: g.ID}); err != nil {
				return err
			}
			return db.Authserver().Grants.Approve(ctx, in, authserver.Pending{ID: g.ID}, g)
		})
		act(func(ctx context.Context, in audit.Intent) (err error) {
			g, _, err = db.Authserver().Grants.Redeem(ctx, in, grant.Code{Raw: code, Client: "c", Redirect: redirect, Verifier: verifier})
			return err
		})
		for pb.Next() {
			r, _ := grant.ParseRefresh(g.RefreshToken())
			r.Client = "c"
			act(func(ctx context.Context, in audit.Intent) (err error) {
				g, _, err = db.Authserver().Grants.Rotate(ctx, in, r, l)
				return err
			})
		}
	})
}
