package store_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/grant"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// RFC 9126 §4: of many browsers with one reference, one gets the request.
func TestAPendingRequestIsTakenOnce(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		id := f.pending()
		var taken atomic.Int32
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				p, err := f.db.Authserver().Pendings.Take(t.Context(), f.now, id)
				switch {
				case err == nil && p.ID == id && p.Client == "c":
					taken.Add(1)
				case !errors.Is(err, authserver.ErrNotFound):
					t.Errorf("%+v, %v", p, err)
				}
			})
		}
		all.Wait()
		if taken.Load() != 1 {
			t.Errorf("taken %d times", taken.Load())
		}
		late := f.pending()
		if _, err := f.db.Authserver().Pendings.Take(t.Context(), f.now.Add(10*time.Minute), late); !errors.Is(err, authserver.ErrNotFound) {
			t.Errorf("too late: %v", err)
		}
	})
}

// RFC 8628: a device's request is found by its user code, polled at intervals that grow, and ended by one answer.
func TestADeviceWaitsForOneAnswer(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		devices := f.db.Authserver().Devices
		made := authserver.Device{CodeHash: sha256.Sum256([]byte("code")), UserCode: "BCDFGHJK", Client: "c", Resource: resource, Scopes: oauth.NewScopes("mcp"),
			From: netip.MustParseAddr("192.0.2.7"), Began: f.now, Interval: 5 * time.Second, Until: f.now.Add(10 * time.Minute)}
		if err := devices.Begin(t.Context(), f.now, made); err != nil {
			t.Fatal(err)
		}
		if err := devices.Begin(t.Context(), f.now, authserver.Device{CodeHash: sha256.Sum256([]byte("other")), UserCode: made.UserCode, Until: made.Until}); err == nil {
			t.Error("two devices show one code")
		}
		found, err := devices.Find(t.Context(), f.now, made.UserCode)
		if diff := cmp.Diff(made, found, cmpopts.EquateComparable(netip.Addr{})); err != nil || diff != "" {
			t.Fatalf("%v (-made +found)\n%s", err, diff)
		}
		for _, c := range []struct {
			after time.Duration
			soon  bool
			grown time.Duration
		}{{0, false, 5 * time.Second}, {4 * time.Second, true, 10 * time.Second}, {12 * time.Second, true, 15 * time.Second}, {28 * time.Second, false, 15 * time.Second}} {
			d, soon, err := devices.Poll(t.Context(), f.now.Add(c.after), made.CodeHash)
			if err != nil || soon != c.soon || d.Interval != c.grown {
				t.Errorf("after %s: %v, %s, %v", c.after, soon, d.Interval, err)
			}
		}
		if _, err := devices.Find(t.Context(), made.Until, made.UserCode); !errors.Is(err, authserver.ErrNotFound) {
			t.Errorf("too late: %v", err)
		}
		g, _ := grant.New(f.now, grant.Approved{Subject: alice, Client: "c", Resources: []string{resource}, Device: &grant.Device{CodeHash: made.CodeHash, Until: made.Until}}, grant.Lifetimes{}.WithDefaults())
		approve := func() error {
			id := f.pending()
			return f.act(func(ctx context.Context, in audit.Intent) error {
				return f.db.Authserver().Grants.Approve(ctx, in, authserver.Pending{ID: id, Device: &found}, g)
			})
		}
		if err := approve(); err != nil {
			t.Fatal(err)
		}
		if err := approve(); !errors.Is(err, authserver.ErrNotFound) {
			t.Errorf("approved twice: %v", err)
		}
		if _, _, err := devices.Poll(t.Context(), f.now, made.CodeHash); !errors.Is(err, authserver.ErrNotFound) {
			t.Errorf("it waits still: %v", err)
		}
		f.must(func(ctx context.Context, in audit.Intent) error {
			_, v, err := f.db.Authserver().Grants.Redeem(ctx, in, grant.Code{Raw: token.NewSecret("code"), Client: "c", Device: true, Wanted: grant.Wanted{Key: "k"}})
			if v != grant.Good {
				t.Errorf("the device's code is %s", v)
			}
			return err
		})
		kept, err := f.db.Authserver().Grants.Find(t.Context(), f.now, grant.Name{Code: made.CodeHash})
		if err != nil || !kept.Device || kept.Key != "k" {
			t.Errorf("%+v, %v", kept, err)
		}
	})
}

func TestADeclinedDeviceGetsNoGrant(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		d := authserver.Device{CodeHash: sha256.Sum256([]byte("code")), UserCode: "BCDFGHJK", Client: "c", Until: f.now.Add(time.Minute)}
		if err := f.db.Authserver().Devices.Begin(t.Context(), f.now, d); err != nil {
			t.Fatal(err)
		}
		if err := f.db.Authserver().Devices.Decline(t.Context(), f.now, d.CodeHash); err != nil {
			t.Fatal(err)
		}
		got, _, err := f.db.Authserver().Devices.Poll(t.Context(), f.now, d.CodeHash)
		if err != nil || !got.Declined {
			t.Errorf("%+v, %v", got, err)
		}
		g, _ := grant.New(f.now, grant.Approved{Subject: alice, Client: "c", Resources: []string{resource}, Device: &grant.Device{CodeHash: d.CodeHash, Until: d.Until}}, grant.Lifetimes{}.WithDefaults())
		id := f.pending()
		err = f.act(func(ctx context.Context, in audit.Intent) error {
			return f.db.Authserver().Grants.Approve(ctx, in, authserver.Pending{ID: id, Device: &d}, g)
		})
		if !errors.Is(err, authserver.ErrNotFound) {
			t.Errorf("approved all the same: %v", err)
		}
	})
}

// Assertions and proofs are taken once, among replicas and after a restart, until they could not be taken anyway.
func TestOnce(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		var fresh atomic.Int32
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				ok, err := f.db.Once(t.Context(), f.now, "dpop", "k j", f.now.Add(time.Minute))
				if err != nil {
					t.Error(err)
				}
				if ok {
					fresh.Add(1)
				}
			})
		}
		all.Wait()
		if fresh.Load() != 1 {
			t.Errorf("taken %d times", fresh.Load())
		}
		f.reopen()
		for name, c := range map[string]struct {
			kind, id string
			after    time.Duration
			want     bool
		}{
			"after a restart": {"dpop", "k j", 0, false}, "another kind": {"client assertion", "k j", 0, true}, "another id": {"dpop", "k l", 0, true},
			"a moment before its end": {"dpop", "k j", time.Minute - time.Millisecond, false},
		} {
			if got, err := f.db.Once(t.Context(), f.now.Add(c.after), c.kind, c.id, f.now.Add(time.Minute)); err != nil || got != c.want {
				t.Errorf("%s: %v, %v", name, got, err)
			}
		}
		if got, err := f.db.Once(t.Context(), f.now.Add(time.Minute), "dpop", "k j", f.now.Add(2*time.Minute)); err != nil || !got {
			t.Errorf("at its end: %v, %v", got, err)
		}
		for n := range 3 {
			if _, err := f.db.Once(t.Context(), f.now, "swept", fmt.Sprint(n), f.now.Add(time.Second)); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.db.Sweep(t.Context(), f.now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	})
}
