package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/doorward-mcp/doorward/oauth"
)

// Value is what the vault keeps for one call at LevelArgs, and of its answer at LevelFull: enough to ask the policy again.
type Value struct {
	Address string         `json:"address,omitempty"` // of the client
	Known   Known          `json:"known,omitzero"`
	Scopes  oauth.Scopes   `json:"scopes,omitempty"`
	Calls   []clearCall    `json:"calls,omitempty"`
	Answer  jsontext.Value `json:"answer,omitempty"`
}

// clearCall is one operation with what it was about.
type clearCall struct {
	Method string         `json:"method"`
	Name   string         `json:"name,omitempty"`
	Args   jsontext.Value `json:"args,omitempty"` // what is secret in it is gone
}

// Of is the name under which the vault keeps what a level adds for a record: the call at LevelArgs, its answer at LevelFull.
func (l Level) Of(record string) string {
	if l == LevelFull {
		return record + ".answer"
	}
	return record
}

// seal keeps the clear values of a record whose level asks for it.
func (j *Journal) seal(ctx context.Context, h *handed) error {
	r, o := &h.e.Record, &h.e.Outcome
	if !h.e.Level.atLeast(LevelArgs) || h.known.subject.Pseudonym == "" {
		return nil
	}
	c := Clear{Record: h.e.ID, Pseudonym: h.known.subject.Pseudonym}
	v := Value{}
	switch {
	case h.e.Phase == PhaseOutcome && len(o.Answer) > 0 && h.e.Level.atLeast(LevelFull):
		c.Record, v.Answer = LevelFull.Of(h.e.ID), bare(o.Answer, nil)
	case h.e.Phase != PhaseOutcome && len(r.Message.Operations) > 0:
		v.Known.Groups, v.Scopes = r.Caller.Groups, r.Caller.Scopes
		if r.Known != nil {
			v.Known = r.Known()
		}
		if r.Client.IsValid() {
			v.Address = r.Client.String()
		}
		for _, op := range r.Message.Operations {
			v.Calls = append(v.Calls, clearCall{op.Method, op.Name, bare(op.Args, r.Secrets)})
		}
	default:
		return nil
	}
	var err error
	if c.Value, err = json.Marshal(v); err != nil {
		return fmt.Errorf("sealing the arguments of record %s: %w", h.e.ID, err)
	}
	if err := j.c.Vault.Keep(ctx, []Clear{c}); err != nil {
		return fmt.Errorf("sealing the arguments of record %s: %w", h.e.ID, err)
	}
	return nil
}

// bare is a JSON value without what is secret in it. What is no JSON is nothing.
func bare(value jsontext.Value, pointers []string) jsontext.Value {
	if len(value) == 0 {
		return nil
	}
	var out bytes.Buffer
	d, e := jsontext.NewDecoder(bytes.NewReader(value)), jsontext.NewEncoder(&out)
	for {
		kind := d.PeekKind()
		container, n := d.StackIndex(d.StackDepth())
		isName := container == '{' && n%2 == 0
		if kind == '{' || kind == '[' || kind == '}' || kind == ']' || isName {
			t, err := d.ReadToken()
			if err != nil || e.WriteToken(t) != nil {
				return nil
			}
			continue
		}
		v, err := d.ReadValue()
		if errors.Is(err, io.EOF) {
			return bytes.TrimSpace(out.Bytes())
		}
		if err != nil {
			return nil
		}
		if secretAt(string(d.StackPointer()), pointers) {
			v = jsontext.Value(`"[secret]"`)
		}
		if e.WriteValue(v) != nil {
			return nil
		}
	}
}
