package main

import (
	"database/sql"
	"net/http"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

func milliseconds(at time.Time) string { return strconv.FormatInt(at.UnixMilli(), 10) }

// span reads one time of the running server's database, and how long after from it is.
func (s *server) span(t testing.TB, query string, from time.Time) time.Duration {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.ready.Data, "doorward.db")+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var at int64
	if err := db.QueryRowContext(t.Context(), query).Scan(&at); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return time.UnixMilli(at).Sub(from)
}

const day = 24 * time.Hour

// The lifetimes of the design, as they stand in what was written and in what was answered.
func TestDefaultLifetimes(t *testing.T) {
	s := protect(t)
	web := s.register(`{"client_name":"Web","redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"none"}`)
	b := s.browser()
	near := func(name, query string, from time.Time, want time.Duration) {
		as(t, s, name, func(t *testing.T) {
			if d := s.span(t, query, from); d < want || d > want+time.Minute {
				t.Errorf("%s, want %s", d, want)
			}
		})
	}
	begun := time.Now().Add(-time.Second).Truncate(time.Second)
	near("sign-in link", "SELECT until_ FROM links", begun.Add(-20*time.Second), 15*time.Minute)
	begun = time.Now().Truncate(time.Millisecond)
	b.signIn()
	near("session, idle", "SELECT idle_until FROM sessions", begun, time.Hour)
	near("session, at most", "SELECT until_ FROM sessions", begun, 12*time.Hour)
	web.consenting(b)
	near("pending authorization request", "SELECT until_ FROM pendings", begun, 10*time.Minute)
	code := web.again().code(b)
	near("consent remembered", "SELECT until_ FROM consents", begun, 90*day)
	near("code", "SELECT code_until FROM grants", begun, time.Minute)
	near("refresh, at most", "SELECT until_ FROM grants", begun, 180*day)
	got := web.redeem(code).tokens(t)
	near("refresh, idle", "SELECT idle_until FROM grants", begun, 30*day)
	as(t, s, "access token", func(t *testing.T) {
		if claims := payload(t, got.Access); got.Life != 600 || claims["exp"].(float64)-claims["iat"].(float64) != 600 {
			t.Errorf("expires_in %d, from %v to %v", got.Life, claims["iat"], claims["exp"])
		}
	})
}

// What has come to its end is refused.
func TestLifetimesEnd(t *testing.T) {
	s := protect(t)
	b := s.browser()
	b.signIn()
	app := s.app()
	first, verifier := app.code(b), app.Verifier
	second := app.again().code(b)
	got := app.redeem(second).tokens(t)
	unused := s.register(`{"client_name":"Unused","redirect_uris":["http://127.0.0.1:1/cb"]}`)

	as(t, s, "code", func(t *testing.T) {
		app.t = t
		s.rewrite("UPDATE grants SET code_until = code_until - 60000 WHERE redeemed = 0")
		app.redeem(first, "code_verifier", verifier).wants(t, 400, "invalid_grant")
	})
	as(t, s, "unused registered client", func(t *testing.T) {
		s.rewrite("UPDATE clients SET issued = issued - 86400001 WHERE used = 0")
		eventually(t, "the client is forgotten", func() bool { return b.get(unused.authorizeURL()).StatusCode == 401 })
		unused.t = t
		unused.redeem("x").wants(t, 401, "invalid_client")
	})
	as(t, s, "a client that was used", func(t *testing.T) {
		app.t = t
		s.rewrite("UPDATE clients SET issued = issued - 8640000000")
		got = app.refresh(got.Refresh).tokens(t)
	})
	as(t, s, "refresh, idle", func(t *testing.T) {
		app.t = t
		s.rewrite("UPDATE grants SET idle_until = " + milliseconds(time.Now()))
		app.refresh(got.Refresh).wants(t, 400, "invalid_grant")
	})
	as(t, s, "session", func(t *testing.T) {
		b.t = t
		s.rewrite("UPDATE sessions SET idle_until = " + milliseconds(time.Now()))
		if a := b.get("/consent?pending=x"); a.StatusCode == http.StatusOK {
			t.Error("the session goes on")
		}
		if page := b.follow(app.again().authorizeURL()); page.Request.URL.Path != "/sign-in" {
			t.Errorf("not asked to sign in, but at %s", page.Request.URL)
		}
	})
	as(t, s, "sign-in link", func(t *testing.T) {
		b.t = t
		link := s.admin("link")["sign_in_link"]
		s.rewrite("UPDATE links SET until_ = " + milliseconds(time.Now()))
		b.get(link).stays(t, "an old link", 403)
	})
	as(t, s, "clock leeway", func(t *testing.T) {
		f := newForger(t, s)
		now := time.Now().Unix()
		s.works("expired 25 s ago", f.signed(func(_, p map[string]any) { p["exp"] = now - 25 }))
		s.refuses("expired 31 s ago", f.signed(func(_, p map[string]any) { p["exp"] = now - 31 }))
	})
}
