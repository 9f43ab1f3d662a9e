package store_test

import (
	"context"
	"crypto/rand"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/grant"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/seal"
	"github.com/doorward-mcp/doorward/store"
	"github.com/doorward-mcp/doorward/token"
)

var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const (
	verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	redirect = "http://127.0.0.1:7777/callback"
	resource = "http://127.0.0.1:8080/mcp"
)

var alice = token.Principal{Issuer: "http://127.0.0.1:8080", Subject: "alice-subject"}

// on runs one contract on every backend: what holds on SQLite holds on PostgreSQL.
func on(t *testing.T, contract func(*testing.T, *fixture)) {
	box, err := seal.New(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	for name, address := range map[string]func(testing.TB) string{
		"sqlite":   func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "doorward.db") },
		"postgres": postgres,
	} {
		t.Run(name, func(t *testing.T) {
			f := &fixture{t: t, address: address(t), box: box, log: audit.New(func(context.Context, audit.Entry) error { return nil }), now: start}
			f.reopen()
			contract(t, f)
		})
	}
}

type fixture struct {
	t       *testing.T
	address string
	box     *seal.Box
	log     *audit.Log
	now     time.Time
	db      *store.DB
}

// reopen closes the database and opens it again, as a restart does.
func (f *fixture) reopen() {
	f.t.Helper()
	if f.db != nil {
		if err := f.db.Close(); err != nil {
			f.t.Fatal(err)
		}
	}
	db, err := store.Open(f.t.Context(), f.address, f.box)
	if err != nil {
		f.t.Fatal(err)
	}
	f.db = db
	f.t.Cleanup(func() {
		if f.db == db {
			_ = db.Close()
		}
	})
}

// act runs one act under a record, at the fixture's time.
func (f *fixture) act(act func(context.Context, audit.Intent) error) error {
	_, err := f.log.Do(f.t.Context(), audit.Record{Code: audit.TokenIssued, Now: f.now}, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		return audit.Outcome{}, act(ctx, in)
	})
	return err
}

func (f *fixture) must(act func(context.Context, audit.Intent) error) {
	f.t.Helper()
	if err := f.act(act); err != nil {
		f.t.Fatal(err)
	}
}

// pending stores an authorization request and gives its id.
func (f *fixture) pending() string {
	f.t.Helper()
	id := rand.Text()
	if err := f.db.Authserver().Pendings.Begin(f.t.Context(), f.now, f.now.Add(10*time.Minute), authserver.Pending{ID: id, Client: "c", Resources: []string{resource}}); err != nil {
		f.t.Fatal(err)
	}
	return id
}

// approved writes a grant and gives it with its code.
func (f *fixture) approved() (grant.Grant, token.Secret) {
	f.t.Helper()
	g, code := grant.New(f.now, grant.Approved{Subject: alice, Client: "c", Redirect: redirect, Challenge: oauth.S256(verifier),
		Resources: []string{resource}, Scopes: oauth.NewScopes("mcp", "offline_access"), ACR: "pw", Groups: []string{"g1"}, Signed: f.now,
		Name: "alice", Nonce: "n", Task: &token.Task{ID: "t", Words: "w", Tools: []string{"add"}, Expires: f.now.Add(time.Hour)}, CodeKey: "", Bound: false}, grant.Lifetimes{}.WithDefaults())
	id := f.pending()
	f.must(func(ctx context.Context, in audit.Intent) error {
		return f.db.Authserver().Grants.Approve(ctx, in, authserver.Pending{ID: id}, g)
	})
	return g, code
}

func (f *fixture) redeem(code token.Secret) (g grant.Grant, v grant.Verdict) {
	f.t.Helper()
	f.must(func(ctx context.Context, in audit.Intent) (err error) {
		g, v, err = f.db.Authserver().Grants.Redeem(ctx, in, grant.Code{Raw: code, Client: "c", Redirect: redirect, Verifier: verifier})
		return err
	})
	return g, v
}

func (f *fixture) rotate(raw token.Secret) (g grant.Grant, v grant.Verdict, err error) {
	r, ok := grant.ParseRefresh(raw)
	if !ok {
		f.t.Fatal("not a refresh token")
	}
	r.Client = "c"
	err = f.act(func(ctx context.Context, in audit.Intent) (err error) {
		g, v, err = f.db.Authserver().Grants.Rotate(ctx, in, r, grant.Lifetimes{}.WithDefaults())
		return err
	})
	return g, v, err
}

func TestAPendingRequestKeepsItsAnswersAndEnds(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		pendings, id := f.db.Authserver().Pendings, f.pending()
		if err := pendings.Answer(t.Context(), f.now, id, authserver.SignedIn{Principal: alice, At: f.now}); err != nil {
			t.Fatal(err)
		}
		if err := pendings.Answer(t.Context(), f.now, id, authserver.Consented{Scopes: oauth.NewScopes("mcp")}); err != nil {
			t.Fatal(err)
		}
		p, err := pendings.Pending(t.Context(), f.now, id)
		if err != nil || p.ID != id || p.SignedIn == nil || p.SignedIn.Principal != alice || p.Consented == nil {
			t.Fatalf("got %+v, %v", p, err)
		}
		// Another person signing in on the same request takes the first one's consent away.
		if err := pendings.Answer(t.Context(), f.now, id, authserver.SignedIn{Principal: token.Principal{Issuer: "i", Subject: "bob"}}); err != nil {
			t.Fatal(err)
		}
		if p, _ = pendings.Pending(t.Context(), f.now, id); p.Consented != nil {
			t.Error("bob has alice's consent")
		}
		for _, late := range []time.Time{f.now.Add(10 * time.Minute), f.now.Add(time.Hour)} {
			if _, err := pendings.Pending(t.Context(), late, id); !errors.Is(err, authserver.ErrNotFound) {
				t.Errorf("at %s: %v", late, err)
			}
		}
	})
}

func TestAGrantIsWrittenOnceForARequest(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		id := f.pending()
		g, _ := grant.New(f.now, grant.Approved{Subject: alice, Client: "c", Resources: []string{resource}}, grant.Lifetimes{}.WithDefaults())
		again, _ := grant.New(f.now, grant.Approved{Subject: alice, Client: "c", Resources: []string{resource}}, grant.Lifetimes{}.WithDefaults())
		f.must(func(ctx context.Context, in audit.Intent) error {
			return f.db.Authserver().Grants.Approve(ctx, in, authserver.Pending{ID: id}, g)
		})
		err := f.act(func(ctx context.Context, in audit.Intent) error {
			return f.db.Authserver().Grants.Approve(ctx, in, authserver.Pending{ID: id}, again)
		})
		if !errors.Is(err, authserver.ErrNotFound) {
			t.Fatalf("second approval: %v", err)
		}
		if _, err := f.db.Authserver().Grants.Find(t.Context(), f.now, grant.Name{ID: again.ID}); !errors.Is(err, authserver.ErrNotFound) {
			t.Error("a second grant was written")
		}
	})
}

func TestAGrantSurvivesARestartWhole(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		g, code := f.approved()
		f.reopen()
		kept, err := f.db.Authserver().Grants.Find(t.Context(), f.now, grant.Name{ID: g.ID})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(g, kept); diff != "" {
			t.Errorf("(-written +read)\n%s", diff)
		}
		if _, v := f.redeem(code); v != grant.Good {
			t.Errorf("the code is %s", v)
		}
	})
}

// A code redeems exactly once, atomically: of twenty at once one is Good, and any other means that the grant is revoked.
func TestACodeRedeemsOnceAmongTwenty(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		g, code := f.approved()
		verdicts := make(chan grant.Verdict, 20)
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				var v grant.Verdict
				err := f.act(func(ctx context.Context, in audit.Intent) (err error) {
					_, v, err = f.db.Authserver().Grants.Redeem(ctx, in, grant.Code{Raw: code, Client: "c", Redirect: redirect, Verifier: verifier})
					return err
				})
				if err != nil {
					t.Error(err)
				}
				verdicts <- v
			})
		}
		all.Wait()
		close(verdicts)
		counts := map[grant.Verdict]int{}
		for v := range verdicts {
			counts[v]++
		}
		if counts[grant.Good] != 1 || counts[grant.Stolen] != 1 || counts[grant.Refused] != 18 {
			t.Errorf("verdicts: %v", counts)
		}
		if !f.db.Revocations().Revoked(token.Caller{Grant: g.ID, Issued: f.now}) {
			t.Error("what the first redemption issued still passes")
		}
	})
}

// Rule 8: never two lines of succession, however many present one token at once.
func TestTwentyRefreshesGiveOneSuccessor(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		_, code := f.approved()
		g, _ := f.redeem(code)
		given := make(chan string, 20)
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				g, v, err := f.rotate(g.RefreshToken())
				if err != nil || v != grant.Good && v != grant.Again {
					t.Errorf("%s, %v", v, err)
				}
				given <- g.RefreshToken().Reveal()
			})
		}
		all.Wait()
		close(given)
		first := ""
		for raw := range given {
			if first == "" {
				first = raw
			}
			if raw != first {
				t.Fatal("two successors of one refresh token")
			}
		}
	})
}

func TestAStolenRefreshTokenRevokesAtOnce(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		_, code := f.approved()
		g, _ := f.redeem(code)
		if _, v, err := f.rotate(g.RefreshToken()); v != grant.Good || err != nil {
			t.Fatal(v, err)
		}
		changed := f.db.Revocations().Changed()
		f.now = f.now.Add(time.Minute)
		if _, v, err := f.rotate(g.RefreshToken()); v != grant.Stolen || err != nil {
			t.Fatal(v, err)
		}
		select {
		case <-changed:
		default:
			t.Error("nobody was told of the revocation")
		}
		if !f.db.Revocations().Revoked(token.Caller{Grant: g.ID, Issued: f.now}) {
			t.Error("its access tokens still pass")
		}
		f.reopen()
		if !f.db.Revocations().Revoked(token.Caller{Grant: g.ID, Issued: f.now}) {
			t.Error("after a restart its access tokens pass again")
		}
	})
}

// Rule 7: a revocation is seen by every replica within one second.
func TestAnotherReplicaSeesARevocation(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		other, err := store.Open(t.Context(), f.address, f.box)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var followers sync.WaitGroup
		followers.Go(func() { other.Revocations().Follow(ctx, func(err error) { t.Error(err) }) })
		defer func() { stop(); followers.Wait(); _ = other.Close() }()
		changed := other.Revocations().Changed()
		f.must(func(ctx context.Context, in audit.Intent) error {
			return f.db.Revocations().Revoke(ctx, in, token.Revocation{ID: "jti-1", NotBefore: f.now.Add(time.Hour), Until: f.now.Add(time.Hour)})
		})
		select {
		case <-changed:
		case <-time.After(10 * time.Second):
			t.Fatal("the other replica was not told")
		}
		if !other.Revocations().Revoked(token.Caller{ID: "jti-1", Issued: f.now}) || other.Revocations().Revoked(token.Caller{ID: "jti-2", Issued: f.now}) {
			t.Error("the other replica revokes another token")
		}
	})
}

func TestConsentIsOfAPersonClientAndResource(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		consents := f.db.Authserver().Consents
		c := oauth.Client{ID: "c", ClientMetadata: oauth.ClientMetadata{Name: "App", RedirectURIs: []string{"https://app.example/cb"}}}
		f.must(func(ctx context.Context, in audit.Intent) error {
			return consents.Remember(ctx, in, f.now.Add(time.Hour), alice, c, resource, oauth.NewScopes("mcp"))
		})
		f.must(func(ctx context.Context, in audit.Intent) error {
			return consents.Remember(ctx, in, f.now.Add(time.Hour), alice, c, resource, oauth.NewScopes("more"))
		})
		renamed, moved, other := c, c, c
		renamed.Name, moved.RedirectURIs, other.ID = "Other", []string{"https://evil.example/cb"}, "d"
		for _, x := range []struct {
			what     string
			person   token.Principal
			client   oauth.Client
			resource string
			at       time.Time
			want     string
		}{
			{"what was agreed to, both times", alice, c, resource, f.now, "mcp more"},
			{"another person", token.Principal{Issuer: alice.Issuer, Subject: "bob"}, c, resource, f.now, ""},
			{"another issuer's alice", token.Principal{Issuer: "https://other", Subject: alice.Subject}, c, resource, f.now, ""},
			{"another client", alice, other, resource, f.now, ""},
			{"another resource", alice, c, resource + "2", f.now, ""},
			{"the client with another name", alice, renamed, resource, f.now, ""},
			{"the client with another redirect", alice, moved, resource, f.now, ""},
			{"too late", alice, c, resource, f.now.Add(time.Hour), ""},
		} {
			got, err := consents.Consent(t.Context(), x.at, x.person, x.client, x.resource)
			if err != nil || got.String() != x.want {
				t.Errorf("%s: %q, %v; want %q", x.what, got, err, x.want)
			}
		}
	})
}
