package doorward

import (
	"context"
	"net/http"

	"github.com/doorward-mcp/doorward/admin"
	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/audit/export"
	"github.com/doorward-mcp/doorward/audit/verify"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/store"
	"github.com/doorward-mcp/doorward/token"
)

// auditLog is the audit log as it is read; nil where the program around keeps the records.
func (g *generation) auditLog() *admin.AuditLog {
	t := g.trail
	if t == nil {
		return nil
	}
	return &admin.AuditLog{Find: t.index.Find, Reset: t.index.Reset, Leaves: t.leaves, Checkpoints: t.checkpoints, Verifiers: t.keys.Verifiers,
		RotateKey: t.journal.RotateKey, Now: g.e.Now,
		Prove: func(ctx context.Context, index int64) ([]byte, error) {
			checkpoint, err := t.checkpoints.Latest(ctx)
			if err != nil {
				return nil, err
			}
			return export.Proof(ctx, t.leaves, checkpoint, index)
		},
		Holds: admin.Holds{List: g.holds, Add: g.hold, Release: g.release}}
}

func (g *generation) holds(ctx context.Context) ([]admin.Hold, error) {
	kept, err := g.db.Holds(ctx)
	all := make([]admin.Hold, len(kept))
	for i, h := range kept {
		all[i] = admin.Hold{Name: h.Name, Span: h.Span, Reason: h.Reason, Since: h.Since}
	}
	return all, err
}

// hold keeps records from being deleted. It holds before the log says so: what fails in between keeps too much.
func (g *generation) hold(ctx context.Context, h admin.Hold) error {
	_, err := g.log.Do(ctx, audit.Record{Code: audit.HoldMade, Now: g.e.Now(), About: h.Name}, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		if err := g.db.Hold(ctx, in, store.Hold{Name: h.Name, Span: h.Span, Reason: h.Reason}); err != nil {
			return audit.Outcome{}, err
		}
		_, err := g.trail.journal.Notice(ctx, verify.Held, h.Name, h.Reason, &verify.Note{From: h.From, To: h.To})
		return audit.Outcome{}, err
	})
	return err
}

// release ends a hold. The log says so before it ends.
func (g *generation) release(ctx context.Context, name string) error {
	all, err := g.db.Holds(ctx)
	if err != nil {
		return err
	}
	for _, h := range all {
		if h.Name != name {
			continue
		}
		_, err := g.log.Do(ctx, audit.Record{Code: audit.HoldEnded, Now: g.e.Now(), About: name}, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
			if _, err := g.trail.journal.Notice(ctx, verify.Released, name, "", &verify.Note{From: h.Span.From, To: h.Span.To}); err != nil {
				return audit.Outcome{}, err
			}
			return audit.Outcome{}, g.db.Release(ctx, in, name)
		})
		return err
	}
	return store.ErrNoHold
}

// auditDoor lets in who has a token for the audit log, which is good for nothing else.
func (g *generation) auditDoor() (*guard.Guard, error) {
	resource := admin.AuditResource(g.c.PublicURL)
	return guard.New(guard.Config{Resource: resource, Servers: []string{g.c.PublicURL}, Issuers: []token.Issuer{{URL: g.c.PublicURL, Keys: token.Own(g.as.Ring), Audiences: []string{resource.URI}, Groups: true}},
		Revocations: g.db.Revocations(), Log: g.log, Slog: g.e.Slog, DPoP: guard.DPoP{Once: g.db.Once, Nonces: g.nonces}, Now: g.e.Now})
}

// auditAPI serves the audit log to auditors.
func (g *generation) auditAPI(door *guard.Guard) http.Handler {
	api := &admin.AuditAPI{AuditLog: g.admin.Audit, Vault: g.db.Vault(), Name: g.db.Login().People.Name, Pseudonym: g.pseudonym, Log: g.log, Issuer: g.c.PublicURL, Server: admin.AuditResource(g.c.PublicURL).URI}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := door.Caller(r)
		if err == nil {
			err = api.Serve(w, r, c)
		}
		if err != nil {
			door.Refuse(w, r, err)
		}
	})
}

// pseudonym is how the log knows a person of ours.
func (g *generation) pseudonym(ctx context.Context, name string) (string, error) {
	p, err := g.db.Login().People.Person(ctx, g.e.Now(), name)
	if err != nil {
		return "", err
	}
	return g.db.Vault().Pseudonym(ctx, p.Principal)
}

// auditResources are the audit log as our own authorization server issues tokens for it.
func (g *generation) auditResources() []oauth.Resource {
	if g.trail == nil {
		return nil
	}
	return []oauth.Resource{admin.AuditResource(g.c.PublicURL)}
}
