package admin

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/audit/verify"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/login"
	"github.com/doorward-mcp/doorward/token"
)

// AuditQuestion is what an auditor asks. Clear asks for names and clear values too.
type AuditQuestion struct {
	Query
	Name  string `json:"name,omitempty"` // of an account here, in place of Person: whose pseudonym that is, is something clear
	Clear bool   `json:"clear,omitempty"`
}

// Answered is what an auditor is told. What was erased is not in People and Values.
type Answered struct {
	Steps  []Step                     `json:"steps"`
	People map[string]Known           `json:"people,omitempty"` // :: pseudonym → who it is
	Values map[string]json.RawMessage `json:"values,omitempty"` // :: id of a record, or audit.LevelFull.Of it → what the vault has
}

// Known is somebody.
type Known struct {
	Issuer  string `json:"iss"`
	Subject string `json:"sub"`
	Name    string `json:"name,omitempty"` // of an account here
}

// named puts the pseudonym of a named person into a question.
func (h *AuditAPI) named(ctx context.Context, c token.Caller, q *AuditQuestion) error {
	if q.Name == "" {
		return nil
	}
	pseudonym, err := h.Pseudonym(ctx, q.Name)
	if errors.Is(err, login.ErrNotFound) || errors.Is(err, audit.ErrErased) {
		return refusal{"the log knows nobody of that name"}
	}
	if err != nil {
		return err
	}
	q.Person = pseudonym
	return h.read(ctx, c, pseudonym, func(context.Context, audit.Intent) error { return nil })
}

// answered adds what is clear, if it is asked for.
func (h *AuditAPI) answered(ctx context.Context, c token.Caller, clear bool, steps []Step) (Answered, error) {
	a := Answered{Steps: steps, People: map[string]Known{}, Values: map[string]json.RawMessage{}}
	if !clear {
		return a, nil
	}
	for _, s := range steps {
		for _, hit := range s.Hits {
			if err := h.clear(ctx, c, &a, &hit.Entry); err != nil {
				return Answered{}, err
			}
		}
	}
	return a, nil
}

// clear adds what is clear of one record.
func (h *AuditAPI) clear(ctx context.Context, c token.Caller, a *Answered, e *verify.Entry) error {
	var people []string
	if e.Subject != nil {
		people = append(people, e.Subject.Pseudonym)
	}
	for _, actor := range e.Chain {
		people = append(people, actor.Pseudonym)
	}
	for _, p := range people {
		if _, ok := a.People[p]; ok || p == "" {
			continue
		}
		err := h.read(ctx, c, p, func(ctx context.Context, in audit.Intent) (err error) {
			a.People[p], err = h.who(ctx, in, p)
			return err
		})
		if err != nil {
			return err
		}
		if a.People[p] == (Known{}) {
			delete(a.People, p)
		}
	}
	if e.Sealed == "" {
		return nil
	}
	for _, id := range []string{e.ID, audit.LevelFull.Of(e.ID)} {
		if _, ok := a.Values[id]; ok || id != e.ID && e.Sealed != string(audit.LevelFull) {
			continue
		}
		err := h.read(ctx, c, id, func(ctx context.Context, in audit.Intent) error {
			v, err := h.Vault.Open(ctx, in, id)
			if err == nil {
				a.Values[id] = v.Value
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (h *AuditAPI) who(ctx context.Context, in audit.Intent, pseudonym string) (Known, error) {
	p, err := h.Vault.Who(ctx, in, pseudonym)
	if err != nil {
		return Known{}, err
	}
	name, err := h.Name(ctx, p)
	if errors.Is(err, login.ErrNotFound) {
		err = nil
	}
	return Known{p.Issuer, p.Subject, name}, err
}

// read is one reading of something clear, with its record. What was erased is an answer too.
func (h *AuditAPI) read(ctx context.Context, c token.Caller, about string, act func(context.Context, audit.Intent) error) error {
	info := request.From(ctx)
	_, err := h.Log.Do(ctx, audit.Record{Code: audit.ClearRead, Now: info.Now, Request: info.ID, Client: info.Client, Caller: c, Server: h.Server, About: about}, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		err := act(ctx, in)
		if errors.Is(err, audit.ErrErased) {
			return audit.Outcome{Result: "erased"}, nil
		}
		return audit.Outcome{}, err
	})
	return err
}
