package audit_test

import (
	"context"

	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/audit/verify"
	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/seal"
	"github.com/doorward-mcp/doorward/store"
	"github.com/doorward-mcp/doorward/token"
)

const trailOrigin = "mcp.example/audit"

// trail is a log in files with everything that belongs to it.
type trail struct {
	*audit.Log
	t        testing.TB
	dir      string
	db       *store.DB
	box      *seal.Box
	segments *audit.Segments
	keys     *audit.Keyring
	journal  *audit.Journal
	leaves   func(audit.Leaves) audit.Leaves // what stands before the segments; nil: nothing
	options  audit.SegmentOptions
}

func newTrail(t testing.TB) *trail {
	t.Helper()
	box, err := seal.New(make([]byte, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	tr := &trail{t: t, dir: t.TempDir(), box: box}
	if tr.db, err = store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "d.db"), box); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.db.Close() })
	return tr
}

// begin opens the log as a new process does.
func (tr *trail) begin() *trail {
	tr.t.Helper()
	var err error
	if tr.segments, err = audit.OpenSegments(tr.dir, time.Now, tr.options); err != nil {
		tr.t.Fatal(err)
	}
	tr.t.Cleanup(func() { _ = tr.segments.Close() })
	if tr.keys, err = audit.OpenKeyring(tr.t.Context(), tr.segments, trailOrigin, tr.box); err != nil {
		tr.t.Fatal(err)
	}
	leaves := audit.Leaves(tr.segments)
	if tr.leaves != nil {
		leaves = tr.leaves(leaves)
	}
	tr.journal, err = audit.OpenJournal(tr.t.Context(), audit.JournalConfig{Origin: trailOrigin, Node: "n", Leaves: leaves, Checkpoints: tr.segments, Vault: tr.db.Vault(), Keys: tr.keys, Now: time.Now, Slog: slog.New(slog.DiscardHandler)})
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.Log = audit.New(tr.journal.Write)
	return tr
}

func (tr *trail) end() {
	tr.t.Helper()
	if err := errors.Join(tr.Close(), tr.journal.Close(), tr.segments.Close()); err != nil {
		tr.t.Fatal(err)
	}
}

// entries are all records, and their bytes.
func (tr *trail) entries() (all []verify.Entry, raw string) {
	tr.t.Helper()
	leaves, err := tr.segments.Read(tr.t.Context(), 0, 1_000_000)
	if err != nil {
		tr.t.Fatal(err)
	}
	for _, b := range leaves {
		e, err := verify.Decode(b)
		if err != nil {
			tr.t.Fatal(err)
		}
		all, raw = append(all, e), raw+string(b)+"\n"
	}
	return all, raw
}

// said are the records as code, phase, result and reason, without the log's own.
func (tr *trail) said() (all []string) {
	entries, _ := tr.entries()
	for _, e := range entries {
		if e.Phase != verify.Notice {
			all = append(all, strings.TrimRight(strings.Join([]string{e.Code, e.Phase, e.Result, e.Reason}, " "), " "))
		}
	}
	return all
}

// findings are what the verifier finds in the directory.
func (tr *trail) findings() []string {
	tr.t.Helper()
	keys, err := tr.keys.Verifiers(tr.t.Context())
	if err != nil {
		tr.t.Fatal(err)
	}
	report, err := verify.Directory(os.DirFS(tr.dir), verify.Options{Keys: keys[:1]})
	if err != nil {
		tr.t.Fatal(err)
	}
	var all []string
	for _, f := range report.Findings {
		all = append(all, fmt.Sprintf("%+v", f))
	}
	return all
}

func (tr *trail) sound() {
	tr.t.Helper()
	if all := tr.findings(); len(all) > 0 {
		tr.t.Errorf("the verifier finds: %s", strings.Join(all, "\n"))
	}
}

var alice = token.Caller{Principal: token.Principal{Issuer: "https://as.example", Subject: "alice@example.com"}, Client: "https://agent.example/client.json", Grant: "g", ID: "j",
	Groups: []string{"staff"}, Hash: [32]byte{1}, Chain: []token.Actor{{Client: "https://agent.example/client.json", How: "client_auth"}, {Principal: token.Principal{Issuer: "https://idp.example", Subject: "bob@example.com"}, How: "act-claim"}}}

// call is a call of a tool with arguments.
func call(args string) audit.Record {
	return audit.Record{Code: audit.Called, Now: time.Now(), Request: "r", Client: netip.MustParseAddr("203.0.113.77"), Caller: alice, Server: "https://mcp.example/crm",
		Message: mcp.Message{Revision: mcp.V20260728, Operations: []mcp.Operation{using(mcp.ItemTool, "delete_user", args)}}}
}

// using is the operation that uses an item.
func using(kind, name, args string) mcp.Operation {
	op := mcp.Item{Kind: kind, Name: name}.Use()
	op.ID, op.Args = "1", jsontext.Value(args)
	return op
}

// An act's two records are in the log, linked, numbered without a gap, and under a signed tree.
func TestTheJournalKeepsWhatTheLogSays(t *testing.T) {
	tr := newTrail(t).begin()
	receipt, err := tr.Do(t.Context(), call(`{"id":42}`), nothing)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tr.Refused(t.Context(), audit.Record{Code: audit.CallRefused, Now: time.Now(), Caller: alice, Reason: "policy.denied", Verdict: "deny"}); err != nil {
		t.Fatal(err)
	}
	tr.end()
	all, _ := tr.reopened().entries()
	if len(all) != 4 || all[0].Code != verify.Started || all[1].Phase != verify.Intent || all[2].Phase != verify.Outcome || all[3].Phase != verify.Refusal {
		t.Fatalf("%+v", all)
	}
	for i, e := range all {
		if e.Seq != int64(i+1) || e.Boot != all[0].Boot || e.Node != "n" {
			t.Errorf("record %d is numbered %s %s %d", i, e.Node, e.Boot, e.Seq)
		}
	}
	intent := all[1]
	if intent.ID != receipt.ID || all[2].ID != receipt.ID || intent.Subject == nil || !strings.HasPrefix(intent.Subject.Pseudonym, "p_") || intent.Calls[0].Name != "delete_user" || intent.Calls[0].Args == nil || intent.Calls[0].Args.Leaves != 1 {
		t.Errorf("%+v", intent)
	}
	if c := intent.Chain; len(c) != 2 || c[0].Client != alice.Client || !c[0].Verified || c[1].Verified || c[1].Client != "" || !strings.HasPrefix(c[1].Pseudonym, "p_") {
		t.Errorf("chain %+v", c)
	}
	tr.sound()
}

// reopened is the log as it lies there, for reading.
func (tr *trail) reopened() *trail {
	tr.t.Helper()
	s, err := audit.OpenSegments(tr.dir, time.Now, audit.SegmentOptions{})
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.segments = s
	tr.t.Cleanup(func() { _ = s.Close() })
	return tr
}

// Nothing of a person, of an argument, of a resource or of a token stands in the log, nor what strangers smuggle in.
func TestTheLogHasNobodysData(t *testing.T) {
	tr := newTrail(t).begin()
	r := call(`{"id":42,"mail":"carol@example.org","password":"hunter2-argument"}`)
	r.Trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	if _, err := tr.Do(t.Context(), r, func(context.Context, audit.Intent) (audit.Outcome, error) {
		return audit.Outcome{Answer: []byte(`{"secret-answer":1}`)}, nil
	}); err != nil {
		t.Fatal(err)
	}
	read := call("")
	read.Code, read.Message.Operations = audit.Read, []mcp.Operation{using(mcp.ItemResource, "file:///home/dave/diary", "")}
	if _, err := tr.Do(t.Context(), read, nothing); err != nil {
		t.Fatal(err)
	}
	tool := call(`{}`)
	tool.Message.Operations[0] = using(mcp.ItemTool, "erin@example.net", `{}`)
	method := call(`{}`)
	method.Message.Operations[0].Method = "frank@example.net"
	for _, r := range []audit.Record{tool, method, {Code: audit.TokenRefused, Client: r.Client, About: "grace@example.net"}, {Code: audit.SignInRefused, Client: r.Client, Name: "heidi"},
		{Code: audit.AuthorizeRefused, Client: netip.MustParseAddr("2001:db8::7"), About: "https://app.example/?user=ivan"}} {
		if _, err := tr.Refused(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	tr.end()
	all, raw := tr.reopened().entries()
	for _, word := range []string{"alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "hunter2", "203.0.113", "2001:db8", "secret-answer", "diary", "@"} {
		if i := strings.Index(raw, word); i >= 0 {
			t.Errorf("the log has %q: …%s…", word, raw[max(i-60, 0):min(i+60, len(raw))])
		}
	}
	if len(all) < 10 || !strings.Contains(raw, r.Trace) {
		t.Errorf("%d records:\n%s", len(all), raw)
	}
}

// The address of one client is committed to alike within a day, so that what it did can be found; another one's is another.
func TestAddressesCanBeCompared(t *testing.T) {
	tr := newTrail(t).begin()
	for _, from := range []string{"203.0.113.1", "203.0.113.1", "203.0.113.2"} {
		if _, err := tr.Do(t.Context(), audit.Record{Code: audit.TokenIssued, Now: time.Now(), Client: netip.MustParseAddr(from)}, nothing); err != nil {
			t.Fatal(err)
		}
	}
	all, _ := tr.entries()
	if a, b, c := all[1].Net, all[3].Net, all[5].Net; a == "" || a != b || a == c {
		t.Errorf("%q, %q, %q", a, b, c)
	}
	tr.end()
}

// What a process leaves open when it is killed ends as unknown when the next one begins, once.
func TestCallsInFlightEndAsUnknown(t *testing.T) {
	tr := newTrail(t).begin()
	in := make(chan struct{})
	block := make(chan struct{})
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() {
			_, _ = tr.Do(context.Background(), call(`{}`), func(context.Context, audit.Intent) (audit.Outcome, error) {
				in <- struct{}{}
				<-block
				return audit.Outcome{}, nil
			})
		})
	}
	for range 3 {
		<-in
	}
	if _, err := tr.Do(t.Context(), call(`{}`), nothing); err != nil {
		t.Fatal(err)
	}
	if err := tr.segments.Close(); err != nil { // as if the process were gone
		t.Fatal(err)
	}
	killed := tr.journal
	for range 2 {
		tr.begin()
		tr.end()
	}
	tr.reopened()
	n := 0
	for _, s := range tr.said() {
		if s == "mcp.called outcome unknown process_ended" {
			n++
		}
	}
	if n != 3 {
		t.Errorf("%d of 3 are closed:\n%s", n, strings.Join(tr.said(), "\n"))
	}
	tr.sound()
	close(block)
	wait.Wait()
	_ = killed.Close() // it cannot write any more
}

// full is a store that can be full, or stand still.
type full struct {
	audit.Leaves
	mu     sync.Mutex
	err    error
	stands chan struct{} // Append waits for it; nil: it does not
}

func (f *full) set(err error, stands chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.stands = err, stands
}

func (f *full) Append(ctx context.Context, leaves [][]byte) (int64, error) {
	f.mu.Lock()
	err, stands := f.err, f.stands
	f.mu.Unlock()
	if stands != nil {
		<-stands
	}
	if err != nil {
		return 0, err
	}
	return f.Leaves.Append(ctx, leaves)
}

func (tr *trail) fillable() *full {
	f := &full{}
	tr.leaves = func(l audit.Leaves) audit.Leaves { f.Leaves = l; return f }
	return f
}

// While the store is full no strict act happens; what has happened is recorded when there is room again, in order and without a gap.
func TestAFullStore(t *testing.T) {
	tr := newTrail(t)
	f := tr.fillable()
	tr.begin()
	_, err := tr.Do(t.Context(), call(`{}`), func(context.Context, audit.Intent) (audit.Outcome, error) {
		f.set(errDisk, nil)
		return audit.Outcome{}, nil
	})
	if !errors.Is(err, audit.ErrFull) {
		t.Errorf("the outcome was lost and the error is %v", err)
	}
	if _, err := tr.Do(t.Context(), call(`{}`), func(context.Context, audit.Intent) (audit.Outcome, error) {
		t.Error("a call was made without its intent")
		return audit.Outcome{}, nil
	}); !errors.Is(err, audit.ErrFull) || !errors.Is(err, errDisk) {
		t.Errorf("a call with a full store: %v", err)
	}
	ran := false
	if _, err := tr.Do(t.Context(), audit.Record{Code: audit.GrantRevoked, Now: time.Now()}, func(context.Context, audit.Intent) (audit.Outcome, error) {
		ran = true
		return audit.Outcome{}, nil
	}); err != nil || !ran {
		t.Errorf("what takes power away did not happen: %t, %v", ran, err)
	}
	f.set(nil, nil)
	if _, err := tr.Do(t.Context(), call(`{}`), nothing); err != nil {
		t.Fatal(err)
	}
	tr.end()
	tr.reopened().sound()
	got := tr.said()
	for _, want := range []string{"mcp.called outcome done", "grant.revoked intent", "grant.revoked outcome done"} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, strings.Join(got, "\n"))
		}
	}
}

// A store that stands still stops strict acts after two seconds. An intent that is kept after all says that its act never happened.
func TestAStoreThatStandsStill(t *testing.T) {
	tr := newTrail(t)
	f := tr.fillable()
	tr.begin()
	stands := make(chan struct{})
	f.set(nil, stands)
	began := time.Now()
	_, err := tr.Do(t.Context(), call(`{}`), func(context.Context, audit.Intent) (audit.Outcome, error) {
		t.Error("a call was made without its intent")
		return audit.Outcome{}, nil
	})
	if !errors.Is(err, audit.ErrLate) {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
	f.set(nil, nil)
	close(stands)
	for errors.Is(err, audit.ErrLate) { // until the store has answered
		_, err = tr.Do(t.Context(), call(`{}`), nothing)
	}
	if err != nil {
		t.Fatal(err)
	}
	tr.end()
	tr.reopened().sound()
	if got := tr.said(); !slices.Contains(got, "mcp.called outcome failed log_late") {
		t.Errorf("the intent has no outcome:\n%s", strings.Join(got, "\n"))
	}
}

// Lists and floods that find no room are dropped, and how many were is a record.
func TestWhatIsDroppedIsCounted(t *testing.T) {
	tr := newTrail(t)
	f := tr.fillable()
	tr.begin()
	f.set(errDisk, nil)
	const sent = 12_000
	for range sent / 2 {
		if _, err := tr.Do(t.Context(), audit.Record{Code: audit.Listed, Now: time.Now(), Caller: alice}, nothing); err != nil {
			t.Fatal(err)
		}
	}
	f.set(nil, nil)
	tr.end()
	tr.reopened().sound()
	all, _ := tr.entries()
	kept, dropped := 0, 0
	for _, e := range all {
		switch {
		case e.Code == verify.Dropped:
			dropped += e.Count
		case e.Code == string(audit.Listed):
			kept++
		}
	}
	if kept+dropped != sent || dropped == 0 {
		t.Errorf("%d kept, %d said to be dropped, of %d", kept, dropped, sent)
	}
}

// Many at once: every act has its two records, in order, and the verifier finds nothing.
func TestManyWriteAtOnce(t *testing.T) {
	tr := newTrail(t).begin()
	var wait sync.WaitGroup
	for range 16 {
		wait.Go(func() {
			for i := range 50 {
				r := call(`{"id":42}`)
				if i%3 == 0 {
					r.Code = audit.Listed
				}
				if _, err := tr.Do(t.Context(), r, nothing); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	tr.end()
	if all, _ := tr.reopened().entries(); len(all) != 1+16*50*2 {
		t.Errorf("%d records", len(all))
	}
	tr.sound()
}

// Another key takes over while records come, and every tree is signed by whom the verifier expects.
func TestAKeyTakesOver(t *testing.T) {
	tr := newTrail(t).begin()
	for range 3 {
		if _, err := tr.Do(t.Context(), call(`{}`), nothing); err != nil {
			t.Fatal(err)
		}
		if err := tr.journal.RotateKey(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	tr.end()
	tr.reopened().sound()
	if keys, err := tr.keys.Verifiers(t.Context()); err != nil || len(keys) != 4 {
		t.Errorf("%v, %v", keys, err)
	}
}
