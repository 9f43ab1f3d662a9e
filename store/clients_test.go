package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/registration"
	"github.com/doorward-mcp/doorward/token"
)

// plenty are limits that no test reaches that is not about them.
var plenty = registration.Limits{Unused: 1000, UnusedAddress: 1000}

// kept is a client of the usual kind.
func kept(id, fingerprint string) registration.Kept {
	return registration.Kept{Client: oauth.Client{ID: id, Source: oauth.Dynamic, ClientMetadata: oauth.ClientMetadata{Name: "N"}}, Fingerprint: fingerprint, Network: "192.0.2.1/32"}
}

func (f *fixture) register(k registration.Kept, l registration.Limits) (got registration.Kept, err error) {
	err = f.act(func(ctx context.Context, in audit.Intent) (err error) {
		got, err = f.db.Clients().Register(ctx, in, k, l)
		return err
	})
	return got, err
}

// has reports whether a client is kept.
func (f *fixture) has(id string) bool {
	f.t.Helper()
	_, err := f.db.Clients().Client(f.t.Context(), f.now, id)
	if err != nil && !errors.Is(err, registration.ErrNotFound) {
		f.t.Fatal(err)
	}
	return err == nil
}

func (f *fixture) sweep(after time.Duration) {
	f.t.Helper()
	f.now = f.now.Add(after)
	if err := f.db.Sweep(f.t.Context(), f.now); err != nil {
		f.t.Fatal(err)
	}
}

// Rule 14: equal public registrations are one client; and the quota of clients that nobody uses.
func TestEqualRegistrationsAreOneClient(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		few := registration.Limits{Unused: 10, UnusedAddress: 10}
		first, err := f.register(kept("a", "same"), few)
		if err != nil || first.ID != "a" || first.Source != oauth.Dynamic {
			t.Fatal(first, err)
		}
		if second, err := f.register(kept("b", "same"), few); err != nil || second.ID != "a" {
			t.Errorf("an equal registration got %s, %v", second.ID, err)
		}
		if third, err := f.register(kept("c", ""), few); err != nil || third.ID != "c" {
			t.Errorf("a registration with a secret got %s, %v", third.ID, err)
		}
		if _, err := f.register(kept("d", ""), registration.Limits{Unused: 2, UnusedAddress: 10}); !errors.Is(err, registration.ErrFull) {
			t.Errorf("beyond the quota: %v", err)
		}
		if _, err := f.register(kept("d", ""), registration.Limits{Unused: 10, UnusedAddress: 2}); !errors.Is(err, registration.ErrFull) {
			t.Errorf("beyond the quota of an address: %v", err)
		}
		other := kept("d", "")
		other.Network = "192.0.2.2/32"
		if _, err := f.register(other, registration.Limits{Unused: 10, UnusedAddress: 2}); err != nil {
			t.Errorf("from another address: %v", err)
		}
		f.sweep(25 * time.Hour)
		if f.has("a") {
			t.Error("a client that nobody used for a day is still there")
		}
	})
}

// Twenty equal registrations at once, on whichever connection: one client.
func TestTwentyEqualRegistrationsAtOnce(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		ids := make(chan string, 20)
		var all sync.WaitGroup
		for n := range 20 {
			all.Go(func() {
				k, err := f.register(kept(fmt.Sprint("id", n), "same"), plenty)
				if err != nil {
					t.Error(err)
				}
				ids <- k.ID
			})
		}
		all.Wait()
		close(ids)
		first := <-ids
		for id := range ids {
			if id != first || id == "" {
				t.Errorf("%q and %q", first, id)
			}
		}
	})
}

// Everything of a client comes back as it was kept, and Change replaces what may change.
func TestAClientIsKeptWhole(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		k := registration.Kept{Network: "2001:db8::/64", Management: [32]byte{1, 2}, Client: oauth.Client{ID: "a", Source: oauth.Listed, SecretHash: [32]byte{3}, Issued: f.now, Waits: true,
			ClientMetadata: oauth.ClientMetadata{Name: "N", RedirectURIs: []string{"https://app.example/cb"}, JWKS: []byte(`{"keys":[]}`), GrantTypes: []string{"authorization_code"}},
			Serves:         []string{"r1"}, Reaches: []string{"r2"}, WorkloadIssuer: "i", WorkloadSubject: "s", WorkloadClaims: map[string]string{"a": "b"}}}
		if _, err := f.register(k, plenty); err != nil {
			t.Fatal(err)
		}
		same := func(what string, want registration.Kept) {
			t.Helper()
			f.reopen()
			got, err := f.db.Clients().Client(t.Context(), f.now, "a")
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%s: %v\n%s", what, err, diff)
			}
			all, err := f.db.Clients().List(t.Context(), f.now)
			if diff := cmp.Diff([]registration.Kept{want}, all); err != nil || diff != "" {
				t.Errorf("%s, in the list: %v\n%s", what, err, diff)
			}
		}
		same("registered", k)
		k.Name, k.SecretHash, k.Management, k.Waits, k.Used = "M", [32]byte{4}, [32]byte{5}, false, f.now
		change := func(k registration.Kept) error {
			return f.act(func(ctx context.Context, in audit.Intent) error { return f.db.Clients().Change(ctx, in, k) })
		}
		if err := change(k); err != nil {
			t.Fatal(err)
		}
		same("changed", k)
		stale := k
		stale.Used = time.Time{}
		if err := change(stale); err != nil {
			t.Fatal(err)
		}
		same("changed by somebody who read it before it was used", k)
		if _, err := f.register(k, plenty); !errors.Is(err, registration.ErrTaken) {
			t.Errorf("listed twice: %v", err)
		}
		if err := f.act(func(ctx context.Context, in audit.Intent) error { return f.db.Clients().Remove(ctx, in, "a") }); err != nil || f.has("a") {
			t.Errorf("removed: %v", err)
		}
		if err := change(k); !errors.Is(err, registration.ErrNotFound) {
			t.Errorf("changing one that is gone: %v", err)
		}
	})
}

// Expiry never takes a client with a live grant, one that was approved, or one that an administrator added; one that
// waits has longer.
func TestWhichClientsAreForgotten(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		waiting, listed, approved := kept("waiting", ""), kept("listed", ""), kept("approved", "")
		waiting.Waits, listed.Source, approved.Used = true, oauth.Listed, f.now
		for _, k := range []registration.Kept{kept("unused", ""), kept("c", ""), waiting, listed, approved} {
			if _, err := f.register(k, plenty); err != nil {
				t.Fatal(err)
			}
		}
		_, code := f.approved() // of the client c
		f.redeem(code)
		there := func(after time.Duration, want map[string]bool) {
			t.Helper()
			f.sweep(after)
			for id, has := range want {
				if f.has(id) != has {
					t.Errorf("%s after %s: kept %v", id, f.now.Sub(start), !has)
				}
			}
		}
		there(23*time.Hour, map[string]bool{"unused": true, "c": true, "waiting": true, "listed": true, "approved": true})
		there(2*time.Hour, map[string]bool{"unused": false, "c": true, "waiting": true, "listed": true, "approved": true})
		there(14*24*time.Hour, map[string]bool{"c": true, "waiting": false, "listed": true, "approved": true})
		there(14*24*time.Hour, map[string]bool{"c": true, "listed": true, "approved": true})
		there(200*24*time.Hour, map[string]bool{"c": false, "listed": true, "approved": false})
	})
}

// The address that somebody registered from is kept only as long as it is counted.
func TestTheAddressOfAUsedClientIsForgotten(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		if _, err := f.register(kept("c", ""), plenty); err != nil {
			t.Fatal(err)
		}
		f.approved()
		f.sweep(time.Hour)
		if k, err := f.db.Clients().Client(t.Context(), f.now, "c"); err != nil || k.Network != "" {
			t.Errorf("%q, %v", k.Network, err)
		}
	})
}

// End takes back all that a client was given, and nothing of what it is given later.
func TestTheEndOfAClient(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		for _, id := range []string{"c", "never"} {
			if _, err := f.register(kept(id, ""), plenty); err != nil {
				t.Fatal(err)
			}
		}
		_, code := f.approved()
		g, _ := f.redeem(code)
		f.must(func(ctx context.Context, in audit.Intent) error {
			return errors.Join(f.db.Clients().End(ctx, in, "c"), f.db.Clients().End(ctx, in, "never"))
		})
		revoked := func(client string, at time.Time) bool {
			return f.db.Revocations().Revoked(token.Caller{Client: client, Grant: g.ID, Issued: at})
		}
		if !revoked("c", f.now) || !revoked("c", f.now.Add(10*time.Second)) {
			t.Error("its tokens still pass")
		}
		if revoked("d", f.now) || revoked("c", f.now.Add(time.Minute)) || revoked("never", f.now) {
			t.Error("another client's tokens are hit, or later ones, or there is a row for nothing")
		}
		if _, v, err := f.rotate(g.RefreshToken()); err != nil || v.String() == "good" {
			t.Errorf("its refresh token: %s, %v", v, err)
		}
	})
}
