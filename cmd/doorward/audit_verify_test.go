package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/audit/export"
	"github.com/doorward-mcp/doorward/audit/verify"
)

const auditOrigin = "mcp.example.com/audit"

// auditBook is a log in files that a test writes as a server would.
type auditBook struct {
	t    testing.TB
	dir  string
	log  *audit.Segments
	key  note.Signer
	vkey string
	seq  int64
}

func newAuditBook(t testing.TB) *auditBook {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, auditOrigin)
	if err != nil {
		t.Fatal(err)
	}
	key, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "audit")
	s, err := audit.OpenSegments(dir, time.Now, audit.SegmentOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b := &auditBook{t, dir, s, key, public, 0}
	b.put(verify.Entry{Code: verify.Started, Phase: verify.Notice, About: auditOrigin})
	return b
}

func (b *auditBook) put(e verify.Entry) []byte {
	b.t.Helper()
	b.seq++
	e.V, e.Node, e.Boot, e.Seq, e.Time = verify.Version, "n", "b", b.seq, "2026-11-22T12:00:00Z"
	if e.ID == "" {
		e.ID = fmt.Sprint("id", b.seq)
	}
	record, err := verify.Encode(&e)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.log.Append(context.Background(), [][]byte{record}); err != nil {
		b.t.Fatal(err)
	}
	return record
}

// acts writes so many intents with their outcomes.
func (b *auditBook) acts(n int) {
	for range n {
		id := rand.Text()
		b.put(verify.Entry{ID: id, Code: "mcp.call", Phase: verify.Intent})
		b.put(verify.Entry{ID: id, Code: "mcp.call", Phase: verify.Outcome, Result: "done"})
	}
}

// sign publishes a checkpoint and closes the log, as a server does that ends.
func (b *auditBook) sign() []byte {
	b.t.Helper()
	ctx := context.Background()
	size, err := b.log.Size(ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	root, err := tlog.TreeHash(size, b.log.Hashes(ctx))
	if err != nil {
		b.t.Fatal(err)
	}
	signed, err := note.Sign(&note.Note{Text: verify.Checkpoint{Origin: auditOrigin, Size: size, Root: root}.Text()}, b.key)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.log.Publish(ctx, size, signed); err != nil {
		b.t.Fatal(err)
	}
	return signed
}

// doorward runs the command and gives what it printed, and its status.
func doorwardCommand(t testing.TB, args ...string) (status int, out, wrong string) {
	t.Helper()
	var o, e bytes.Buffer
	c := exec.Command("doorward", args...)
	c.Stdout, c.Stderr = &o, &e
	if err := c.Run(); err != nil && c.ProcessState == nil {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), o.String(), e.String()
}

func TestAuditVerify(t *testing.T) {
	b := newAuditBook(t)
	b.acts(4)
	early := b.sign()
	b.acts(1)
	record := b.put(verify.Entry{Code: "mcp.refused", Phase: verify.Refusal})
	checkpoint := b.sign()
	path := func(name string, content []byte) string {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	proof, err := export.Proof(t.Context(), b.log, checkpoint, 11)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.log.Close(); err != nil {
		t.Fatal(err)
	}
	proofFile, recordFile := path("x.tlog-proof", proof), path("record", record)
	for name, c := range map[string]struct {
		args       []string
		status     int
		out, wrong string
	}{
		"with a pinned key":        {[]string{b.dir, "--key", b.vkey}, 0, `^mcp.example.com/audit: 12 records by one process, 12 of them signed: sound\n$`, `^$`},
		"by the data directory":    {[]string{"--data", filepath.Dir(b.dir), "--keys", path("keys", []byte(b.vkey+"\n"))}, 0, `: sound\n$`, `^$`},
		"with an earlier one":      {[]string{b.dir, "--key", b.vkey, "--checkpoint", path("checkpoint", early)}, 0, `: sound\n$`, `^$`},
		"without a key":            {[]string{b.dir}, 1, `no key was pinned\n$|no signature`, `(?s)`},
		"with another key":         {[]string{b.dir, "--key", newAuditBook(t).vkey}, 1, `no signature that can be verified`, `the log is not sound`},
		"with no key of any kind":  {[]string{b.dir, "--key", "x"}, 2, `^$`, `no verifier key`},
		"without a log":            {[]string{t.TempDir() + "/none"}, 2, `^$`, `there is no audit log in`},
		"without a directory":      {nil, 2, `^$`, `give the directory of a log`},
		"a proof":                  {[]string{"--proof", proofFile, "--record", recordFile, "--key", b.vkey}, 0, `is record 11 of the log\n$`, `^$`},
		"a proof of another":       {[]string{"--proof", proofFile, "--record", proofFile, "--key", b.vkey}, 1, `^$`, `not the one that the proof is of`},
		"a proof without a key":    {[]string{"--proof", proofFile, "--record", recordFile}, 2, `^$`, `give --key`},
		"a proof without a record": {[]string{"--proof", proofFile, "--key", b.vkey}, 2, `^$`, `go together`},
		"a policy that is none":    {[]string{b.dir, "--policy", recordFile}, 2, `^$`, `line 1`},
	} {
		t.Run(name, func(t *testing.T) {
			status, out, wrong := doorwardCommand(t, append([]string{"audit", "verify"}, c.args...)...)
			if status != c.status || !regexp.MustCompile(c.out).MatchString(out) || !regexp.MustCompile(c.wrong).MatchString(wrong) {
				t.Errorf("status %d\n%s\n%s", status, out, wrong)
			}
		})
	}
}

// TestAttackOnTheAuditLog has somebody with access to all files alter one record.
func TestAttackOnTheAuditLog(t *testing.T) {
	b := newAuditBook(t)
	b.acts(4)
	b.sign()
	if err := b.log.Close(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(b.dir, "seg-00000000000000000000.log")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	record, _, err := verify.Frame(data)
	if err != nil {
		t.Fatal(err)
	}
	rest := data[verify.FrameHead+len(record):]
	altered := bytes.Replace(record, []byte(auditOrigin), []byte("mcp.example.com/other"), 1)
	if err := os.WriteFile(name, append(verify.AppendFrame(nil, altered), rest...), 0o600); err != nil {
		t.Fatal(err)
	}
	status, out, wrong := doorwardCommand(t, "--output", "json", "audit", "verify", b.dir, "--key", b.vkey)
	if status != 1 || !strings.Contains(wrong, "the log is not sound") {
		t.Errorf("status %d: %s", status, wrong)
	}
	var first struct {
		Kind, What, Do string
		Index          int64
	}
	if err := json.Unmarshal([]byte(out[:strings.IndexByte(out, '\n')]), &first); err != nil || first.Kind != "finding" || first.Index != 0 || first.Do == "" {
		t.Errorf("%v: %s", err, out)
	}
}

// TestWitnessCommand has a witness as a process of its own, which is asked, killed, and asked again.
func TestWitnessCommand(t *testing.T) {
	b := newAuditBook(t)
	b.acts(2)
	dir, port := t.TempDir(), freePort(t)
	status, out, _ := doorwardCommand(t, "witness", "key", "--data", dir, "witness.example/w1")
	vkey := strings.TrimSpace(out)
	if _, err := verify.Cosigner(vkey); status != 0 || err != nil {
		t.Fatalf("status %d: %q", status, out)
	}
	if status, _, wrong := doorwardCommand(t, "witness", "key", "--data", dir, "witness.example/w1"); status != 2 {
		t.Errorf("a key that was there is made anew: %d %s", status, wrong)
	}
	policy := "log " + b.vkey + "\nwitness w " + vkey + " http://127.0.0.1:" + port + "\nquorum w\n"
	p, err := verify.ReadPolicy([]byte(policy))
	if err != nil {
		t.Fatal(err)
	}
	for life := range 3 {
		var printed lockedBuffer
		c := exec.Command("doorward", "witness", "serve", "--data", dir, "--listen", "127.0.0.1:"+port, "--log", b.vkey)
		c.Stdout, c.Stderr = &printed, &printed
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Process.Kill() })
		eventually(t, "the witness", func() bool { return strings.Contains(printed.String(), "witnesses at http://127.0.0.1:"+port) })
		asked, err := export.NewWitnesses(export.WitnessesConfig{Policy: p, Leaves: b.log, Checkpoints: b.log, Client: http.DefaultClient, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		b.acts(3)
		b.sign()
		if err := asked.Submit(t.Context()); err != nil {
			t.Fatalf("life %d: %v: %s", life, err, printed.String())
		}
		_ = c.Process.Kill()
		_ = c.Wait()
	}
	if err := b.log.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "policy")
	if err := os.WriteFile(file, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, out, wrong := doorwardCommand(t, "audit", "verify", b.dir, "--policy", file); status != 0 || !strings.Contains(out, "23 witnessed") {
		t.Errorf("status %d: %s%s", status, out, wrong)
	}
}
