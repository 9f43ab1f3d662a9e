package audit

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/doorward-mcp/doorward/audit/verify"
)

// waited is how long a key is waited for whose record is not in the log.
const waited = time.Minute

// Rotate makes a key that shall take over and gives the notice of it, which the caller appends as a record verify.KeyChange
// within less than a minute; then it calls Settle. Until that no tree larger than size, that of now, is signed. The error wraps
// ErrHandover while another key is being replaced.
func (k *Keyring) Rotate(ctx context.Context, now time.Time, size int64) (*verify.Note, error) {
	all, err := k.load(ctx)
	if err != nil {
		return nil, fmt.Errorf("replacing the key of the audit log: %w", err)
	}
	if all.Pending != nil || all.due() > 0 {
		return nil, ErrHandover
	}
	made, err := k.make()
	if err != nil {
		return nil, err
	}
	old := all.Keys[len(all.Keys)-1]
	signer, err := note.NewSigner(old.Signer)
	if err != nil {
		return nil, fmt.Errorf("replacing the key %s: %w", old.Verifier, err)
	}
	signed, err := note.Sign(&note.Note{Text: verify.Rotation(k.origin, made.Verifier)}, signer)
	if err != nil {
		return nil, fmt.Errorf("replacing the key %s: %w", old.Verifier, err)
	}
	all.Pending = &pending{key: made, Floor: size, Begun: now}
	if err := k.save(ctx, all); err != nil {
		return nil, fmt.Errorf("replacing the key %s: %w", old.Verifier, err)
	}
	return &verify.Note{Old: old.Verifier, New: made.Verifier, Signed: string(signed)}, nil
}

// Settle ends a replacement that Rotate began, here or in a process that is gone: if the record is in the log, the new key takes
// over after it; if it is not, and a minute has passed, everything stays as it was. Without a replacement it does nothing.
func (k *Keyring) Settle(ctx context.Context, log Leaves, now time.Time) error {
	all, err := k.load(ctx)
	if err != nil || all.Pending == nil {
		return err
	}
	index, found, err := findKey(ctx, log, all.Pending)
	if err != nil {
		return fmt.Errorf("looking for the record of the key %s: %w", all.Pending.Verifier, err)
	}
	if !found && now.Sub(all.Pending.Begun).Abs() < waited {
		return nil
	}
	if found {
		all.Keys[len(all.Keys)-1].Last = index + 1
		all.Keys = append(all.Keys, all.Pending.key)
	}
	all.Pending = nil
	return k.save(ctx, all)
}

// findKey looks for the record by which a key takes over.
func findKey(ctx context.Context, log Leaves, p *pending) (int64, bool, error) {
	for from := p.Floor; ; {
		some, err := log.Read(ctx, from, 1024)
		if err != nil || len(some) == 0 {
			return 0, false, err
		}
		for i, leaf := range some {
			e, err := verify.Decode(leaf)
			if err == nil && e.Code == verify.KeyChange && e.Notice != nil && e.Notice.New == p.Verifier {
				return from + int64(i), true, nil
			}
		}
		from += int64(len(some))
	}
}

// Published tells the size of a checkpoint that was published. A key is deleted when one is that it has not to sign: it could
// only forge.
func (k *Keyring) Published(ctx context.Context, size int64) error {
	all, err := k.load(ctx)
	if err != nil {
		return err
	}
	changed := false
	for i := range all.Keys {
		one := &all.Keys[i]
		if one.Last == 0 || size < one.Last {
			continue
		}
		if !one.Handed {
			one.Handed, changed = true, true
		}
		if size > one.Last && one.Signer != "" {
			one.Signer, changed = "", true
		}
	}
	if !changed {
		return nil
	}
	return k.save(ctx, all)
}
