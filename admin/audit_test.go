package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward-mcp/doorward/admin"
	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/audit/verify"
	"github.com/doorward-mcp/doorward/login"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/seal"
	"github.com/doorward-mcp/doorward/store"
	"github.com/doorward-mcp/doorward/token"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const issuer = "https://doorward.example"

var (
	alice  = token.Principal{Issuer: issuer, Subject: "alice-subject"}
	cleric = token.Caller{Principal: token.Principal{Issuer: issuer, Subject: "auditor"}, Client: "cli", Groups: []string{login.Auditors}, Scopes: oauth.NewScopes(admin.ScopeAudit)}
)

// kit is a log in files with its index and vault, over a real database.
type kit struct {
	t       *testing.T
	log     *audit.Segments
	index   *store.Index
	db      *store.DB
	audit   *admin.AuditLog
	api     *admin.AuditAPI
	written []audit.Entry // what went through the choke point
}

func newKit(t *testing.T) *kit {
	t.Helper()
	box, err := seal.New(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "a.db"), box)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	log, err := audit.OpenSegments(t.TempDir(), func() time.Time { return noon }, audit.SegmentOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	index, err := db.Index(t.Context(), filepath.Join(t.TempDir(), "index.db"), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = index.Close() })
	k := &kit{t: t, log: log, index: index, db: db}
	k.audit = &admin.AuditLog{Find: index.Find, Reset: index.Reset, Leaves: log, Checkpoints: log, Now: func() time.Time { return noon },
		Prove: func(_ context.Context, n int64) ([]byte, error) {
			if n > 5 {
				return nil, errors.New("under no checkpoint yet")
			}
			return fmt.Appendf(nil, "proof of %d", n), nil
		}}
	choke := audit.New(func(_ context.Context, e audit.Entry) error { k.written = append(k.written, e); return nil })
	k.api = &admin.AuditAPI{AuditLog: k.audit, Vault: db.Vault(), Log: choke, Issuer: issuer, Server: issuer + "/audit",
		Name: func(_ context.Context, p token.Principal) (string, error) { return "", login.ErrNotFound },
		Pseudonym: func(ctx context.Context, name string) (string, error) {
			return db.Vault().Pseudonym(ctx, token.Principal{Issuer: issuer, Subject: name + "-subject"})
		}}
	return k
}

func (k *kit) write(all ...verify.Entry) {
	k.t.Helper()
	for i, e := range all {
		e.V, e.Time = verify.Version, noon.Add(time.Duration(i)*time.Second).Format(time.RFC3339)
		b, err := verify.Encode(&e)
		if err != nil {
			k.t.Fatal(err)
		}
		if _, err := k.log.Append(k.t.Context(), [][]byte{b}); err != nil {
			k.t.Fatal(err)
		}
	}
	if _, err := k.index.Follow(k.t.Context()); err != nil {
		k.t.Fatal(err)
	}
}

// story is a call and all that led to it, among what did not.
func story(pid string) []verify.Entry {
	who, other := &verify.Subject{Pseudonym: pid}, &verify.Subject{Pseudonym: "p_OTHER"}
	act := func(id, code string, intent, outcome verify.Entry) []verify.Entry {
		intent.ID, intent.Code, intent.Phase = id, code, verify.Intent
		outcome.ID, outcome.Code, outcome.Phase = id, code, verify.Outcome
		if outcome.Result == "" {
			outcome.Result = "done"
		}
		return []verify.Entry{intent, outcome}
	}
	jti := []verify.Token{{Kind: "access_token", ID: "t1"}}
	return slices.Concat(
		act("registered", "client.registered", verify.Entry{About: "c1"}, verify.Entry{Client: "c1"}),
		act("registered2", "client.registered", verify.Entry{About: "c2"}, verify.Entry{Client: "c2"}),
		act("old", "login.signed_in", verify.Entry{}, verify.Entry{Subject: who}),
		act("failed", "login.signed_in", verify.Entry{}, verify.Entry{Subject: who, Result: "refused"}),
		act("signed", "login.link_used", verify.Entry{}, verify.Entry{Subject: who}),
		act("stranger", "login.signed_in", verify.Entry{}, verify.Entry{Subject: other}),
		act("consented", "consent.given", verify.Entry{Subject: who, About: "c1"}, verify.Entry{Subject: who}),
		act("allowed", "authorize.granted", verify.Entry{Subject: who, About: "c1"}, verify.Entry{Subject: who, Client: "c1", Grant: "g1"}),
		act("token", "token.issued", verify.Entry{About: "c1"}, verify.Entry{Subject: who, Client: "c1", Grant: "g1", Tokens: jti}),
		act("later", "login.signed_in", verify.Entry{}, verify.Entry{Subject: who}),
		act("call", "mcp.called", verify.Entry{Subject: who, Client: "c1", Grant: "g1", Tokens: jti, Calls: []verify.Call{{Method: "tools/call", Name: "add"}}, Sealed: "full"}, verify.Entry{Subject: who, Client: "c1", Grant: "g1"}),
		act("call2", "mcp.called", verify.Entry{Subject: other, Client: "c2"}, verify.Entry{Subject: other, Client: "c2"}),
	)
}

func TestShowWalksFromTheCallToItsOrigin(t *testing.T) {
	k := newKit(t)
	k.write(story("p_ALICE")...)
	steps, err := k.audit.Show(t.Context(), admin.Shown{ID: "call"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range steps {
		if len(s.Hits) != 2 || s.Hits[0].Entry.Phase != verify.Intent || s.Hits[1].Entry.Phase != verify.Outcome {
			t.Errorf("%s has %d records", s.What, len(s.Hits))
		}
		got = append(got, s.What+" "+s.Hits[0].Entry.ID)
	}
	want := []string{"client registered", "sign-in signed", "consent consented", "authorization allowed", "token token", "act call"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, err := k.audit.Show(t.Context(), admin.Shown{ID: "nothing"}); err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("what is not there: %v", err)
	}
}

func TestTailGoesOnWhereItWas(t *testing.T) {
	k := newKit(t)
	k.write(story("p_ALICE")...)
	tail := func(x admin.Tail) admin.Tail {
		t.Helper()
		answer, err := k.audit.Tail(t.Context(), x)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	first := tail(admin.Tail{From: -3, Once: true})
	if len(first.Hits) != 2 || first.Hits[0].Entry.ID != "call2" || first.Next != 24 {
		t.Errorf("%d records, next %d", len(first.Hits), first.Next)
	}
	if end := tail(admin.Tail{From: first.Next, Once: true}); len(end.Hits) != 0 || end.Next != 24 {
		t.Errorf("at the end: %d records, next %d", len(end.Hits), end.Next)
	}
	fit := tail(admin.Tail{Query: admin.Query{Person: "p_OTHER", Limit: 2}, Once: true})
	if len(fit.Hits) != 2 || fit.Hits[0].Index != 11 || fit.Hits[1].Index != 22 || fit.Next != 23 {
		t.Errorf("of one person: %+v", fit)
	}
	came := make(chan admin.Tail)
	go func() {
		answer, _ := k.audit.Tail(context.WithoutCancel(t.Context()), admin.Tail{From: 24})
		came <- answer
	}()
	k.write(verify.Entry{ID: "new", Code: "mcp.called", Phase: verify.Intent})
	if answer := <-came; len(answer.Hits) != 1 || answer.Hits[0].Entry.ID != "new" || answer.Next != 25 {
		t.Errorf("what came: %+v", answer)
	}
}

func TestAProofComesWithItsRecord(t *testing.T) {
	k := newKit(t)
	k.write(story("p_ALICE")...)
	for _, ask := range []admin.Proof{{Index: 3}, {ID: "registered2"}} {
		p, err := k.audit.ProveRecord(t.Context(), ask)
		if err != nil || p.Proof != "proof of 3" || !strings.Contains(string(p.Record), `"registered2"`) {
			t.Errorf("%+v: %+v, %v", ask, p, err)
		}
	}
	for _, ask := range []admin.Proof{{Index: 9}, {ID: "nothing"}} {
		if p, err := k.audit.ProveRecord(t.Context(), ask); err == nil {
			t.Errorf("%+v: %+v", ask, p)
		}
	}
}

func TestAHoldIsOfRecordsThatAreThere(t *testing.T) {
	k := newKit(t)
	k.write(story("p_ALICE")...)
	var added []admin.Hold
	k.audit.Holds.Add = func(_ context.Context, h admin.Hold) error { added = append(added, h); return nil }
	for what, h := range map[string]admin.Hold{
		"none":          {Name: "a", Reason: "b", Span: audit.Span{From: 5, To: 5}},
		"backwards":     {Name: "a", Reason: "b", Span: audit.Span{From: 5, To: 4}},
		"before all":    {Name: "a", Reason: "b", Span: audit.Span{From: -1, To: 4}},
		"after all":     {Name: "a", Reason: "b", Span: audit.Span{From: 0, To: 25}},
		"no reason":     {Name: "a", Span: audit.Span{From: 0, To: 5}},
		"no name":       {Reason: "a", Span: audit.Span{From: 0, To: 5}},
		"a long reason": {Name: "a", Reason: strings.Repeat("x", 201), Span: audit.Span{From: 0, To: 5}},
	} {
		if _, err := k.audit.AddHold(t.Context(), h); err == nil {
			t.Errorf("%s was held", what)
		}
	}
	h, err := k.audit.AddHold(t.Context(), admin.Hold{Name: "case", Reason: "why", Span: audit.Span{From: 3}})
	if err != nil || h.To != 24 || len(added) != 1 || added[0] != h {
		t.Errorf("%+v, %v, %v", h, added, err)
	}
}

func TestQueriesHaveBounds(t *testing.T) {
	for limit, want := range map[int]int{-1: 100, 0: 100, 1: 1, 1000: 1000, 1001: 1000} {
		if got := (admin.Query{Limit: limit}).Page(); got != want {
			t.Errorf("%d: %d, want %d", limit, got, want)
		}
	}
}

// ask asks the API for auditors.
func (k *kit) ask(c token.Caller, method, path string, question any) (answer admin.Answered, err error) {
	k.t.Helper()
	body, err := json.Marshal(question)
	if err != nil {
		k.t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if err := k.api.Serve(w, httptest.NewRequestWithContext(k.t.Context(), method, path, strings.NewReader(string(body))), c); err != nil {
		return answer, err
	}
	if w.Header().Get("Cache-Control") != "no-store" {
		k.t.Error("the answer may be kept by others")
	}
	return answer, json.Unmarshal(w.Body.Bytes(), &answer)
}

// Who is no auditor by a token of ours is refused, and that is a record.
func TestOnlyAuditorsAreAnswered(t *testing.T) {
	k := newKit(t)
	k.write(story("p_ALICE")...)
	other, foreign, noScope, group := cleric, cleric, cleric, cleric
	other.Issuer = "https://other.example"
	foreign.Foreign = true
	noScope.Scopes = oauth.NewScopes("mcp")
	group.Groups = []string{"auditors", "doorward:auditor"}
	for what, c := range map[string]token.Caller{"nobody": {}, "of another issuer": other, "a foreign token": foreign, "without the scope": noScope, "in other groups": group} {
		k.written = nil
		_, err := k.ask(c, http.MethodPost, "/audit/api/query", admin.AuditQuestion{})
		var refused *oauth.Error
		if !errors.As(err, &refused) || refused.Status != http.StatusForbidden {
			t.Errorf("%s: %v", what, err)
		}
		if c.Subject != "" && (len(k.written) != 1 || k.written[0].Record.Code != audit.CallRefused || k.written[0].Record.Caller.Subject != c.Subject) {
			t.Errorf("%s: recorded %+v", what, k.written)
		}
	}
	if a, err := k.ask(cleric, http.MethodPost, "/audit/api/query", admin.AuditQuestion{Query: admin.Query{Limit: 3}}); err != nil || len(a.Steps) != 1 || len(a.Steps[0].Hits) != 3 {
		t.Errorf("an auditor: %+v, %v", a, err)
	}
	for what, c := range map[string]struct {
		method, path string
		body         any
	}{"GET": {http.MethodGet, "/audit/api/query", nil}, "elsewhere": {http.MethodPost, "/audit/api/erase", nil}, "no object": {http.MethodPost, "/audit/api/query", []int{1}}, "unknown members": {http.MethodPost, "/audit/api/query", map[string]int{"persn": 1}}} {
		var refused *oauth.Error
		if _, err := k.ask(cleric, c.method, c.path, c.body); !errors.As(err, &refused) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Reading clear values and names is a record, one for each; without being asked for nothing clear is told.
func TestReadingClearValuesIsARecord(t *testing.T) {
	k := newKit(t)
	s, err := k.db.Vault().Subject(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	k.write(story(s.Pseudonym)...)
	values := []audit.Clear{{Record: "call", Pseudonym: s.Pseudonym, Value: []byte(`{"a":1}`)}, {Record: audit.LevelFull.Of("call"), Pseudonym: s.Pseudonym, Value: []byte(`{"b":2}`)}}
	if err := k.db.Vault().Keep(t.Context(), values); err != nil {
		t.Fatal(err)
	}
	question := admin.AuditQuestion{Query: admin.Query{ID: "call"}}
	plain, err := k.ask(cleric, http.MethodPost, "/audit/api/show", question)
	if err != nil || len(plain.People)+len(plain.Values)+len(k.written) != 0 {
		t.Errorf("without being asked for: %+v, %d records, %v", plain, len(k.written), err)
	}
	question.Clear = true
	clear, err := k.ask(cleric, http.MethodPost, "/audit/api/show", question)
	if err != nil || clear.People[s.Pseudonym].Subject != alice.Subject || string(clear.Values["call"]) != `{"a":1}` || string(clear.Values["call.answer"]) != `{"b":2}` {
		t.Errorf("%+v, %v", clear, err)
	}
	var about []string
	for _, e := range k.written {
		if e.Record.Code != audit.ClearRead || e.Record.Caller.Subject != cleric.Subject {
			t.Errorf("recorded %+v", e.Record)
		}
		if e.Phase == audit.PhaseIntent {
			about = append(about, e.Record.About)
		}
	}
	slices.Sort(about)
	if diff := cmp.Diff([]string{"call", "call.answer", s.Pseudonym}, about); diff != "" {
		t.Errorf("recorded about (-want +got)\n%s", diff)
	}
	k.written = nil
	byName, err := k.ask(cleric, http.MethodPost, "/audit/api/query", admin.AuditQuestion{Name: "alice"})
	if err != nil || len(byName.Steps[0].Hits) == 0 || len(k.written) != 2 {
		t.Errorf("by name: %d records found, %d written, %v", len(byName.Steps[0].Hits), len(k.written), err)
	}
	if _, err := k.ask(cleric, http.MethodPost, "/audit/api/query", admin.AuditQuestion{Name: "nobody"}); err == nil {
		t.Error("somebody whom the log does not know was found")
	}
	k.written = nil
	_, err = k.api.Log.Do(t.Context(), audit.Record{Code: audit.PersonErased, Now: noon}, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		_, err := k.db.Vault().Erase(ctx, in, alice)
		return audit.Outcome{}, err
	})
	if err != nil {
		t.Fatal(err)
	}
	gone, err := k.ask(cleric, http.MethodPost, "/audit/api/show", question)
	if err != nil || len(gone.People)+len(gone.Values) != 0 || len(gone.Steps) == 0 {
		t.Errorf("after erasure: %+v, %v", gone, err)
	}
}

// A log that cannot be written to tells nothing clear.
func TestNothingClearIsReadWithoutItsRecord(t *testing.T) {
	k := newKit(t)
	s, err := k.db.Vault().Subject(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	k.write(story(s.Pseudonym)...)
	k.api.Log = audit.New(func(context.Context, audit.Entry) error { return errors.New("full") })
	if a, err := k.ask(cleric, http.MethodPost, "/audit/api/show", admin.AuditQuestion{Query: admin.Query{ID: "call"}, Clear: true}); !errors.Is(err, audit.ErrFull) {
		t.Errorf("%+v, %v", a, err)
	}
}
