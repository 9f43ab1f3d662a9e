package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/audit/verify"
)

// How often a checkpoint is signed, and how often a quiet log says that it is alive.
const (
	busy  = 250 * time.Millisecond
	quiet = time.Minute
)

// mind lets nobody wait for a commit that takes too long. It asks nothing of the store, which may be what does not answer: the signer waits
// for it as the writer does.
func (j *Journal) mind(ctx context.Context) {
	tick := time.NewTicker(busy)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			j.line.watch(j.c.Now().Add(-late))
		}
	}
}

// sign is the signer's goroutine: while records come it signs the tree, and a minute without any is a record too, so that
// silence is attested like everything else.
func (j *Journal) sign(ctx context.Context) {
	tick := time.NewTicker(busy)
	defer tick.Stop()
	var signed, durable int64
	last := j.c.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := j.c.Now()
		if d := j.durable.Load(); d != durable {
			durable, last = d, now
		} else if now.Sub(last) >= quiet {
			last = now
			if _, err := j.Notice(ctx, verify.Alive, "", "", nil); err != nil {
				j.c.Slog.WarnContext(ctx, "the audit log cannot say that it is alive", "error", err)
			}
			continue
		}
		if signed == durable {
			continue
		}
		if err := j.Checkpoint(ctx); err != nil {
			if errors.Is(err, ErrHandover) {
				continue
			}
			j.c.Slog.WarnContext(ctx, "the audit log cannot be signed", "error", err)
			continue
		}
		signed = durable
	}
}

// Checkpoint signs the tree as it is, and notes how far this process has come. While a key is being replaced, the tree that both
// sign comes first.
func (j *Journal) Checkpoint(ctx context.Context) error {
	j.signing.Lock()
	defer j.signing.Unlock()
	size, err := j.c.Leaves.Size(ctx) // before the keys are asked: Keyring.Signers
	if err != nil || size == 0 {
		return err
	}
	if err := j.c.Keys.Settle(ctx, j.c.Leaves, j.c.Now()); err != nil {
		return err
	}
	due, err := j.c.Keys.Due(ctx)
	if err != nil {
		return err
	}
	if due > 0 {
		if err := j.publish(ctx, due); err != nil {
			return err
		}
	}
	if err := j.publish(ctx, size); err != nil {
		return err
	}
	return j.c.Checkpoints.Mark(ctx, Mark{Node: j.c.Node, Boot: j.boot, Floor: j.floor.Load(), Seen: j.c.Now()})
}

func (j *Journal) publish(ctx context.Context, size int64) error {
	signers, err := j.c.Keys.Signers(ctx, size)
	if err != nil {
		return err
	}
	root, err := tlog.TreeHash(size, j.c.Leaves.Hashes(ctx))
	if err != nil {
		return fmt.Errorf("computing the tree of %d records: %w", size, err)
	}
	// C2SP tlog-checkpoint: origin, size and root, a line each, as the text of a signed note.
	signed, err := note.Sign(&note.Note{Text: fmt.Sprintf("%s\n%d\n%s\n", j.c.Origin, size, root)}, signers...)
	if err != nil {
		return fmt.Errorf("signing the tree of %d records: %w", size, err)
	}
	if err := j.c.Checkpoints.Publish(ctx, size, signed); err != nil {
		return fmt.Errorf("publishing the tree of %d records: %w", size, err)
	}
	return j.c.Keys.Published(ctx, size)
}

// RotateKey lets another key sign from now on. The old one signs the record that says so, and the tree that ends with it.
func (j *Journal) RotateKey(ctx context.Context) error {
	size, err := j.c.Leaves.Size(ctx)
	if err != nil {
		return err
	}
	n, err := j.c.Keys.Rotate(ctx, j.c.Now(), size)
	if err != nil {
		return err
	}
	if _, err := j.Notice(ctx, verify.KeyChange, "", "", n); err != nil {
		return err
	}
	return j.Checkpoint(ctx)
}
