package main

import (
	"bufio"
	"compress/gzip"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/audit/verify"
)

// receiver takes what is posted to it, once it is well.
type receiver struct {
	*httptest.Server
	well atomic.Bool
	got  lockedBuffer
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body := io.Reader(q.Body)
		if q.Header.Get("Content-Encoding") == "gzip" {
			if z, err := gzip.NewReader(body); err == nil {
				body = z
			}
		}
		b, err := io.ReadAll(body)
		if err != nil || !r.well.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = r.got.Write(b)
	}))
	t.Cleanup(r.Close)
	return r
}

// Each receiver is told every record at least once, also what happened while it was down, and while the server was killed.
func TestReceiversAreToldEverything(t *testing.T) {
	t.Parallel()
	hook, otlp, events, syslog := newReceiver(t), newReceiver(t), newReceiver(t), &lockedBuffer{}
	dir, err := os.MkdirTemp("", "syslog") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(syslog, c) }()
		}
	}()
	lines := filepath.Join(t.TempDir(), "events.jsonl")
	s := protectFile(t, plainFile+`audit:
  export:
    hook: {kind: webhook, to: '`+hook.URL+`', secret: '${env:HOOK_SECRET}'}
    otlp: {kind: otlp, to: '`+otlp.URL+`/v1/logs'}
    events: {kind: ocsf, to: '`+events.URL+`', secret: '${env:HOOK_SECRET}'}
    file: {kind: ocsf, to: '`+lines+`'}
    syslog: {kind: syslog, to: 'unix://`+filepath.Join(dir, "s")+`'}
`, "HOOK_SECRET="+strings.Repeat("s", 32))
	_, got := s.connect()
	s.works("a call while receivers are down", got.Access)
	s.kill()
	s.start()
	s.works("a call after a kill", got.Access)
	for _, r := range []*receiver{hook, otlp, events} {
		r.well.Store(true)
	}
	var all []verify.Entry
	for _, e := range s.entries() {
		if e.Code != verify.Alive {
			all = append(all, e)
		}
	}
	if len(all) < 20 {
		t.Fatalf("%d records", len(all))
	}
	for name, of := range map[string]func() string{"webhook": hook.got.String, "otlp": otlp.got.String, "ocsf": events.got.String, "syslog": syslog.String, "file": func() string {
		b, _ := os.ReadFile(lines)
		return string(b)
	}} {
		eventually(t, name+" was told everything", func() bool {
			told := of()
			for _, e := range all {
				if strings.Count(told, e.ID) < 1 {
					return false
				}
			}
			return true
		})
		if strings.Contains(of(), got.Access) {
			t.Errorf("%s was told a token", name)
		}
	}
}

// witness runs doorward witness serve as another process, at an address that it keeps.
type witness struct {
	t            *testing.T
	data, listen string
	key, log     string
	command      *exec.Cmd
}

func (w *witness) start() {
	w.t.Helper()
	w.command = exec.Command("doorward", "witness", "serve", "--data", w.data, "--listen", w.listen, "--log", w.log)
	w.command.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	out, err := w.command.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.command.Start(); err != nil {
		w.t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.Contains(line, "witnesses at") {
		w.t.Fatalf("%q, %v", line, err)
	}
}

func (w *witness) kill() {
	_ = w.command.Process.Kill()
	_ = w.command.Wait()
}

// A witness that is gone shows in /readyz and in metrics, and where the operator wants it, strict calls stop until it is there again. What
// it has signed is verified with its policy.
func TestAWitnessIsLost(t *testing.T) {
	t.Parallel()
	up := upstreamOf(t, nil)
	s, operations := operated(t, up.URL, "")
	_, got := s.connect()
	pin, err := os.ReadFile(filepath.Join(s.ready.Data, "audit", "log.pub"))
	if err != nil {
		t.Fatal(err)
	}
	w := &witness{t: t, data: t.TempDir(), listen: "127.0.0.1:" + freePort(t), log: strings.TrimSpace(string(pin))}
	status, key, said := ran(t, "witness", "key", "witness.example/w1", "--data", w.data)
	if status != 0 {
		t.Fatal(said)
	}
	w.key = strings.TrimSpace(key)
	w.start()
	t.Cleanup(w.kill)
	policy := filepath.Join(t.TempDir(), "policy")
	if err := os.WriteFile(policy, []byte("log "+w.log+"\nwitness w1 "+w.key+" http://"+w.listen+"\nquorum w1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := s.args[len(s.args)-1]
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s.stop()
	if err := os.WriteFile(file, append(text, "audit:\n  witnesses: {policy: '"+policy+"', late: 1m, stop: true}\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	eventually(t, "the witness has signed", func() bool {
		_, err := os.Stat(filepath.Join(s.ready.Data, "audit", "witnessed"))
		return err == nil && strings.Contains(fetched(t, operations+"/readyz").body, `"witnesses","ok":true`)
	})
	if a := s.call(got.Access, "with", "{}"); a.StatusCode != http.StatusOK {
		t.Fatal(a.Status, a.body)
	}
	if m := fetched(t, operations+"/metrics").body; !strings.Contains(m, "doorward_audit_unwitnessed_seconds ") {
		t.Error("the metrics do not say how long ago the witness signed")
	}
	w.kill()
	if os.Getenv("DOORWARD_CRASHES") != "" { // it takes more than a minute
		s.isLost(t, w, up, operations, got.Access)
	}
	w.start()
	eventually(t, "calls are carried out", func() bool { return s.call(got.Access, "again", "{}").StatusCode == http.StatusOK })
	s.stop()
	if status, out, said := ran(t, "audit", "verify", "--data", s.ready.Data, "--policy", policy, "--key", w.log); status != 0 || !strings.Contains(out, "witnessed") {
		t.Errorf("status %d\n%s%s", status, out, said)
	}
	s.start()
}

// isLost waits until the witness has been gone for too long.
func (s *server) isLost(t *testing.T, w *witness, up *recorder, operations, token string) {
	t.Helper()
	unready := func() bool { return !strings.Contains(fetched(t, operations+"/readyz").body, `"witnesses","ok":true`) }
	for end := time.Now().Add(90 * time.Second); !unready(); time.Sleep(time.Second) {
		if time.Now().After(end) {
			t.Fatal("readiness does not say that the witness is gone")
		}
	}
	reached := len(up.calls())
	if a := s.call(token, "without", "{}"); a.StatusCode != http.StatusServiceUnavailable || len(up.calls()) != reached {
		t.Errorf("a strict call without witnesses: %s %s", a.Status, a.body)
	}
	if ready := fetched(t, s.at("/readyz")); ready.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("ready for callers: %s", ready.Status)
	}
}
