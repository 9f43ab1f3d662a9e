package doorward

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/store"
)

// trail is the audit log of an installation. It is nil where the program around keeps the records.
type trail struct {
	origin      string
	leaves      audit.Leaves
	checkpoints audit.Checkpoints
	witnessed   witnessed
	keys        *audit.Keyring
	journal     *audit.Journal
	index       *store.Index
	before      int64 // records that were there when this process began
}

// witnessed keeps what a quorum of witnesses has signed.
type witnessed interface {
	Witnessed(ctx context.Context) ([]byte, error)
	KeepWitnessed(ctx context.Context, size int64, checkpoint []byte) error
}

// openTrail opens the log: files beside an SQLite database, tables where the database is PostgreSQL.
func (g *ground) openTrail(ctx context.Context, c config.Config) (*trail, error) {
	u, err := url.Parse(c.PublicURL)
	if err != nil {
		return nil, err
	}
	t := &trail{origin: u.Host + "/audit"}
	dir := filepath.Join(c.Data, "audit")
	var sealed audit.Sealed
	if s := g.db.Sequencer(); s != nil {
		if err := s.Check(ctx); err != nil {
			return nil, err
		}
		t.leaves, t.checkpoints, t.witnessed, sealed = s, s, s, s
	} else {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("making the directory of the audit log: %w", err)
		}
		s, err := audit.OpenSegments(dir, g.e.Now, audit.SegmentOptions{})
		if err != nil {
			return nil, err
		}
		g.closing = append(g.closing, s.Close)
		t.leaves, t.checkpoints, t.witnessed, sealed = s, s, s, s
	}
	if t.keys, err = audit.OpenKeyring(ctx, sealed, t.origin, g.e.Box); err != nil {
		return nil, err
	}
	if t.index, err = g.db.Index(ctx, filepath.Join(dir, "index.db"), t.leaves); err != nil {
		return nil, err
	}
	g.closing = append(g.closing, t.index.Close)
	if t.before, err = t.leaves.Size(ctx); err != nil {
		return nil, err
	}
	t.journal, err = audit.OpenJournal(ctx, audit.JournalConfig{Origin: t.origin, Node: node(c), Leaves: t.leaves, Checkpoints: t.checkpoints, Vault: g.db.Vault(), Keys: t.keys, Now: g.e.Now, Slog: g.e.Slog})
	if err != nil {
		return nil, err
	}
	g.closing = append(g.closing, t.journal.Close)
	return t, nil
}

// node is the name of this process's place.
func node(c config.Config) string {
	if c.Audit.Node != "" {
		return c.Audit.Node
	}
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "node"
	}
	return name
}

// openLog opens what every act goes through. Where the program around keeps the records, it keeps them.
func (g *ground) openLog(ctx context.Context, c config.Config, server func(resource string) string) error {
	sink := g.e.Audit
	if sink == nil {
		var err error
		if g.trail, err = g.openTrail(ctx, c); err != nil {
			return err
		}
		if g.told, err = g.openTold(ctx, c); err != nil {
			return err
		}
		sink = g.sink(c)
	}
	g.log = audit.New(g.metrics.sink(sink, g.e.Now, server))
	g.closing = append(g.closing, g.log.Close)
	if g.trail == nil || g.db.Sequencer() != nil {
		return nil
	}
	return g.catchUp(ctx, g.trail.before)
}

// follow lets the index follow the log, until ctx ends. It is never on the path of a request.
func (t *trail) follow(ctx context.Context, failed func(error)) {
	every(ctx, time.Second, func() {
		for {
			n, err := t.index.Follow(ctx)
			if err != nil {
				if ctx.Err() == nil && !errors.Is(err, context.Canceled) {
					failed(fmt.Errorf("indexing the audit log: %w", err))
				}
				return
			}
			if n == 0 {
				return
			}
		}
	})
}

// retain deletes what is older than the configuration keeps.
func (g *ground) retain(ctx context.Context, c config.Audit) error {
	now := g.e.Now()
	if values := max(c.Values, 0); values > 0 || c.Retention > 0 {
		if values == 0 {
			values = c.Retention
		}
		if err := g.db.Vault().SweepValues(ctx, now.Add(-values)); err != nil {
			return fmt.Errorf("deleting clear values of the audit log: %w", err)
		}
	}
	if c.Retention == 0 {
		return nil
	}
	held, err := g.db.Holds(ctx)
	if err != nil {
		return fmt.Errorf("reading what may not be deleted: %w", err)
	}
	spans := make([]audit.Span, len(held))
	for i, h := range held {
		spans[i] = h.Span
	}
	n, err := g.trail.journal.Retain(ctx, now.Add(-c.Retention), spans)
	if err != nil {
		return fmt.Errorf("deleting old records: %w", err)
	}
	if n > 0 {
		if err := g.trail.index.Forget(ctx); err != nil {
			return fmt.Errorf("deleting old records from the index: %w", err)
		}
		g.e.Slog.InfoContext(ctx, "old records of the audit log were deleted; their hashes stay", "records", n)
	}
	return nil
}
