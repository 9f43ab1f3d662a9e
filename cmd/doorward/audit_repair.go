package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/audit/verify"
	"github.com/doorward-mcp/doorward/seal"
	"github.com/doorward-mcp/doorward/store"
)

// auditRepairCmd makes a damaged log openable.
type auditRepairCmd struct {
	Data     string `required:"" placeholder:"DIR" help:"Data directory of a server that does not run."`
	Database string `placeholder:"ADDRESS" help:"sqlite:PATH, where the configuration names one that is not in the data directory."`
}

// repaired is what was done. Gap is the index of the notice; -1: nothing was wrong.
type repaired struct {
	Gap   int64    `json:"gap"`
	From  int64    `json:"from"`
	To    int64    `json:"to"`
	Aside []string `json:"aside,omitempty"`
}

// Run repairs the log, and has it say that it was repaired: nothing that was lost is hidden.
func (c *auditRepairCmd) Run(ctx context.Context, s streams) error {
	dir := filepath.Join(c.Data, "audit")
	if !exists(filepath.Join(c.Data, marker)) || !exists(dir) {
		return usage("there is no audit log in %s; one in PostgreSQL is repaired as the database is", dir)
	}
	release, err := openData(c.Data)
	if err != nil {
		return err
	}
	done, err := c.repair(ctx, s, dir)
	if err = errors.Join(err, release()); err != nil {
		return failed{exitNo, err}
	}
	if s.json {
		return printJSON(s.out, done)
	}
	if done.Gap < 0 {
		_, err = fmt.Fprintln(s.out, "Nothing was wrong, and nothing was done.")
		return err
	}
	text := "Record %d says that records %d to %d are missing or not what they were.\n"
	if len(done.Aside) > 0 {
		text += "What did not fit is kept beside the log: " + strings.Join(done.Aside, ", ") + ".\n"
	}
	_, err = fmt.Fprintf(s.out, text+"Whoever verifies the log is told, and accepts it with --gap %[1]d. Witnesses will not sign it any more: they need to be told too.\n", done.Gap, done.From, done.To-1)
	return err
}

// repair opens everything as the server does, only as far as the notice needs.
func (c *auditRepairCmd) repair(ctx context.Context, s streams, dir string) (done repaired, err error) {
	address := c.Database
	if address == "" {
		address = "sqlite:" + filepath.Join(c.Data, "doorward.db")
	}
	path, ok := strings.CutPrefix(address, "sqlite:")
	if !ok || !exists(path) {
		return done, fmt.Errorf("there is no database at %s: --database sqlite:PATH says where it is", address)
	}
	box, err := seal.OpenKeyFile(filepath.Join(c.Data, "key"))
	if err != nil {
		return done, err
	}
	db, err := store.OpenAlone(ctx, address, box)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	origin, err := logName(ctx, db)
	if err != nil {
		return done, err
	}
	gap, aside, err := audit.RepairSegments(dir, time.Now)
	if err != nil {
		return done, err
	}
	done = repaired{Gap: -1, From: gap.From, To: gap.To, Aside: aside}
	applied, err := db.Cursors().LoadCursor(ctx, store.Applied)
	if err != nil {
		return done, err
	}
	return done, c.tell(ctx, s, dir, origin, db, box, applied, &done)
}

// logName is the name of the log, which hangs on the public address.
func logName(ctx context.Context, db *store.DB) (string, error) {
	address, err := db.Setting(ctx, "public_url")
	if err != nil {
		return "", fmt.Errorf("reading the public address: %w", err)
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	return u.Host + "/audit", nil
}

// tell writes the notice.
func (c *auditRepairCmd) tell(ctx context.Context, s streams, dir, origin string, db *store.DB, box *seal.Box, applied int64, done *repaired) (err error) {
	kept, err := audit.OpenSegments(dir, time.Now, audit.SegmentOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kept.Close()) }()
	size, err := kept.Size(ctx)
	if err != nil {
		return err
	}
	if applied > size { // whole, perhaps, and older than the database
		if done.To == 0 {
			done.From = size
		}
		done.To = max(done.To, applied)
	}
	if done.To <= done.From {
		return nil
	}
	// They say up to where every act has its outcome, of which some are gone.
	if err := os.Remove(filepath.Join(dir, "marks.json")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	keys, err := audit.OpenKeyring(ctx, kept, origin, box)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(s.err, nil))
	journal, err := audit.OpenJournal(ctx, audit.JournalConfig{Origin: origin, Node: repairer(), Leaves: kept, Checkpoints: kept, Vault: db.Vault(), Keys: keys, Now: time.Now, Slog: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, journal.Close()) }()
	if done.Gap, err = journal.Notice(ctx, verify.Gap, "", "repaired", &verify.Note{From: done.From, To: done.To}); err != nil {
		return err
	}
	// Other records come where these readers have been, and the database does not wait for any that are gone.
	return db.Cursors().ResetCursors(ctx, size)
}

// repairer is the node that writes the notice: no process of a server's, whose open acts are its own to close.
func repairer() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		name = rand.Text()[:8]
	}
	return "repair@" + name
}
