package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

const reloadFile = `public_url: http://127.0.0.1:$PORT
listen: 127.0.0.1:$PORT
data: $DIR/data
policy: scopes-only
registration:
  mode: open
servers:
  mcp:
    path: /mcp
    url: $UP
  local:
    path: /local
    command: [stdioserver]
`

// rewrites changes the configuration file and waits until the server says what came of it.
func (s *server) rewrites(t *testing.T, text string, hangup bool, says string) {
	t.Helper()
	before := strings.Count(s.stderr.String(), says)
	if err := os.WriteFile(s.args[len(s.args)-1], []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if hangup {
		if err := s.command.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	until := time.Now().Add(20 * time.Second)
	for strings.Count(s.stderr.String(), says) == before {
		if time.Now().After(until) {
			t.Fatalf("it never says %q\n%s", says, s.stderr)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// A changed file is taken whole or not at all, and what began before goes on: a stream, a call, a session of a process.
func TestReload(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGHUP")
	}
	next := make(chan struct{})
	up := answering(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		flushed(w, ": open\n\n")
		select {
		case <-next:
			flushed(w, result)
		case <-r.Context().Done():
		}
	})
	s := protectFile(t, strings.ReplaceAll(reloadFile, "$UP", up.URL))
	b, err := os.ReadFile(s.args[len(s.args)-1])
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	person := s.browser()
	person.signIn()
	app := s.app()
	got := app.redeem(app.code(person, "resource", s.ready.Resources["mcp"]), "resource", s.ready.Resources["mcp"]).tokens(t)
	local := app.redeem(app.code(person, "resource", s.ready.Resources["local"]), "resource", s.ready.Resources["local"]).tokens(t)

	s.ready.Resource = s.ready.Resources["mcp"]
	stream := bufio.NewReader(s.begun(t, s.calling(t, got.Access, "2025-11-25")).Body)
	if line, err := stream.ReadString('\n'); err != nil || line != ": open\n" {
		t.Fatalf("%q %v", line, err)
	}
	s.ready.Resource = s.ready.Resources["local"]
	session := do(t, http.DefaultClient, s.bearing(t, local.Access, "POST", `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`, "2025-11-25")).Header.Get("Mcp-Session-Id")
	if session == "" {
		t.Fatal("no session")
	}
	alive := func(t *testing.T) {
		t.Helper()
		a := do(t, http.DefaultClient, s.bearing(t, local.Access, "POST", `{"jsonrpc":"2.0","id":1,"method":"ping"}`, "2025-11-25", "Mcp-Session-Id", session))
		if a.StatusCode != 200 {
			t.Errorf("the session: %s %s", a.Status, a.body)
		}
	}
	alive(t)

	as(t, s, "another server, by the signal", func(t *testing.T) {
		s.rewrites(t, text+"  more:\n    path: /more\n    demo: true\n", true, "the configuration is in use")
		if a := s.get("/more", "127.0.0.1:"+s.port()); a.StatusCode != 401 {
			t.Errorf("%s", a.Status)
		}
		alive(t)
	})
	as(t, s, "what cannot be used changes nothing", func(t *testing.T) {
		s.rewrites(t, text+"  more:\n    path: /mcp\n    demo: true\n", true, "the configuration stays as it was")
		s.rewrites(t, strings.Replace(text, "/data", "/other", 1), true, "data: only a restart changes it")
		s.rewrites(t, text+"  bad:\n    path: /bad\n    url: http://127.0.0.1:1\n    upstream_headers: {X-Key: '${env:NOBODY_HAS_THIS}'}\n", true, "the environment has no NOBODY_HAS_THIS")
		if a := s.get("/more", "127.0.0.1:"+s.port()); a.StatusCode != 401 {
			t.Errorf("%s", a.Status)
		}
		alive(t)
	})
	as(t, s, "a need more, seen without a signal", func(t *testing.T) {
		s.rewrites(t, strings.Replace(text, "path: /mcp\n", "path: /mcp\n    scopes: [{name: mcp, sentence: Use it}, {name: more, sentence: Use more}]\n    needs: [{tools: [slow], scopes: [more]}]\n", 1), false, "the configuration is in use")
		s.ready.Resource = s.ready.Resources["mcp"]
		a := do(t, http.DefaultClient, s.calling(t, got.Access, "2025-11-25"))
		if a.StatusCode != 403 || !strings.Contains(a.Header.Get("Www-Authenticate"), `scope="mcp more"`) {
			t.Errorf("%s %s", a.Status, a.Header.Get("Www-Authenticate"))
		}
		s.ready.Resource = s.ready.Resources["local"]
		if a := s.get("/more", "127.0.0.1:"+s.port()); a.StatusCode != 404 {
			t.Errorf("a server that is gone: %s", a.Status)
		}
		alive(t)
	})
	close(next)
	if rest, err := io.ReadAll(stream); err != nil || !strings.HasSuffix(string(rest), result) {
		t.Errorf("the stream that began first: %q %v", rest, err)
	}
	changes := 0
	for _, r := range s.audited() {
		if r["msg"] == "installation.configured" && r["about"] != "" {
			changes++
		}
	}
	if changes != 6 { // an intent and an outcome for the start and for each
		t.Errorf("%d records of a start and two changes", changes)
	}
}

// A renewed certificate is shown without a restart, and a broken one never.
func TestReloadTakesCertificates(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	put := func() *x509.Certificate {
		t.Helper()
		fromCert, fromKey := certificate(t)
		var parsed *x509.Certificate
		for from, to := range map[string]string{fromCert: cert, fromKey: key} {
			text, err := os.ReadFile(from)
			if err == nil {
				err = os.WriteFile(to, text, 0o600)
			}
			if block, _ := pem.Decode(text); err == nil && block.Type == "CERTIFICATE" {
				parsed, err = x509.ParseCertificate(block.Bytes)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		return parsed
	}
	first := put()
	text := "public_url: https://127.0.0.1:$PORT\nlisten: 127.0.0.1:$PORT\ndata: $DIR/data\npolicy: scopes-only\nregistration: {mode: open}\ntls: {certificate: " + cert + ", key: " + key + "}\nservers:\n  mcp: {path: /mcp, demo: true}\n"
	s := protectFile(t, text)
	shown := func(want *x509.Certificate) bool {
		t.Helper()
		c, err := tls.Dial("tcp", "127.0.0.1:"+s.port(), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // which one is shown is the question
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		return c.ConnectionState().PeerCertificates[0].Equal(want)
	}
	if !shown(first) {
		t.Fatal("another certificate is shown")
	}
	b, err := os.ReadFile(s.args[len(s.args)-1])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cert, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.rewrites(t, string(b), false, "the configuration stays as it was")
	if !shown(first) {
		t.Error("a broken certificate changed what is shown")
	}
	second := put()
	s.rewrites(t, string(b), false, "the configuration is in use")
	if !shown(second) {
		t.Error("the renewed certificate is not shown")
	}
}
