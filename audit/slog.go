package audit

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/token"
)

// Slog is a Sink that hands each entry to h as one record, synchronously, and returns h's error. The record's time is
// the entry's, its level Info, its message the code.
func Slog(h slog.Handler) Sink {
	return func(ctx context.Context, e Entry) error {
		r := slog.NewRecord(e.Record.Now, slog.LevelInfo, string(e.Record.Code), 0)
		r.AddAttrs(attrs(e)...)
		if err := h.Handle(ctx, r); err != nil {
			return fmt.Errorf("writing record %s: %w", e.ID, err)
		}
		return nil
	}
}

func attrs(e Entry) []slog.Attr {
	a := make([]slog.Attr, 0, 24)
	add := func(name, value string) {
		if value != "" {
			a = append(a, slog.String(name, value))
		}
	}
	r, o := e.Record, e.Outcome
	add("id", e.ID)
	add("phase", string(e.Phase))
	add("request", r.Request)
	if r.Client.IsValid() {
		add("from", r.Client.String())
	}
	subject := r.Subject
	if r.Caller.Subject != "" {
		subject = r.Caller.Principal
	}
	if o.Subject.Subject != "" {
		subject = o.Subject
	}
	add("iss", subject.Issuer)
	add("sub", subject.Subject)
	add("client_id", first(o.Client, r.Caller.Client))
	add("grant", first(o.Grant, r.Caller.Grant))
	add("jti", first(o.Token, r.Caller.ID))
	add("scope", o.Scopes.String())
	add("actors", actors(o.Actors, r.Caller.Chain))
	add("task", task(o.Task, r.Caller.Task))
	add("about", r.About)
	add("server", r.Server)
	add("revision", string(r.Message.Revision))
	var ops []string
	for _, op := range r.Message.Operations {
		ops = append(ops, strings.TrimSpace(op.Method+" "+op.Name))
	}
	add("operations", strings.Join(ops, ", "))
	add("verdict", r.Verdict)
	add("rules", strings.Join(r.Rules, ", "))
	add("bundle", r.Bundle)
	add("obligations", strings.Join(r.Obligations, ", "))
	add("detail", r.Level) // slog has a level of its own
	add("shadow", shadows(r.Shadow))
	add("result", o.Result)
	add("reason", first(o.Reason, r.Reason))
	if e.Count > 1 {
		a = append(a, slog.Int("count", e.Count))
	}
	if r.Now.IsZero() { // slog leaves out a zero time; a record without one is a fault that must be seen
		add("time", time.Time{}.String())
	}
	return a
}

func shadows(all []Shadow) string {
	texts := make([]string, len(all))
	for i, s := range all {
		texts[i] = s.String()
	}
	return strings.Join(texts, "; ")
}

// actors is a chain in words, the current actor first, each with how it is known.
func actors(all ...[]token.Actor) string {
	for _, chain := range all {
		var names []string
		for _, a := range chain {
			names = append(names, a.Subject+" ("+a.How+")")
		}
		if len(names) > 0 {
			return strings.Join(names, " < ")
		}
	}
	return ""
}

func task(all ...*token.Task) string {
	for _, t := range all {
		if t != nil {
			return t.ID
		}
	}
	return ""
}

func first(all ...string) string {
	for _, s := range all {
		if s != "" {
			return s
		}
	}
	return ""
}
