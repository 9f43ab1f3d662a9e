package main

import (
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/doorward-mcp/doorward/oauth"
)

// A sign-in link works once, and not for whoever merely looks at it.
func TestAttackWithASignInLink(t *testing.T) {
	s := protect(t)
	link := strings.TrimPrefix(s.ready.Link, s.ready.Issuer)
	first := s.browser()
	for range 3 { // a preview, a scanner
		if a := first.get(link); a.StatusCode != 200 || len(a.Cookies()) != 0 {
			t.Fatalf("looking at the link: %s, %v", a.Status, a.Cookies())
		}
	}
	first.signIn()
	second := s.browser()
	second.post(link, nil).stays(t, "the link again", 403)
	second.get(link).stays(t, "the link again", 403)
	if strings.Contains(second.get("/").body, "Sign out") {
		t.Error("signed in by a link that was used")
	}
	second.post("/link/"+strings.Repeat("A", 26), nil).stays(t, "a guessed link", 403)

	raced := strings.TrimPrefix(s.admin("link")["sign_in_link"], s.ready.Issuer)
	won := 0
	for _, a := range twenty(func() answer { return s.browser().post(raced, nil) }) {
		if a.StatusCode == http.StatusSeeOther {
			won++
		}
	}
	if won != 1 {
		t.Errorf("a link signed %d of twenty in", won)
	}
	old := strings.TrimPrefix(s.admin("link")["sign_in_link"], s.ready.Issuer)
	s.rewrite("UPDATE links SET until_ = until_ - 900001")
	second.post(old, nil).stays(t, "a link of a quarter of an hour ago", 403)
}

// Guessing is slowed down; the person who is guessed at is not locked out.
func TestAttackOnPasswords(t *testing.T) {
	s := protect(t)
	b := s.browser()
	guess := func(name, password string) answer {
		return b.post("/sign-in", url.Values{"username": {name}, "password": {password}})
	}
	as(t, s, "names cannot be told apart", func(t *testing.T) {
		b.t = t
		known, unknown := guess(s.ready.Username, "wrong"), guess("nobody", "wrong")
		if known.StatusCode != http.StatusForbidden || unknown.StatusCode != known.StatusCode || strings.ReplaceAll(unknown.body, "nobody", s.ready.Username) != known.body {
			t.Errorf("%s and %s, or their texts, differ", known.Status, unknown.Status)
		}
	})
	as(t, s, "guessing is throttled", func(t *testing.T) {
		b.t = t
		var all sync.WaitGroup
		codes := make(chan int, 40)
		for n := range 40 { // at once: the ones under way must count too
			all.Go(func() { codes <- guess(s.ready.Username, fmt.Sprint(n)).StatusCode })
		}
		all.Wait()
		close(codes)
		tried := 0
		for c := range codes {
			if c == http.StatusForbidden {
				tried++
			} else if c != http.StatusTooManyRequests {
				t.Errorf("status %d", c)
			}
		}
		if tried > 10 {
			t.Errorf("%d of 40 guesses were judged", tried)
		}
		if a := guess(s.ready.Username, *s.ready.Password); a.StatusCode != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" {
			t.Errorf("the next one: %s", a.Status)
		}
	})
	as(t, s, "the link still signs in", func(t *testing.T) {
		mine := s.browser()
		mine.signIn()
		if !strings.Contains(mine.get("/").body, "Sign out") {
			t.Error("locked out")
		}
	})
	as(t, s, "an overlong password", func(t *testing.T) {
		b.t = t
		if a := guess("somebody", strings.Repeat("x", 8<<10)); a.StatusCode != http.StatusForbidden && a.StatusCode != http.StatusTooManyRequests {
			t.Error(a.Status)
		}
		if a := guess("somebody", strings.Repeat("x", 64<<10)); a.StatusCode < 400 || a.StatusCode == 500 {
			t.Error(a.Status)
		}
	})
	s.stop()
	if s.holds(*s.ready.Password) {
		t.Error("the password stands in a log or in the database")
	}
}

// A cookie that was there before a sign-in is never the one after it, and one that was signed out is worth nothing.
func TestAttackBySessionFixation(t *testing.T) {
	s := protect(t)
	b := s.browser()
	b.signIn()
	here, err := url.Parse(s.ready.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	session := func(b *browser) *http.Cookie {
		for _, c := range b.http.Jar.Cookies(here) {
			if strings.HasSuffix(c.Name, "-session") {
				return c
			}
		}
		return nil
	}
	mine := session(b)
	if mine == nil {
		t.Fatal("no session cookie")
	}
	victim := s.browser()
	fixed := &http.Cookie{Name: mine.Name, Value: "FIXEDFIXEDFIXEDFIXEDFIXEDFIXED", Path: "/"}
	victim.http.Jar.SetCookies(here, []*http.Cookie{fixed})
	victim.signInBy(s.admin("link")["sign_in_link"])
	if got := session(victim); got == nil || got.Value == fixed.Value || got.Value == mine.Value {
		t.Errorf("after the sign-in the cookie is %v", got)
	}
	with := func(c *http.Cookie) string {
		r := request(t, "GET", s.at("/"), "")
		r.AddCookie(c)
		return do(t, http.DefaultClient, r).body
	}
	if strings.Contains(with(fixed), "Sign out") {
		t.Error("the fixed cookie is signed in")
	}
	if a := b.post("/sign-out", nil); a.StatusCode != http.StatusSeeOther {
		t.Fatal(a.Status)
	}
	if strings.Contains(with(mine), "Sign out") {
		t.Error("the cookie is good after the sign-out")
	}
	for _, c := range do(t, http.DefaultClient, request(t, "GET", s.app().authorizeURL(), "")).Cookies() {
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode && c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("cookie %s", c)
		}
	}
}

// Sign-out takes power away, so its record is kept in memory when the log is full: nobody may cause one who has no session.
func TestAttackByEndlessSignOut(t *testing.T) {
	s := protect(t)
	before := len(s.audited())
	for range 20 {
		b := s.browser()
		c := b.get(s.app().authorizeURL()).Cookies()[0]
		r := request(t, "POST", s.at("/sign-out"), "")
		r.AddCookie(&http.Cookie{Name: strings.TrimSuffix(c.Name, "-browser") + "-session", Value: oauth.NewVerifier()})
		b.do(r)
	}
	for _, r := range s.audited()[before:] {
		if r["msg"] == "login.signed_out" {
			t.Fatal("a stranger's sign-out was recorded")
		}
	}
}

// What is ours on the disk is for its owner alone, and administration is on no network.
func TestAttackOnTheDataDirectory(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such permissions")
	}
	s := protect(t)
	app, got := s.connect()
	err := filepath.WalkDir(s.ready.Data, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Stat(path) // of what a link leads to: a socket may lie elsewhere
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s can be reached by others: %s", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	socket, err := filepath.EvalSymlinks(filepath.Join(s.ready.Data, "admin.sock"))
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(socket); err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("the socket of administration: %v, %v", info.Mode(), err)
	}
	for _, path := range []string{"/people", "/keys", "/link", "/link/"} {
		if a := do(t, http.DefaultClient, request(t, "POST", s.at(path), `{"name":"mallory"}`, "Content-Type", "application/json")); a.StatusCode < 400 {
			t.Errorf("POST %s over TCP: %s", path, a.Status)
		}
	}
	// Rule 6: nothing secret at rest in the clear.
	b := s.browser()
	b.signInBy(s.admin("link")["sign_in_link"])
	code := app.again().code(b)
	s.stop()
	secrets := map[string]string{"access token": got.Access, "refresh token": got.Refresh, "code": code, "link": s.ready.Link[strings.LastIndexByte(s.ready.Link, '/')+1:]}
	here, _ := url.Parse(s.ready.Issuer)
	for _, c := range b.http.Jar.Cookies(here) {
		secrets["cookie "+c.Name] = c.Value
	}
	for what, secret := range secrets {
		if s.holds(secret) {
			t.Errorf("the %s stands on the disk in the clear", what)
		}
	}
}

// A listener on loopback listens on nothing else.
func TestAttackFromTheNetwork(t *testing.T) {
	s := protect(t)
	u, err := url.Parse(s.ready.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		ip, ok := a.(*net.IPNet)
		if !ok || ip.IP.IsLoopback() || ip.IP.IsLinkLocalUnicast() {
			continue
		}
		if c, err := net.Dial("tcp", net.JoinHostPort(ip.IP.String(), u.Port())); err == nil {
			_ = c.Close()
			t.Errorf("it answers at %s", ip.IP)
		}
	}
}
