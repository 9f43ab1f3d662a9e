package verify

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// signed is a checkpoint of the log, or one that somebody else has kept.
type signed struct {
	Checkpoint
	file   string
	offset int64
	note   []byte

	agrees bool      // its root is the one of the records
	first  int64     // where it is not: the first record that may be to blame; -1: nobody knows
	now    time.Time // of the last record of its tree
}

// given is the name of the checkpoint that is not of the directory.
const given = "the checkpoint that was given"

// readCheckpoints collects every tree that was signed, in the order of their sizes.
func (c *check) readCheckpoints() error {
	newest, err := fs.ReadFile(c.dir, "checkpoint")
	switch {
	case err == nil:
		c.addCheckpoint(newest, "checkpoint", 0)
	case errors.Is(err, fs.ErrNotExist):
		c.wrong(Finding{Index: -1, File: "checkpoint", What: "the newest checkpoint is missing: nothing says how long the log was", Do: restore})
	default:
		return fmt.Errorf("reading the checkpoint: %w", err)
	}
	if one, err := fs.ReadFile(c.dir, "witnessed"); err == nil {
		c.addCheckpoint(one, "witnessed", 0)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading the witnessed checkpoint: %w", err)
	}
	earlier, err := fs.ReadFile(c.dir, "checkpoints.log")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading the earlier checkpoints: %w", err)
	}
	for rest := earlier; len(rest) > 0; {
		at := int64(len(earlier) - len(rest))
		one, next, err := Frame(rest)
		if err != nil {
			c.warnOrWrong(rest, at)
			break
		}
		c.addCheckpoint(one, "checkpoints.log", at)
		rest = next
	}
	if c.o.Checkpoint != nil {
		if _, err := ParseCheckpoint(c.o.Checkpoint); err != nil {
			return fmt.Errorf("reading %s: %w", given, err)
		}
		c.addCheckpoint(c.o.Checkpoint, given, 0)
	}
	slices.SortStableFunc(c.checkpoints, func(a, b *signed) int { return int(min(max(a.Size-b.Size, -1), 1)) })
	return nil
}

// warnOrWrong judges the rest of checkpoints.log that is no whole frame. One that is too short was cut by a crash.
func (c *check) warnOrWrong(rest []byte, at int64) {
	f := Finding{Index: -1, File: "checkpoints.log", Offset: at, What: "what stands there is no whole checkpoint", Do: restore}
	if len(rest) < FrameHead || int(binary.BigEndian.Uint32(rest)) > len(rest)-FrameHead {
		f.What, f.Do = "the file ends with a checkpoint that is not whole", "nothing: it is an earlier one, and later ones sign its records too"
		c.warn(f)
		return
	}
	c.wrong(f)
}

func (c *check) addCheckpoint(note []byte, file string, at int64) {
	p, err := ParseCheckpoint(note)
	if err != nil {
		c.wrong(Finding{Index: -1, File: file, Offset: at, What: "what stands there is not a checkpoint", Do: restore})
		return
	}
	if c.order.origin == "" {
		c.order.origin, c.report.Origin = p.Origin, p.Origin
	}
	if p.Origin != c.order.origin {
		c.wrong(Finding{Index: -1, File: file, Offset: at, What: fmt.Sprintf("it is a checkpoint of %s, not of %s", p.Origin, c.order.origin), Do: restore})
		return
	}
	c.checkpoints = append(c.checkpoints, &signed{Checkpoint: p, file: file, offset: at, note: note})
}

// unsigned is whether no checkpoint speaks of a record.
func (c *check) unsigned(index int64) bool {
	return len(c.checkpoints) == 0 || c.checkpoints[len(c.checkpoints)-1].Size <= index
}

// settleAll compares the trees with the checkpoints of their size.
func (c *check) settleAll() {
	for c.settled < len(c.checkpoints) && c.checkpoints[c.settled].Size == c.bodies.size {
		c.settle(c.checkpoints[c.settled])
		c.settled++
	}
}

// settle compares a root. Where the records' bytes and hashes.dat differ, it tells which of them is what was signed.
func (c *check) settle(s *signed) {
	s.now = c.last
	bodies, hashes := s.Root == c.bodies.root(), s.Root == c.hashes.root()
	s.agrees = bodies || hashes
	if !s.agrees {
		switch s.first = c.good; {
		case len(c.suspects) > 0:
			s.first = c.suspects[0].index
		case s.file == given || c.good == s.Size: // what agrees was signed over the other history
			s.first = -1
		}
		return
	}
	for _, at := range c.suspects {
		if bodies {
			c.warn(Finding{at.index, "hashes.dat", tlog.StoredHashIndex(0, at.index) * tlog.HashSize,
				"the hash of this record is not the one of its bytes, which are as they were signed", "nothing is lost: doorward audit repair derives it anew"})
		} else {
			c.wrong(Finding{at.index, at.file, at.offset, fmt.Sprintf("the record was altered: its bytes are not what the tree of %d records was signed over", s.Size), restore})
		}
	}
	if bodies {
		c.hashes = c.bodies.clone()
	} else {
		c.bodies = c.hashes.clone()
	}
	c.suspects, c.good = nil, s.Size
}
