package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"log/slog"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// kept is a sink that can be full.
type kept struct {
	mu   sync.Mutex
	all  []audit.Entry
	full error
}

func (k *kept) sink(_ context.Context, e audit.Entry) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.full != nil {
		return k.full
	}
	k.all = append(k.all, e)
	return nil
}

func (k *kept) fill(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.full = err
}

// said is what was written, as code, phase and result.
func (k *kept) said() (all []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range k.all {
		all = append(all, strings.TrimRight(string(e.Record.Code)+" "+string(e.Phase)+" "+e.Outcome.Result+" "+e.Outcome.Reason, " "))
	}
	return all
}

func (k *kept) wants(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, k.said()); diff != "" {
		t.Errorf("(-want +written)\n%s", diff)
	}
}

var errDisk = errors.New("no space left on device")

func nothing(context.Context, audit.Intent) (audit.Outcome, error) { return audit.Outcome{}, nil }

// Rule 9: the intent is written before the act, the outcome after it, under one id.
func TestAnActHasItsRecords(t *testing.T) {
	k := &kept{}
	l := audit.New(k.sink)
	var id string
	receipt, err := l.Do(t.Context(), audit.Record{Code: audit.Called, Now: noon}, func(_ context.Context, in audit.Intent) (audit.Outcome, error) {
		k.wants(t, "mcp.called intent")
		if id = in.ID(); !in.Now().Equal(noon) || id == "" {
			t.Errorf("intent %q at %s", id, in.Now())
		}
		return audit.Outcome{}, nil
	})
	if err != nil || receipt.ID != id || k.all[0].ID != id || k.all[1].ID != id {
		t.Errorf("receipt %q, records %q and %q, %v", receipt.ID, k.all[0].ID, k.all[1].ID, err)
	}
	k.wants(t, "mcp.called intent", "mcp.called outcome done")
}

// Rule 9: what came of an act is recorded also when it fails, and its error is returned as it is.
func TestTheOutcomeOfAnErrorIsRecorded(t *testing.T) {
	for _, c := range []struct {
		name, want string
		out        audit.Outcome
		err        error
	}{
		{"a refusal", "refused expired", audit.Outcome{}, oauth.InvalidGrant("expired", "x")},
		{"a fault", "failed internal", audit.Outcome{Result: "done"}, errDisk},
		{"a fault that the act has a word for", "upstream slow", audit.Outcome{Result: "upstream", Reason: "slow"}, errDisk},
		{"a word of the act's own", "upstream slow", audit.Outcome{Result: "upstream", Reason: "slow"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := &kept{}
			_, err := audit.New(k.sink).Do(t.Context(), audit.Record{Code: audit.Called}, func(context.Context, audit.Intent) (audit.Outcome, error) { return c.out, c.err })
			if !errors.Is(err, c.err) {
				t.Errorf("%v, want %v", err, c.err)
			}
			k.wants(t, "mcp.called intent", "mcp.called outcome "+c.want)
		})
	}
}

// Rule 9: if the intent cannot be written, the act does not run.
func TestAFullLogStopsTheAct(t *testing.T) {
	for _, code := range []audit.Code{audit.Called, audit.TokenIssued, audit.Read, audit.Listed, audit.ConsentGiven, audit.KeyAdded, "a code without a row"} {
		k := &kept{full: errDisk}
		_, err := audit.New(k.sink).Do(t.Context(), audit.Record{Code: code}, func(context.Context, audit.Intent) (audit.Outcome, error) {
			t.Errorf("%s ran", code)
			return audit.Outcome{}, nil
		})
		if !errors.Is(err, audit.ErrFull) || !errors.Is(err, errDisk) {
			t.Errorf("%s: %v", code, err)
		}
	}
}

// If only the outcome of a strict act is lost, whoever asked must not be told that all is well.
func TestALostOutcome(t *testing.T) {
	for code, want := range map[audit.Code]error{audit.Called: audit.ErrFull, audit.Read: nil, audit.Listed: nil} {
		k := &kept{}
		_, err := audit.New(k.sink).Do(t.Context(), audit.Record{Code: code}, func(context.Context, audit.Intent) (audit.Outcome, error) {
			k.fill(errDisk)
			return audit.Outcome{}, nil
		})
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", code, err, want)
		}
	}
	own := errors.New("its own")
	k := &kept{}
	_, err := audit.New(k.sink).Do(t.Context(), audit.Record{Code: audit.Called}, func(context.Context, audit.Intent) (audit.Outcome, error) {
		k.fill(errDisk)
		return audit.Outcome{}, own
	})
	if !errors.Is(err, own) {
		t.Errorf("the act's own error is lost: %v", err)
	}
}

// Rule 9: what takes power away happens always; its records wait and are written in order before anything else.
func TestPowerIsTakenAwayWithAFullLog(t *testing.T) {
	k := &kept{full: errDisk}
	l := audit.New(k.sink)
	ran := 0
	act := func(context.Context, audit.Intent) (audit.Outcome, error) { ran++; return audit.Outcome{}, nil }
	for _, code := range []audit.Code{audit.GrantRevoked, audit.SignedOut, audit.ConsentDeclined, audit.SessionEnded} {
		if _, err := l.Do(t.Context(), audit.Record{Code: code}, act); err != nil {
			t.Errorf("%s: %v", code, err)
		}
	}
	if ran != 4 {
		t.Errorf("%d of 4 ran", ran)
	}
	if _, err := l.Do(t.Context(), audit.Record{Code: audit.TokenIssued}, act); !errors.Is(err, audit.ErrFull) || ran != 4 {
		t.Errorf("power was given: %v", err)
	}
	k.fill(nil)
	if _, err := l.Do(t.Context(), audit.Record{Code: audit.TokenIssued}, act); err != nil {
		t.Fatal(err)
	}
	k.wants(t, "grant.revoked intent", "grant.revoked outcome done", "login.signed_out intent", "login.signed_out outcome done", "consent.declined intent", "consent.declined outcome done",
		"mcp.session_ended intent", "mcp.session_ended outcome done", "token.issued intent", "token.issued outcome done")
}

func TestWhatWaitedIsWrittenAtTheEnd(t *testing.T) {
	k := &kept{full: errDisk}
	l := audit.New(k.sink)
	if _, err := l.Do(t.Context(), audit.Record{Code: audit.GrantRevoked}, nothing); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); !errors.Is(err, errDisk) {
		t.Errorf("closing with a full log: %v", err)
	}
	k.fill(nil)
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	k.wants(t, "grant.revoked intent", "grant.revoked outcome done")
}

// The outcome is written also when whoever asked has gone away.
func TestTheOutcomeOutlivesTheRequest(t *testing.T) {
	k := &kept{}
	ctx, cancel := context.WithCancel(t.Context())
	l := audit.New(func(ctx context.Context, e audit.Entry) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return k.sink(ctx, e)
	})
	if _, err := l.Do(ctx, audit.Record{Code: audit.Called}, func(context.Context, audit.Intent) (audit.Outcome, error) { cancel(); return audit.Outcome{}, nil }); err != nil {
		t.Error(err)
	}
	k.wants(t, "mcp.called intent", "mcp.called outcome done")
}

// Nobody changes the store without a record: its clock is in the Intent, and only Do makes one.
func TestTheZeroIntentPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("the zero Intent tells the time")
		}
	}()
	var none audit.Intent
	none.Now()
}

// Rule 9: refusals of strangers are counted per source and written as one record a second; refusals of callers are not.
func TestStrangersAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &kept{}
		l := audit.New(k.sink)
		refuse := func(from string, code audit.Code, who token.Caller) {
			t.Helper()
			r := audit.Record{Code: code, Now: noon, Caller: who}
			if from != "" {
				r.Client = netip.MustParseAddr(from)
			}
			if _, err := l.Refused(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		for range 1000 {
			refuse("192.0.2.1", audit.RequestRefused, token.Caller{})
		}
		refuse("192.0.2.2", audit.RequestRefused, token.Caller{})
		refuse("192.0.2.1", audit.TokenRefused, token.Caller{})
		if n := len(k.said()); n != 3 {
			t.Fatalf("%d records at once, want the first of each source and code", n)
		}
		time.Sleep(time.Second + time.Millisecond)
		synctest.Wait()
		if n := len(k.all); n != 4 || k.all[3].Count != 999 || k.all[3].Record.Client != netip.MustParseAddr("192.0.2.1") || k.all[3].Phase != audit.PhaseRefusal {
			t.Fatalf("after a second %d records, the last %+v", n, k.all[len(k.all)-1])
		}
		time.Sleep(time.Minute)
		refuse("192.0.2.1", audit.RequestRefused, token.Caller{})
		if n := len(k.all); n != 5 {
			t.Errorf("a second later the first is not written at once: %d", n)
		}
		known := token.Caller{Principal: token.Principal{Issuer: "i", Subject: "alice"}}
		for range 10 {
			refuse("192.0.2.1", audit.CallRefused, known)
		}
		if n := len(k.all); n != 15 {
			t.Errorf("%d records: a caller's refusals have a record each", n)
		}
		time.Sleep(2 * time.Second)
	})
}

// Not even with an address for every refusal can strangers fill the log.
func TestStrangersOfManyAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &kept{}
		l := audit.New(k.sink)
		for n := range 10_000 {
			addr := netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
			if _, err := l.Refused(t.Context(), audit.Record{Code: audit.RequestRefused, Client: addr}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		last := k.all[len(k.all)-1]
		if n := len(k.all); n != 1025 || last.Count != 10_000-1024 || last.Record.Client.IsValid() {
			t.Errorf("%d records, the last stands for %d of %s", n, last.Count, last.Record.Client)
		}
	})
}

// A refusal that cannot be recorded is an error, for then nobody would know of it.
func TestARefusalWithAFullLog(t *testing.T) {
	known := token.Caller{Principal: token.Principal{Issuer: "i", Subject: "alice"}}
	for _, who := range []token.Caller{known, {}} {
		l := audit.New((&kept{full: errDisk}).sink)
		if _, err := l.Refused(t.Context(), audit.Record{Code: audit.CallRefused, Caller: who}); !errors.Is(err, audit.ErrFull) {
			t.Errorf("of %q: %v", who.Subject, err)
		}
	}
}

// The record of a call, as it stands in the log: who, what, and what came of it, and no argument.
func TestARecordInTheLog(t *testing.T) {
	var b strings.Builder
	l := audit.New(audit.Slog(slog.NewJSONHandler(&b, nil)))
	r := audit.Record{Code: audit.Called, Now: noon, Request: "r", Client: netip.MustParseAddr("192.0.2.1"), Server: "https://mcp.example/mcp", Verdict: "allow", Reason: "scopes", Rules: []string{"scopes-only"},
		Obligations: []string{"redact:/ssn", "notify:security"}, Level: "args", Shadow: []audit.Shadow{{Live: "allow", Verdict: "deny", Code: "policy.forbidden", Bundle: "sha256:1", Rules: []string{"a"}}, {Verdict: "deny"}},
		Caller: token.Caller{Principal: token.Principal{Issuer: "https://as.example", Subject: "alice"}, Client: "c", Grant: "g", ID: "j"}}
	if _, err := l.Do(t.Context(), r, nothing); err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(b.String(), "\n")
	var got map[string]any
	if err := json.Unmarshal([]byte(line), &got); err != nil {
		t.Fatal(err)
	}
	delete(got, "id")
	want := map[string]any{"time": "2026-11-21T12:00:00Z", "level": "INFO", "msg": "mcp.called", "phase": "intent", "request": "r", "from": "192.0.2.1", "iss": "https://as.example", "sub": "alice",
		"client_id": "c", "grant": "g", "jti": "j", "server": "https://mcp.example/mcp", "verdict": "allow", "rules": "scopes-only", "reason": "scopes",
		"obligations": "redact:/ssn, notify:security", "detail": "args", "shadow": "deny policy.forbidden sha256:1 a; deny"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
