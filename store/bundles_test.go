package store_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/store"
)

// The bundle before the one that decides is kept, so that there is a way back; one that was set aside stays so until another takes
// its place.
func TestBundlesKeepTheirPredecessor(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		of := func(name string) store.Bundle {
			return store.Bundle{Digest: name, Archive: []byte("archive of " + name)}
		}
		keep := func(name string, aside bool) {
			f.must(func(ctx context.Context, in audit.Intent) error { return f.db.KeepBundle(ctx, in, of(name), aside) })
		}
		wants := func(want store.Bundles) {
			t.Helper()
			f.reopen()
			got, err := f.db.Bundles(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		}
		wants(store.Bundles{})
		keep("one", false)
		wants(store.Bundles{Live: of("one")})
		keep("two", false)
		wants(store.Bundles{Live: of("two"), Previous: of("one")})
		keep("one", true)
		wants(store.Bundles{Live: of("one"), Previous: of("two"), Aside: store.Bundle{Digest: "two"}})
		keep("three", false)
		wants(store.Bundles{Live: of("three"), Previous: of("one")})
	})
}
