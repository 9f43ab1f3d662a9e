package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/seal"
	"github.com/doorward-mcp/doorward/store"
	"github.com/doorward-mcp/doorward/token"
)

// What the attacks of the other files share. An attacker here may hold what no attacker should: the keys, the database,
// the clock. What still stops them is what is tested.

// opened runs act on the stopped server's database, and starts the server again.
func (s *server) opened(act func(ctx context.Context, db *store.DB)) {
	s.t.Helper()
	s.stop()
	box, err := seal.OpenKeyFile(filepath.Join(s.ready.Data, "key"))
	if err != nil {
		s.t.Fatal(err)
	}
	db, err := store.Open(s.t.Context(), "sqlite:"+filepath.Join(s.ready.Data, "doorward.db"), box)
	if err != nil {
		s.t.Fatal(err)
	}
	act(s.t.Context(), db)
	if err := db.Close(); err != nil {
		s.t.Fatal(err)
	}
	s.start()
}

// keys are the server's own signing keys.
func (s *server) keys() (keys []token.Key) {
	s.t.Helper()
	s.opened(func(ctx context.Context, db *store.DB) {
		var err error
		if keys, err = db.Authserver().Keys.Keys(ctx, time.Now()); err != nil {
			s.t.Fatal(err)
		}
	})
	return keys
}

// rewrite changes the stopped server's database with one statement: the way to make time pass for a row.
func (s *server) rewrite(statement string) {
	s.t.Helper()
	s.stop()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.ready.Data, "doorward.db"))
	if err != nil {
		s.t.Fatal(err)
	}
	done, err := db.ExecContext(s.t.Context(), statement)
	if err != nil {
		s.t.Fatal(err)
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		s.t.Fatalf("%s: %d rows, %v", statement, n, err)
	}
	if err := db.Close(); err != nil {
		s.t.Fatal(err)
	}
	s.start()
}

// admin runs `doorward admin` against the server and gives its JSON.
func (s *server) admin(args ...string) map[string]string {
	s.t.Helper()
	c := exec.Command("doorward", append([]string{"--output", "json", "admin", "--data", s.ready.Data}, args...)...)
	c.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	out, err := c.Output()
	if err != nil {
		s.t.Fatalf("doorward admin %v: %v", args, err)
	}
	var all map[string]any
	if err := json.Unmarshal(out, &all); err != nil {
		s.t.Fatalf("doorward admin %v: %s", args, out)
	}
	v := map[string]string{}
	for name, value := range all {
		if text, ok := value.(string); ok {
			v[name] = text
		}
	}
	return v
}

// signInBy signs in with any one-time link.
func (b *browser) signInBy(link string) {
	b.t.Helper()
	if a := b.post(strings.TrimPrefix(link, b.server.ready.Issuer), nil); a.StatusCode != http.StatusSeeOther {
		b.t.Fatalf("signing in by link: %s\n%s", a.Status, a.body)
	}
}

// again gives the app a fresh verifier and state, for another authorization.
func (a *app) again() *app {
	a.Verifier, a.State = oauth.NewVerifier(), rand.Text()
	return a
}

// as runs the attack as a sub-test: what it uses reports to the sub-test.
func as(t *testing.T, s *server, name string, attack func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		outer := s.t
		s.t = t
		defer func() { s.t = outer }()
		attack(t)
	})
}

// works fails unless the access token is taken.
func (s *server) works(what, access string) {
	s.t.Helper()
	if a := s.call(access, "whoami", "{}"); a.StatusCode != http.StatusOK {
		s.t.Errorf("%s: the access token is refused: %s\n%s", what, a.Status, a.body)
	}
}

// refuses fails unless the access token is answered 401 with a challenge that says invalid_token.
func (s *server) refuses(what, access string) {
	s.t.Helper()
	a := s.call(access, "whoami", "{}")
	if a.StatusCode != http.StatusUnauthorized || !strings.Contains(a.Header.Get("WWW-Authenticate"), `error="invalid_token"`) {
		s.t.Errorf("%s: %s, challenge %q\n%s", what, a.Status, a.Header.Get("WWW-Authenticate"), a.body)
	}
}

// jws signs header and payload, whatever they say, with sign; nil gives the empty signature.
func jws(t testing.TB, header, payload any, sign func(input []byte) []byte) string {
	t.Helper()
	encode := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	input := encode(header) + "." + encode(payload)
	if sign == nil {
		return input + "."
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(sign([]byte(input)))
}

// es256 signs as RFC 7518 §3.4 says.
func es256(t testing.TB, key *ecdsa.PrivateKey) func([]byte) []byte {
	return func(input []byte) []byte {
		sum := sha256.Sum256(input)
		r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
}

// holds reports whether any file of the data directory, or what the program printed, holds text.
func (s *server) holds(text string) bool {
	s.t.Helper()
	out, err := exec.Command("grep", "-rlF", "-e", text, s.ready.Data).Output()
	if err != nil && len(out) > 0 {
		s.t.Fatal(err)
	}
	return len(bytes.TrimSpace(out)) > 0 || strings.Contains(s.stderr.String(), text)
}
