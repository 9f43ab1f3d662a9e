package login_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/login"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// Erasing ends whatever a person has, and the vault knows them no longer. The record has the pseudonym and nobody's name.
func TestAnErasedPersonIsGone(t *testing.T) {
	f := people(t, "http://127.0.0.1:8080")
	bob, _, err := f.Add(t.Context(), f.now, "bob", "g")
	if err != nil {
		t.Fatal(err)
	}
	alice, err := f.db.Login().People.Person(t.Context(), f.now, "alice")
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if _, err := f.Password(w, f.request("192.0.2.1:1"), "alice", f.password); err != nil {
		t.Fatal(err)
	}
	session := w.Result().Cookies()[0]
	secret, err := f.MakeLink(t.Context(), f.now, "alice")
	if err != nil {
		t.Fatal(err)
	}
	client := oauth.Client{ID: "c"}
	f.act(func(ctx context.Context, in audit.Intent) error {
		return f.db.Authserver().Consents.Remember(ctx, in, f.now.Add(time.Hour), alice.Principal, client, "r", oauth.NewScopes("mcp"))
	})
	pendings := f.db.Authserver().Pendings
	for id, who := range map[string]token.Principal{"hers": alice.Principal, "his": bob.Principal} {
		p := authserver.Pending{ID: id, Client: "c", SignedIn: &authserver.SignedIn{Principal: who}}
		if err := pendings.Begin(t.Context(), f.now, f.now.Add(time.Minute), p); err != nil {
			t.Fatal(err)
		}
	}
	was, err := f.db.Vault().Subject(t.Context(), alice.Principal)
	if err != nil {
		t.Fatal(err)
	}

	pseudonym, err := f.Erase(t.Context(), f.now, "alice")
	if err != nil || pseudonym != was.Pseudonym {
		t.Fatalf("%q, %v, want %q", pseudonym, err, was.Pseudonym)
	}
	for _, e := range f.log[len(f.log)-2:] {
		if e.Record.Code != audit.PersonErased || e.Record.About != was.Pseudonym || e.Record.Subject.Subject+e.Record.Name != "" || e.Outcome.Subject.Subject != "" {
			t.Errorf("recorded %+v", e)
		}
	}
	if s, err := f.Current(f.request("192.0.2.1:1", session)); err != nil || !s.Nobody() {
		t.Errorf("the session lives: %+v, %v", s, err)
	}
	if got := f.try("192.0.2.2:1", "alice", f.password.Reveal()); got != "password" {
		t.Errorf("signing in: %q", got)
	}
	if _, err := f.UseLink(httptest.NewRecorder(), f.request("192.0.2.2:1"), secret); err == nil {
		t.Error("the link signs in")
	}
	if scopes, err := f.db.Authserver().Consents.Consent(t.Context(), f.now, alice.Principal, client, "r"); err != nil || len(scopes) > 0 {
		t.Errorf("the consent is kept: %v, %v", scopes, err)
	}
	if _, err := pendings.Pending(t.Context(), f.now, "hers"); !errors.Is(err, authserver.ErrNotFound) {
		t.Errorf("what waits for her: %v", err)
	}
	if _, err := pendings.Pending(t.Context(), f.now, "his"); err != nil {
		t.Errorf("what waits for him: %v", err)
	}
	if !f.db.Revocations().Revoked(token.Caller{Principal: alice.Principal, Issued: f.now}) || f.db.Revocations().Revoked(token.Caller{Principal: bob.Principal, Issued: f.now}) {
		t.Error("her tokens are good, or his are not")
	}
	f.act(func(ctx context.Context, in audit.Intent) error {
		if p, err := f.db.Vault().Who(ctx, in, was.Pseudonym); !errors.Is(err, audit.ErrErased) {
			t.Errorf("whose it was: %v, %v", p, err)
		}
		return nil
	})
	if _, err := f.Erase(t.Context(), f.now, "alice"); !errors.Is(err, login.ErrNotFound) {
		t.Errorf("once more: %v", err)
	}
	if again, _, err := f.Add(t.Context(), f.now, "alice"); err != nil || again.Principal == alice.Principal {
		t.Errorf("somebody new of that name: %+v, %v", again, err)
	}
}

// Somebody without an account here is erased as their issuer knows them; of somebody unknown there is a record too.
func TestAStrangerIsErasedByIssuer(t *testing.T) {
	f := people(t, "http://127.0.0.1:8080")
	carol := token.Principal{Issuer: "https://login.example", Subject: `c%ro"l_`}
	was, err := f.db.Vault().Subject(t.Context(), carol)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{was.Pseudonym, ""} {
		if p, err := f.EraseSubject(t.Context(), f.now, carol); err != nil || p != want {
			t.Errorf("%q, %v, want %q", p, err, want)
		}
	}
	if f.try("192.0.2.1:1", "alice", f.password.Reveal()) != "" {
		t.Error("alice was harmed")
	}
}

// Nobody gets the auditors' group by a name that somebody types, and changes of groups leave it alone.
func TestTheAuditorsGroupIsARole(t *testing.T) {
	f := people(t, "http://127.0.0.1:8080")
	groups := func(name string) []string {
		t.Helper()
		p, err := f.db.Login().People.Person(t.Context(), f.now, name)
		if err != nil {
			t.Fatal(err)
		}
		return p.Groups
	}
	for _, g := range []string{login.Auditors, "doorward:x", strings.ToUpper(login.Auditors)} {
		if _, _, err := f.Add(t.Context(), f.now, "eve", g); !errors.Is(err, login.ErrName) {
			t.Errorf("adding to %s: %v", g, err)
		}
		if err := f.SetGroups(t.Context(), f.now, "alice", g); !errors.Is(err, login.ErrName) {
			t.Errorf("putting into %s: %v", g, err)
		}
	}
	if _, _, err := f.AddAuditor(t.Context(), f.now, "judge", "law"); err != nil {
		t.Fatal(err)
	}
	if got := groups("judge"); !slices.Equal(got, []string{login.Auditors, "law"}) {
		t.Errorf("made with %q", got)
	}
	if err := f.SetGroups(t.Context(), f.now, "judge", "order"); err != nil || !slices.Equal(groups("judge"), []string{login.Auditors, "order"}) {
		t.Errorf("%q, %v", groups("judge"), err)
	}
	if err := f.SetAuditor(t.Context(), f.now, "alice", true); err != nil || !slices.Equal(groups("alice"), []string{login.Auditors}) {
		t.Errorf("%q, %v", groups("alice"), err)
	}
	judge, err := f.db.Login().People.Person(t.Context(), f.now, "judge")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.SetAuditor(t.Context(), f.now, "judge", false); err != nil || !slices.Equal(groups("judge"), []string{"order"}) {
		t.Errorf("%q, %v", groups("judge"), err)
	}
	if !f.db.Revocations().Revoked(token.Caller{Principal: judge.Principal, Issued: f.now}) {
		t.Error("the tokens of somebody who is no auditor any more are good")
	}
}

// act runs one act under a record.
func (f *fixture) act(act func(context.Context, audit.Intent) error) {
	f.t.Helper()
	log := audit.New(func(context.Context, audit.Entry) error { return nil })
	_, err := log.Do(f.t.Context(), audit.Record{Code: audit.TokenIssued, Now: f.now}, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		return audit.Outcome{}, act(ctx, in)
	})
	if err != nil {
		f.t.Fatal(err)
	}
}
