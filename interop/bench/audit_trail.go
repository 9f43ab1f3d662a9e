package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/seal"
	"github.com/doorward-mcp/doorward/store"
	"github.com/doorward-mcp/doorward/token"
)

const logOrigin = "mcp.example/audit"

// trail is our log with everything that belongs to it, as an installation opens it.
type trail struct {
	*audit.Log
	leaves  audit.Leaves
	keys    *audit.Keyring
	journal *audit.Journal
	closing []func() error // in the order of making
}

// newTrail opens one in the files of a directory, or, if there is none, in a database that is PostgreSQL.
func newTrail(ctx context.Context, dir, database string) (*trail, error) {
	box, err := seal.New(make([]byte, seal.KeySize))
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, database, box)
	if err != nil {
		return nil, err
	}
	t := &trail{closing: []func() error{db.Close}}
	var points audit.Checkpoints
	var sealed audit.Sealed
	if dir == "" {
		s := db.Sequencer()
		t.leaves, points, sealed = s, s, s
	} else {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, errors.Join(err, t.end())
		}
		s, err := audit.OpenSegments(dir, time.Now, audit.SegmentOptions{})
		if err != nil {
			return nil, errors.Join(err, t.end())
		}
		t.closing = append(t.closing, s.Close)
		t.leaves, points, sealed = s, s, s
	}
	if t.keys, err = audit.OpenKeyring(ctx, sealed, logOrigin, box); err != nil {
		return nil, errors.Join(err, t.end())
	}
	t.journal, err = audit.OpenJournal(ctx, audit.JournalConfig{Origin: logOrigin, Node: "n", Leaves: t.leaves, Checkpoints: points, Vault: db.Vault(), Keys: t.keys, Now: time.Now, Slog: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, errors.Join(err, t.end())
	}
	t.Log = audit.New(t.journal.Write)
	t.closing = append(t.closing, t.journal.Close, t.Log.Close)
	return t, nil
}

func (t *trail) end() (err error) {
	for i := len(t.closing); i > 0; i-- {
		err = errors.Join(err, t.closing[i-1]())
	}
	return err
}

// call is a call's two records.
func (t *trail) call() error {
	_, err := t.Do(context.Background(), toolCall(), func(context.Context, audit.Intent) (audit.Outcome, error) { return audit.Outcome{}, nil })
	return err
}

// sample is the bytes of a call's two records, which the other logs keep.
func (t *trail) sample(ctx context.Context) (pair [2][]byte, err error) {
	if err := t.call(); err != nil {
		return pair, err
	}
	size, err := t.leaves.Size(ctx)
	if err != nil {
		return pair, err
	}
	last, err := t.leaves.Read(ctx, size-2, 2)
	if err == nil && len(last) != 2 {
		err = fmt.Errorf("the log has %d of two records", len(last))
	}
	if err != nil {
		return pair, err
	}
	return [2][]byte(last), nil
}

// fill writes calls until there are as many records as are verified.
func (t *trail) fill(o options) error {
	for {
		size, err := t.leaves.Size(context.Background())
		if err != nil || size >= manyRecords {
			return err
		}
		if _, err := load(nil, 256, o.each, func(*http.Client, int) error { return t.call() }); err != nil {
			return err
		}
	}
}

// toolCall is the record of a call of a tool as the gateway makes it: for a person, through an agent, under two rules.
func toolCall() audit.Record {
	op := mcp.Item{Kind: mcp.ItemTool, Name: "delete_user"}.Use()
	op.ID, op.Args = "1", jsontext.Value(`{"id":42,"reason":"left the company"}`)
	now := time.Now()
	return audit.Record{Code: audit.Called, Now: now, Request: "6S5IDKKUUXQYPZSLJGH6RIHJDW", Client: netip.MustParseAddr("203.0.113.77"),
		Caller: token.Caller{Principal: token.Principal{Issuer: "https://mcp.example", Subject: "alice"}, Client: "https://agent.example/client.json", Grant: "3nqkS2x5bD7dQv1oXW9A", ID: "LHXWV4V5ZMBYJTPYHGQ2XGYQ",
			Groups: []string{"staff"}, Hash: [32]byte{1}, Scopes: oauth.NewScopes("mcp", "crm.write"), Expires: now.Add(time.Minute), Chain: []token.Actor{{Client: "https://agent.example/client.json", How: "client_auth"}}},
		Server: "https://mcp.example/crm", Verdict: "allow", Rules: []string{"crm.delete-user", "crm.people"}, Bundle: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		Trace: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Message: mcp.Message{Revision: mcp.V20260728, Operations: []mcp.Operation{op}}}
}
