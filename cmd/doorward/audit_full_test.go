//go:build linux

package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fills makes the log longer than any file of the database, and gives the size of its last segment.
func (s *server) fills(t *testing.T, token string) uint64 {
	t.Helper()
	for n := range 1000 {
		var batch []string
		for k := range 60 {
			batch = append(batch, fmt.Sprintf(`{"jsonrpc":"2.0","id":"%d-%d","method":"tools/call","params":{"name":"a_tool_with_a_rather_long_name","arguments":{"a":1}}}`, n, k))
		}
		a := do(t, http.DefaultClient, s.bearing(t, token, "POST", "["+strings.Join(batch, ",")+"]", "2025-03-26"))
		if a.StatusCode != http.StatusOK {
			t.Fatal(a.Status, a.body)
		}
		all := s.segments()
		info, err := os.Stat(all[len(all)-1])
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > 5<<20 { // the journal of SQLite is begun anew at 4 MB
			return uint64(info.Size())
		}
	}
	t.Fatal("the log does not grow")
	return 0
}

// full bounds how large files of the server may become: to it, the disk is full. 0: it is not any more.
func (s *server) full(bytes uint64) {
	s.t.Helper()
	l := unix.Rlimit{Cur: bytes, Max: unix.RLIM_INFINITY}
	if bytes == 0 {
		l.Cur = unix.RLIM_INFINITY
	}
	if err := unix.Prlimit(s.command.Process.Pid, unix.RLIMIT_FSIZE, &l, nil); err != nil {
		s.t.Fatal(err)
	}
}

// A full disk refuses what must be recorded first, and says so; what takes power away happens; and when there is room again,
// everything goes on without a restart, with nothing missing.
func TestAFullDisk(t *testing.T) {
	t.Parallel()
	up := upstreamOf(t, nil)
	s := protect(t, up.URL)
	app, got := s.connect()
	_, stays := s.connect2(t)
	s.full(s.fills(t, got.Access) + 700)
	refused := answer{}
	eventually(t, "a call is refused", func() bool {
		refused = s.call(stays.Access, "delete_user", "{}")
		return refused.StatusCode != http.StatusOK
	})
	if refused.StatusCode != http.StatusServiceUnavailable || refused.Header.Get("Retry-After") == "" || !strings.Contains(refused.body, "audit log") {
		t.Errorf("%s %v %s", refused.Status, refused.Header, refused.body)
	}
	reached := len(up.calls())
	for range 5 {
		if a := s.call(stays.Access, "delete_user", "{}"); a.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s %s", a.Status, a.body)
		}
	}
	if n := len(up.calls()); n != reached {
		t.Errorf("%d calls without a record reached the upstream", n-reached)
	}
	if a := app.refresh(got.Refresh); a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
		t.Errorf("a token without a record: %s %s", a.Status, a.body)
	}
	if a := s.posted(t, "/revoke", url.Values{"token": {got.Access}, "client_id": {app.ID}}.Encode()); a.StatusCode != http.StatusOK {
		t.Errorf("revoking: %s %s", a.Status, a.body)
	}
	if a := s.call(got.Access, "delete_user", "{}"); a.StatusCode == http.StatusOK || len(up.calls()) != reached {
		t.Errorf("a token that was taken back is good: %s", a.Status)
	}

	s.full(0)
	eventually(t, "a call is carried out again", func() bool {
		return s.call(stays.Access, "after", "{}").StatusCode == http.StatusOK
	})
	s.refuses("a token that was taken back while the disk was full", got.Access)
	revoked := 0
	for _, e := range s.entries() {
		if e.Code == "grant.revoked" {
			revoked++
		}
	}
	if revoked != 2 {
		t.Errorf("%d records of what was taken back while the disk was full", revoked)
	}
	s.stop()
	s.soundLog()
	s.start()
}

// connect2 gives another client of the same person, by the password.
func (s *server) connect2(t *testing.T) (*app, tokens) {
	t.Helper()
	return s.tokensFor(s.admin("link", "admin")["sign_in_link"], "Another")
}

// A store that does not answer stops strict calls within seconds, and lets them go on when it answers.
func TestAStuckStore(t *testing.T) {
	t.Parallel()
	up := upstreamOf(t, nil)
	c := newCluster(t)
	s := protectFile(t, strings.Replace(plainFile, "demo: true", "url: "+up.URL, 1)+"database: '"+c.database("stuck")+"'\n")
	_, got := s.connect()
	if a := s.call(got.Access, "before", "{}"); a.StatusCode != http.StatusOK {
		t.Fatal(a.Status, a.body)
	}
	held := make(chan error, 1)
	go func() {
		held <- c.try("psql", "-h", c.dir, "-U", "doorward", "-c", "BEGIN; LOCK TABLE audit_head IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(6); COMMIT", "stuck")
	}()
	var refused answer
	eventually(t, "a call is refused", func() bool {
		if len(held) > 0 {
			t.Fatal(<-held)
		}
		refused = s.call(got.Access, "while", "{}")
		return refused.StatusCode != http.StatusOK
	})
	began, reached := time.Now(), len(up.calls())
	if again := s.call(got.Access, "while", "{}"); refused.StatusCode != http.StatusServiceUnavailable || again.StatusCode != http.StatusServiceUnavailable || time.Since(began) > 4*time.Second {
		t.Errorf("%s, then %s after %s\n%s", refused.Status, again.Status, time.Since(began), again.body)
	}
	if n := len(up.calls()); n != reached {
		t.Errorf("%d calls without a record reached the upstream", n-reached)
	}
	if err := <-held; err != nil {
		t.Fatal(err)
	}
	eventually(t, "a call is carried out again", func() bool { return s.call(got.Access, "after", "{}").StatusCode == http.StatusOK })
}
