package login_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/login"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/seal"
	"github.com/doorward-mcp/doorward/store"
	"github.com/doorward-mcp/doorward/token"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// fixture is a login over a real database, with one person and a clock that the test moves.
type fixture struct {
	*login.Login
	t        *testing.T
	db       *store.DB
	now      time.Time
	password token.Secret
	mu       sync.Mutex
	log      []audit.Entry
}

func people(t *testing.T, issuer string) *fixture {
	t.Helper()
	box, err := seal.New(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "doorward.db"), box)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	f := &fixture{t: t, db: db, now: noon}
	f.Login = login.New(login.Config{Issuer: issuer, Cookie: func(purpose string) string { return "x-" + purpose }, Store: db.Login(),
		Log: audit.New(func(_ context.Context, e audit.Entry) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.log = append(f.log, e)
			return nil
		})})
	if _, f.password, err = f.Add(t.Context(), noon, "alice"); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) request(from string, cookies ...*http.Cookie) *http.Request {
	r := httptest.NewRequest("POST", "/sign-in", nil)
	r.RemoteAddr = from
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return request.Begin(r, func() time.Time { return f.now }, nil)
}

// try signs in and gives the reason of the refusal, empty for a success.
func (f *fixture) try(from, name, password string) string {
	_, err := f.Password(httptest.NewRecorder(), f.request(from), name, token.NewSecret(password))
	var e *oauth.Error
	if err != nil && !errors.As(err, &e) {
		f.t.Fatal(err)
	}
	if e == nil {
		return ""
	}
	return e.Reason
}

// Guessing is slowed down by source and, a little, by name; nobody is locked out.
func TestTheThrottle(t *testing.T) {
	f := people(t, "http://127.0.0.1:8080")
	const thief, owner = "192.0.2.66:1", "192.0.2.1:1"
	want := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s, %s after noon: %q, want %q", what, f.now.Sub(noon), got, want)
		}
	}
	for n := range 5 {
		want("a free try", f.try(thief, "alice", fmt.Sprint(n)), "password")
	}
	want("the sixth at once", f.try(thief, "alice", "x"), "throttled")
	want("with the right password, too", f.try(thief, "alice", f.password.Reveal()), "throttled")
	want("another name from the same source", f.try(thief, "bob", "x"), "throttled")
	f.now = f.now.Add(time.Second)
	want("after its pause", f.try(thief, "alice", "x"), "password")
	f.now = f.now.Add(time.Second)
	want("the next pause is longer", f.try(thief, "alice", "x"), "throttled")
	f.now = f.now.Add(time.Second)
	for range 20 { // the thief goes on for as long as he may
		for f.try(thief, "alice", "x") == "throttled" {
			f.now = f.now.Add(time.Second)
		}
	}
	want("the owner, who comes at once", f.try(owner, "alice", f.password.Reveal()), "throttled")
	f.now = f.now.Add(5 * time.Second)
	want("the owner, five seconds later", f.try(owner, "alice", f.password.Reveal()), "")
	f.now = f.now.Add(5*time.Minute - 6*time.Second)
	want("the thief's pause is longer than the name's", f.try(thief, "alice", "x"), "throttled")
	f.now = f.now.Add(time.Hour)
	want("the thief, when it is forgotten", f.try(thief, "alice", "x"), "password")
}

// An IPv6 host has a whole network of addresses, and is one source.
func TestTheThrottleOfANetwork(t *testing.T) {
	f := people(t, "http://127.0.0.1:8080")
	for n := range 5 {
		f.try(fmt.Sprintf("[2001:db8::%x]:1", n+1), fmt.Sprint("name", n), "x")
	}
	if got := f.try("[2001:db8::ffff]:1", "alice", "x"); got != "throttled" {
		t.Errorf("the sixth address of a network: %q", got)
	}
	if got := f.try("[2001:db8:1::1]:1", "alice", "x"); got != "password" {
		t.Errorf("another network: %q", got)
	}
}

// Tries at once count one by one: nobody gets a thousand free ones by sending them together.
func TestTriesAtOnceCount(t *testing.T) {
	f := people(t, "http://127.0.0.1:8080")
	reasons := make(chan string, 30)
	var all sync.WaitGroup
	for n := range 30 {
		all.Go(func() { reasons <- f.try("192.0.2.66:1", "alice", fmt.Sprint(n)) })
	}
	all.Wait()
	close(reasons)
	judged := 0
	for r := range reasons {
		if r == "password" {
			judged++
		}
	}
	if judged > 7 { // five, and the two that may be under way
		t.Errorf("%d of 30 were judged", judged)
	}
}

// RFC 9106, PHC string format: a hash names its cost and has a salt of its own.
func TestPasswordHashes(t *testing.T) {
	pw := token.NewSecret("correct horse")
	a, b := login.HashPassword(pw), login.HashPassword(pw)
	if a == b {
		t.Error("two hashes of one salt")
	}
	if !regexp.MustCompile(`^\$argon2id\$v=19\$m=[1-9][0-9]{4},t=[1-9],p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`).MatchString(a) {
		t.Errorf("%s is not in PHC form", a)
	}
	one, two := login.NewPassword().Reveal(), login.NewPassword().Reveal()
	if one == two || !regexp.MustCompile(`^([a-z2-7]{5}-){3}[a-z2-7]{5}$`).MatchString(one) {
		t.Errorf("passwords %s and %s", one, two)
	}
}

func TestSigningIn(t *testing.T) {
	for _, issuer := range []string{"http://127.0.0.1:8080", "https://mcp.example"} {
		f := people(t, issuer)
		w := httptest.NewRecorder()
		s, err := f.Password(w, f.request("192.0.2.1:1"), "alice", f.password)
		if err != nil || s.Name != "alice" || s.Issuer != issuer || s.ACR != login.SingleFactor || !s.At.Equal(noon) || s.Nobody() {
			t.Fatalf("%+v, %v", s, err)
		}
		c := w.Result().Cookies()[0]
		if !c.HttpOnly || c.Secure != strings.HasPrefix(issuer, "https:") || c.SameSite != http.SameSiteLaxMode || len(c.Value) < 26 {
			t.Errorf("cookie %s", c)
		}
		who := func(after time.Duration) string {
			f.now = noon.Add(after)
			s, err := f.Current(f.request("192.0.2.1:1", c))
			if err != nil {
				t.Fatal(err)
			}
			return s.Name
		}
		// Idle at most an hour, and at most twelve in all.
		for at := time.Duration(0); at < 12*time.Hour; at += 50 * time.Minute {
			if who(at) != "alice" {
				t.Fatalf("signed out after %s", at)
			}
		}
		if who(12*time.Hour) != "" {
			t.Error("signed in after twelve hours")
		}
	}
	f := people(t, "http://127.0.0.1:8080")
	w := httptest.NewRecorder()
	if _, err := f.Password(w, f.request("192.0.2.1:1"), "alice", f.password); err != nil {
		t.Fatal(err)
	}
	f.now = noon.Add(time.Hour)
	if s, err := f.Current(f.request("192.0.2.1:1", w.Result().Cookies()[0])); err != nil || !s.Nobody() {
		t.Errorf("signed in after an idle hour: %+v, %v", s, err)
	}
}

// A sign-out without a session is no act: nothing is recorded, for its record would be kept whatever the log says.
func TestASignOutOfNobodyIsNotRecorded(t *testing.T) {
	f := people(t, "http://127.0.0.1:8080")
	before := len(f.log)
	if err := f.SignOut(httptest.NewRecorder(), f.request("192.0.2.1:1", &http.Cookie{Name: "x-session", Value: "made-up"})); err != nil {
		t.Fatal(err)
	}
	if len(f.log) != before {
		t.Errorf("recorded: %+v", f.log[before:])
	}
	w := httptest.NewRecorder()
	if _, err := f.Password(w, f.request("192.0.2.1:1"), "alice", f.password); err != nil {
		t.Fatal(err)
	}
	c := w.Result().Cookies()[0]
	if err := f.SignOut(httptest.NewRecorder(), f.request("192.0.2.1:1", c)); err != nil {
		t.Fatal(err)
	}
	if last := f.log[len(f.log)-1]; last.Record.Code != audit.SignedOut || last.Record.Subject.Subject == "" {
		t.Errorf("recorded: %+v", last.Record)
	}
	if s, err := f.Current(f.request("192.0.2.1:1", c)); err != nil || !s.Nobody() {
		t.Errorf("signed in after the sign-out: %+v, %v", s, err)
	}
}

func TestSignInLinks(t *testing.T) {
	f := people(t, "http://127.0.0.1:8080")
	made := func() token.Secret {
		s, err := f.MakeLink(t.Context(), f.now, "alice")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	use := func(s token.Secret) error {
		_, err := f.UseLink(httptest.NewRecorder(), f.request("192.0.2.1:1"), s)
		return err
	}
	link := made()
	for range 2 {
		if name, err := f.Link(f.request("192.0.2.1:1"), link); err != nil || name != "alice" {
			t.Errorf("looking: %s, %v", name, err)
		}
	}
	if err := use(link); err != nil {
		t.Error(err)
	}
	var e *oauth.Error
	if err := use(link); !errors.As(err, &e) || e.Reason != "link_gone" {
		t.Errorf("a second time: %v", err)
	}
	old := made()
	f.now = noon.Add(15 * time.Minute)
	if err := use(old); !errors.As(err, &e) || e.Reason != "link_gone" {
		t.Errorf("after a quarter of an hour: %v", err)
	}
	if _, err := f.MakeLink(t.Context(), noon, "nobody"); !errors.Is(err, login.ErrNotFound) {
		t.Errorf("for nobody: %v", err)
	}
}

func TestNames(t *testing.T) {
	f := people(t, "http://127.0.0.1:8080")
	for _, name := range []string{"", "Alice", "a b", "älice", "a\nb", "аlice", strings.Repeat("a", 65), "../x"} {
		if _, _, err := f.Add(t.Context(), noon, name); !errors.Is(err, login.ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, _, err := f.Add(t.Context(), noon, "alice"); !errors.Is(err, login.ErrTaken) {
		t.Errorf("taken: %v", err)
	}
	if _, _, err := f.Add(t.Context(), noon, "a.b-c_d@example.com+x"); err != nil {
		t.Error(err)
	}
}
