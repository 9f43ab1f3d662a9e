package doorward

import (
	"context"
	"errors"
	"fmt"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/audit/verify"
	"github.com/doorward-mcp/doorward/store"
)

// A database that was restored from a copy is older than the log beside it: people who were erased are in it, and tokens that were
// taken back are good. So the database keeps up to which record it has what the log says, and what follows is done again before anything is
// served. Where the database keeps the log itself, both are restored together, which a witness finds.

// started is the cursor up to which the database has seen processes begin.
const started = "started"

// replay is what a log says was taken away.
type replay struct {
	store.TakenBack
	erased []string // pseudonyms
	later  bool     // a process has begun that the database knows nothing of: it is an older copy
}

// catchUp does again what the log says and the database does not know. before is the size of the log before this process began to write.
func (g *ground) catchUp(ctx context.Context, before int64) error {
	cursors := g.db.Cursors()
	applied, err := cursors.LoadCursor(ctx, store.Applied)
	if err != nil {
		return err
	}
	seen, err := cursors.LoadCursor(ctx, started)
	if err != nil {
		return err
	}
	if known := max(applied, seen); known > before {
		return fmt.Errorf("%w: the database has seen %d records, and the log has %d: the log was replaced by an older copy. Put the right one back, or let `doorward audit repair` say that records are missing",
			audit.ErrDamaged, known, before)
	}
	found, err := g.taken(ctx, applied, before, seen)
	if err != nil {
		return fmt.Errorf("reading what the log says from record %d on: %w", applied, err)
	}
	if err := g.doAgain(ctx, found, applied, before); err != nil {
		return fmt.Errorf("doing again what the log says from record %d on: %w", applied, err)
	}
	size, err := g.trail.leaves.Size(ctx)
	if err != nil {
		return err
	}
	if err := cursors.SaveCursor(ctx, started, size); err != nil {
		return err
	}
	return cursors.SaveCursor(ctx, store.Applied, before)
}

// taken reads what was taken away.
func (g *ground) taken(ctx context.Context, from, to, seen int64) (r replay, err error) {
	for from < to {
		leaves, err := g.trail.leaves.Read(ctx, from, int(min(to-from, 1000)))
		if err != nil {
			return r, err
		}
		if len(leaves) == 0 {
			return r, nil
		}
		for i, b := range leaves {
			if b == nil { // retention has deleted what it was
				continue
			}
			e, err := verify.Decode(b)
			if err != nil {
				return r, fmt.Errorf("record %d: %w", from+int64(i), err)
			}
			r.add(&e, from+int64(i), seen)
		}
		from += int64(len(leaves))
	}
	r.Sessions = r.later
	return r, nil
}

func (r *replay) add(e *verify.Entry, index, seen int64) {
	switch {
	case e.Code == verify.Started && index >= seen && seen > 0:
		r.later = true
	case e.Phase != verify.Outcome || e.Result != "done":
	case e.Code == string(audit.GrantRevoked) && len(e.Tokens) > 0:
		r.Tokens = append(r.Tokens, e.Tokens[0].ID)
	case e.Code == string(audit.GrantRevoked) && e.Grant != "":
		r.Grants = append(r.Grants, e.Grant)
	case e.Code == string(audit.ClientRemoved) && e.Client != "":
		r.Clients = append(r.Clients, e.Client)
	}
	if e.Code == string(audit.PersonErased) && e.Phase == verify.Intent && e.About != "" { // it happens always
		r.erased = append(r.erased, e.About)
	}
}

// doAgain does it, under a record of its own.
func (g *ground) doAgain(ctx context.Context, r replay, from, to int64) error {
	if len(r.erased)+len(r.Grants)+len(r.Tokens)+len(r.Clients) == 0 && !r.Sessions {
		return nil
	}
	_, err := g.log.Do(ctx, audit.Record{Code: audit.Restored, Now: g.e.Now(), About: fmt.Sprintf("records %d-%d", from, to)}, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		if err := g.eraseAgain(ctx, in, r.erased); err != nil {
			return audit.Outcome{}, err
		}
		return audit.Outcome{}, g.db.TakeBack(ctx, in, r.TakenBack)
	})
	if err == nil && r.later {
		g.e.Slog.WarnContext(ctx, "the database is older than the audit log: what was taken back and erased since has been done again, and everybody is signed out. Groups of people that were changed since are as they were",
			"from_record", from, "to_record", to, "erased", len(r.erased), "grants", len(r.Grants), "clients", len(r.Clients))
	}
	return err
}

// eraseAgain erases whom the database has and the log says are gone. The account goes first, and whose it is last: what a crash leaves
// half done is found again.
func (g *ground) eraseAgain(ctx context.Context, in audit.Intent, pseudonyms []string) error {
	for _, one := range pseudonyms {
		p, err := g.db.Vault().Who(ctx, in, one)
		if errors.Is(err, audit.ErrErased) {
			continue
		}
		if err != nil {
			return err
		}
		if err := g.db.Login().People.Erase(ctx, in, p); err != nil {
			return err
		}
		if _, err := g.db.Vault().Erase(ctx, in, p); err != nil {
			return err
		}
	}
	return nil
}

// applied keeps up to which record the database has what the log says: every act before the first that is open.
func (g *ground) applied(ctx context.Context) error {
	return g.db.Cursors().SaveCursor(ctx, store.Applied, g.trail.journal.Floor())
}
