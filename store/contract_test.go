package store_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/grant"
	"github.com/doorward-mcp/doorward/login"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/registration"
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
		Resources: []string{resource}, Scopes: oauth.NewScopes("mcp", "offline_access"), ACR: "pw", Groups: []string{"g1"}, Signed: f.now}, grant.Lifetimes{}.WithDefaults())
	id := f.pending()
	f.must(func(ctx context.Context, in audit.Intent) error {
		return f.db.Authserver().Grants.Approve(ctx, in, id, g)
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
			return f.db.Authserver().Grants.Approve(ctx, in, id, g)
		})
		err := f.act(func(ctx context.Context, in audit.Intent) error {
			return f.db.Authserver().Grants.Approve(ctx, in, id, again)
		})
		if !errors.Is(err, authserver.ErrNotFound) {
			t.Fatalf("second approval: %v", err)
		}
		if _, err := f.db.Authserver().Grants.Find(t.Context(), f.now, again.ID); !errors.Is(err, authserver.ErrNotFound) {
			t.Error("a second grant was written")
		}
	})
}

func TestAGrantSurvivesARestartWhole(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		g, code := f.approved()
		f.reopen()
		kept, err := f.db.Authserver().Grants.Find(t.Context(), f.now, g.ID)
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

func TestEqualRegistrationsAreOneClient(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		register := func(id, fingerprint string, quota int) (c oauth.Client, err error) {
			err = f.act(func(ctx context.Context, in audit.Intent) (err error) {
				c, err = f.db.Clients().Register(ctx, in, oauth.Client{ID: id, Source: oauth.Dynamic, ClientMetadata: oauth.ClientMetadata{Name: "N"}}, fingerprint, quota)
				return err
			})
			return c, err
		}
		first, err := register("a", "same", 10)
		if err != nil || first.ID != "a" || first.Source != oauth.Dynamic {
			t.Fatal(first, err)
		}
		if second, err := register("b", "same", 10); err != nil || second.ID != "a" {
			t.Errorf("an equal registration got %s, %v", second.ID, err)
		}
		if third, err := register("c", "", 10); err != nil || third.ID != "c" {
			t.Errorf("a registration with a secret got %s, %v", third.ID, err)
		}
		if _, err := register("d", "", 2); !errors.Is(err, registration.ErrFull) {
			t.Errorf("beyond the quota: %v", err)
		}
		f.now = f.now.Add(25 * time.Hour)
		if err := f.db.Sweep(t.Context(), f.now); err != nil {
			t.Fatal(err)
		}
		if _, err := f.db.Clients().Client(t.Context(), f.now, "a"); !errors.Is(err, registration.ErrNotFound) {
			t.Errorf("a client that nobody used for a day: %v", err)
		}
	})
}

func TestAUsedClientIsNotForgotten(t *testing.T) {
	on(t, func(t *testing.T, f *fixture) {
		f.must(func(ctx context.Context, in audit.Intent) error {
			_, err := f.db.Clients().Register(ctx, in, oauth.Client{ID: "c"}, "", 10)
			return err
		})
		_, code := f.approved()
		f.redeem(code)
		f.now = f.now.Add(29 * 24 * time.Hour)
		if err := f.db.Sweep(t.Context(), f.now); err != nil {
			t.Fatal(err)
		}
		if _, err := f.db.Clients().Client(t.Context(), f.now, "c"); err != nil {
			t.Errorf("the client: %v", err)
		}
	})
}

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
		_, _ = f.db.Set(t.Context(), audit.Intent{}, "x", "y")
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
