package main

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// copyOf copies the files whose names begin so, of a server that does not run.
func (s *server) copyOf(prefix string) (restore func()) {
	s.t.Helper()
	pattern := filepath.Join(s.ready.Data, prefix+"*")
	kept := map[string][]byte{}
	for name := range s.matching(pattern) {
		b, err := os.ReadFile(name)
		if err != nil {
			s.t.Fatal(err)
		}
		kept[name] = b
	}
	return func() {
		s.t.Helper()
		for name := range s.matching(pattern) {
			if err := os.Remove(name); err != nil {
				s.t.Fatal(err)
			}
		}
		for name, b := range kept {
			if err := os.WriteFile(name, b, 0o600); err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

func (s *server) matching(pattern string) map[string]bool {
	s.t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		s.t.Fatalf("%s: %v %v", pattern, names, err)
	}
	all := map[string]bool{}
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			s.t.Fatal(err)
		}
		if info.Mode().IsRegular() {
			all[name] = true
		}
	}
	return all
}

// A database that was put back from a copy learns from the log, before it serves anything, who was erased and what was taken
// back since: nothing that was taken away comes back with it.
func TestAnOlderDatabaseLearnsFromTheLog(t *testing.T) {
	s := protectFile(t, plainFile)
	erased, erasedTokens := s.tokensFor(s.admin("user", "add", "alice@example.com")["sign_in_link"], "Of Alice")
	b := s.browser()
	b.signInBy(s.admin("user", "add", "bob")["sign_in_link"])
	app := s.app()
	revoked := app.redeem(app.code(b)).tokens(t)
	ended := app.redeem(app.again().code(b)).tokens(t)
	stays := app.redeem(app.again().code(b)).tokens(t)
	gone := s.register(`{"client_name":"Removed","redirect_uris":["` + callback + `"]}`)
	removed := gone.redeem(gone.code(b)).tokens(t)
	whose := s.entries()
	pid := ""
	for _, e := range whose {
		if e.Client == erased.ID && e.Subject != nil {
			pid = e.Subject.Pseudonym
		}
	}
	s.stop()
	restore := s.copyOf("doorward.db")
	s.start()
	for _, raw := range []string{revoked.Refresh, ended.Access} {
		if a := s.posted(t, "/revoke", url.Values{"token": {raw}, "client_id": {app.ID}}.Encode()); a.StatusCode != http.StatusOK {
			t.Fatal(a.Status, a.body)
		}
	}
	s.admin("user", "erase", "alice@example.com")
	s.admin("clients", "remove", gone.ID)
	s.stop()
	restore()
	s.start()

	s.refuses("a token of somebody who was erased", erasedTokens.Access)
	erased.refresh(erasedTokens.Refresh).wants(t, 400, "invalid_grant")
	if status, _, said := ran(t, "admin", "--data", s.ready.Data, "link", "alice@example.com"); status == 0 {
		t.Errorf("who was erased has an account again: %s", said)
	}
	s.refuses("a token of a grant that was taken back", revoked.Access)
	app.refresh(revoked.Refresh).wants(t, 400, "invalid_grant")
	s.refuses("a token that was taken back", ended.Access)
	s.refuses("a token of a client that was removed", removed.Access)
	s.works("what nobody has taken back", stays.Access)
	app.refresh(stays.Refresh).tokens(t)
	if page := b.follow(app.again().authorizeURL()); page.Request.URL.Path != "/sign-in" {
		t.Errorf("who may have signed out since is signed in: %s", page.Request.URL)
	}
	replayed := 0
	for _, e := range s.entries() {
		if e.Code == "installation.restored" && e.Result == "done" {
			replayed++
		}
	}
	if replayed != 1 {
		t.Errorf("%d records of what was done again", replayed)
	}
	s.soundLog()
	if pid == "" {
		t.Error("the log has no pseudonym of who was erased")
	}

	// It is done once: the next start finds nothing to do.
	s.restart()
	s.works("after another start", stays.Access)
	again := 0
	for _, e := range s.entries() {
		if e.Code == "installation.restored" && e.Result == "done" {
			again++
		}
	}
	if again != 1 {
		t.Errorf("%d records of what was done again, after another start", again)
	}
}

// soundLog has the program verify the log of a server.
func (s *server) soundLog() {
	s.t.Helper()
	if status, out, said := ran(s.t, "audit", "verify", "--data", s.ready.Data, "--keys", filepath.Join(s.ready.Data, "audit", "log.pub")); status != 0 {
		s.t.Errorf("doorward audit verify: status %d\n%s%s", status, out, said)
	}
}

// A log that was put back from a copy is refused, for what was done since would have no record any more.
func TestAnOlderLogIsRefused(t *testing.T) {
	s := protectFile(t, plainFile)
	s.stop()
	restore := s.copyOf("audit/")
	s.start()
	_, got := s.connect()
	s.works("a call", got.Access)
	s.stop()
	restore()
	if s.tryStart() {
		t.Fatal("it serves beside an older log")
	}
	_ = s.command.Wait()
	if status := s.command.ProcessState.ExitCode(); status != 2 || !strings.Contains(s.stderr.String(), "the log was replaced by an older copy") || !strings.Contains(s.stderr.String(), "doorward audit repair") {
		t.Errorf("status %d: %s", status, s.stderr)
	}
	s.command = nil
}
