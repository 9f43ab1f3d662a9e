package main

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/config"
)

// protectFile starts `doorward serve --config` with a file whose $PORT is a free port and whose $DIR is a fresh directory.
func protectFile(t testing.TB, text string, env ...string) *server {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "doorward.yaml")
	text = strings.NewReplacer("$PORT", freePort(t), "$DIR", dir).Replace(text)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, args: []string{"--output", "json", "serve", "--config", file}}
	s.start(env...)
	t.Cleanup(s.stop)
	return s
}

const plainFile = `public_url: http://127.0.0.1:$PORT
listen: 127.0.0.1:$PORT
data: $DIR/data
policy: scopes-only
registration:
  mode: open
servers:
  mcp:
    path: /mcp
    demo: true
`

// What --print-config prints of any options, Read reads, and config print prints again byte for byte.
func TestThePrintedConfigurationIsReadBack(t *testing.T) {
	dir := t.TempDir()
	for name, args := range map[string][]string{
		"nothing":        {},
		"an address":     {"http://127.0.0.1:3000/mcp?a=b#", "--name", "Notes: 'mine' # \"ours\""},
		"a header":       {"http://127.0.0.1:3000/mcp", "--upstream-header", "Authorization: Bearer ${env:KEY}", "--upstream-header", "X-Tenant: a: b"},
		"a command":      {"--env", "LANG", "--env", "MODE=a b", "--", "npx", "-y", "server", "", "--flag=#", "- x", "null", "1"},
		"a public one":   {"--public-url", "https://mcp.example.com", "--listen", "[::1]:9090"},
		"TLS":            {"--listen", "0.0.0.0:443", "--public-url", "https://mcp.example.com", "--tls-cert", "cert.pem", "--tls-key", "key.pem"},
		"loopback files": {"--insecure-loopback-documents", "ca.pem"},
		"data":           {"--data", filepath.Join(dir, "a b: c")},
	} {
		t.Run(name, func(t *testing.T) {
			args = append([]string{"protect", "--print-config"}, args...)
			status, printed, said := ran(t, args...)
			if strings.Contains(name, "command") { // an argument without a letter cannot stand in the file
				if status != 2 || !strings.Contains(said, "servers.mcp.command[3]: it is empty") {
					t.Fatalf("status %d\n%s", status, said)
				}
				args = removed(args, "")
				status, printed, said = ran(t, args...)
			}
			if status != 0 {
				t.Fatalf("status %d\n%s", status, said)
			}
			c, err := config.Read("printed", []byte(printed))
			if err != nil {
				t.Fatalf("%v\n%s", err, printed)
			}
			if here := c.In("/elsewhere"); !reflect.DeepEqual(here, c) {
				t.Errorf("what is printed depends on where it lies:\n%s", printed)
			}
			file := filepath.Join(t.TempDir(), "printed.yaml")
			if err := os.WriteFile(file, []byte(printed), 0o600); err != nil {
				t.Fatal(err)
			}
			if status, again, said := ran(t, "config", "print", file); status != 0 || again != printed {
				t.Errorf("status %d\n%s%s\nand before\n%s", status, said, again, printed)
			}
		})
	}
}

func removed(args []string, word string) (left []string) {
	for _, a := range args {
		if a != word {
			left = append(left, a)
		}
	}
	return left
}

// A file serves as the options do: a person connects, and calls.
func TestAFileServes(t *testing.T) {
	s := protectFile(t, plainFile)
	_, got := s.connect()
	if a := s.call(got.Access, "whoami", "{}"); a.StatusCode != http.StatusOK {
		t.Errorf("%s %s", a.Status, a.body)
	}
}

// The least file puts its data where the options would.
func TestWhereAFilesDataLies(t *testing.T) {
	file := filepath.Join(t.TempDir(), "doorward.yaml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(strings.ReplaceAll(plainFile, "$PORT", "18080"), "data: $DIR/data\n", "")), 0o600); err != nil {
		t.Fatal(err)
	}
	status, out, said := ran(t, "config", "print", "--effective", file)
	if status != 0 || !strings.Contains(out, filepath.Join("doorward", "127.0.0.1-18080")+"\n") {
		t.Errorf("status %d\n%s%s", status, out, said)
	}
}

// One process per database: another data directory with the same database is another process all the same.
func TestOneProcessPerDatabase(t *testing.T) {
	for name, database := range map[string]func(*testing.T) string{
		"SQLite":     func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "shared.db") },
		"PostgreSQL": privatePostgres,
	} {
		t.Run(name, func(t *testing.T) {
			text := plainFile + "database: '" + database(t) + "'\n"
			first := protectFile(t, text)
			dir := t.TempDir()
			file := filepath.Join(dir, "second.yaml")
			if err := os.WriteFile(file, []byte(strings.NewReplacer("$PORT", freePort(t), "$DIR", dir).Replace(text)), 0o600); err != nil {
				t.Fatal(err)
			}
			status, _, said := ran(t, "serve", "--config", file)
			if status != 2 || !strings.Contains(said, "another Doorward has this database open") || !strings.Contains(said, "process ") {
				t.Errorf("status %d: %s", status, said)
			}
			_, got := first.connect()
			if a := first.call(got.Access, "whoami", "{}"); a.StatusCode != http.StatusOK {
				t.Errorf("the first goes on: %s %s", a.Status, a.body)
			}
			// A kill frees it, and what was kept is there.
			first.kill()
			first.start()
			if a := first.call(got.Access, "whoami", "{}"); a.StatusCode != http.StatusOK {
				t.Errorf("after a kill: %s %s", a.Status, a.body)
			}
		})
	}
}

// A listed client's secret is looked up, and it gets what the file gives it and nothing else.
func TestAListedClient(t *testing.T) {
	s := protectFile(t, plainFile+`  other:
    path: /other
    demo: true
clients:
  listed:
    - client_id: batch
      grant_types: [client_credentials]
      secret: ${env:BATCH_SECRET}
      reaches: [mcp]
`, "BATCH_SECRET=0123456789abcdef0123456789abcdef")
	ask := func(secret, path string) answer {
		form := url.Values{"grant_type": {"client_credentials"}, "resource": {s.ready.Issuer + path}}
		return do(t, http.DefaultClient, request(t, "POST", s.at("/token"), form.Encode(), "Content-Type", "application/x-www-form-urlencoded",
			"Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("batch:"+secret))))
	}
	if a := ask("0123456789abcdef0123456789abcdef", "/mcp"); a.StatusCode != http.StatusOK {
		t.Errorf("%s %s", a.Status, a.body)
	}
	ask("0123456789abcdef0123456789abcdeX", "/mcp").wants(t, http.StatusUnauthorized, "invalid_client")
	ask("0123456789abcdef0123456789abcdef", "/other").wants(t, http.StatusBadRequest, "invalid_target")
}

// What the file names must be there; a password never stands in the message.
func TestADatabaseThatCannotBeOpened(t *testing.T) {
	for name, c := range map[string]struct {
		database string
		status   int
		says     string
	}{
		"no directory": {"sqlite:$DIR/none/a.db", 2, "no such file or directory"},
		"no server":    {"postgres://me:${env:DATABASE_PASSWORD}@127.0.0.1:1/doorward", 4, "the database server cannot be reached"},
		// Our own listener, which takes the connection and says nothing.
		"a silent one": {"postgres://me:${env:DATABASE_PASSWORD}@127.0.0.1:$PORT/doorward", 4, "the database server cannot be reached"},
		"no address":   {"${env:DATABASE_PASSWORD}", 70, "begins neither with sqlite: nor with postgres://"},
		"no secret":    {"postgres://me:${env:NO_SUCH_PASSWORD}@127.0.0.1:$PORT/doorward", 70, "the environment has no NO_SUCH_PASSWORD"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("DATABASE_PASSWORD", "hunter2/hunter2")
			dir := t.TempDir()
			file := filepath.Join(dir, "doorward.yaml")
			text := strings.NewReplacer("$PORT", freePort(t), "$DIR", dir).Replace(plainFile + "database: '" + c.database + "'\n")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			status, out, said := ran(t, "serve", "--config", file)
			if status != c.status || !strings.Contains(said, c.says) || strings.Contains(out+said, "hunter2") {
				t.Errorf("status %d, want %d: %s", status, c.status, said)
			}
		})
	}
}

// Forwarded addresses count from trusted proxies alone.
func TestTrustedProxies(t *testing.T) {
	for name, c := range map[string]struct {
		trusted string
		apart   bool
	}{
		"a proxy of ours":     {"trusted_proxies: [127.0.0.0/8, '::1/128']\n", true},
		"a proxy of nobody's": {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := protectFile(t, plainFile+c.trusted)
			for _, from := range []string{"192.0.2.7", "192.0.2.8"} {
				do(t, http.DefaultClient, request(t, "POST", s.at("/register"), `{"redirect_uris":["http://127.0.0.1/cb"]}`, "Content-Type", "application/json", "X-Forwarded-For", from))
			}
			var from []any // commitments: equal for equal addresses
			for _, r := range s.audited() {
				if r["msg"] == "client.registered" && r["phase"] == "intent" {
					from = append(from, r["net"])
				}
			}
			if len(from) != 2 || from[0] == nil || (from[0] != from[1]) != c.apart {
				t.Errorf("recorded as from %v", from)
			}
		})
	}
}
