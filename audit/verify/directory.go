package verify

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// Options say what is trusted. The zero Options trust nothing: the log is held against itself alone.
type Options struct {
	Keys       []string      // verifier keys of the log that whoever verifies has pinned: the first one, or any later one
	Witnesses  *Policy       // nil: cosignatures are not looked at
	Checkpoint []byte        // one that somebody else has kept, of an earlier or a later tree; nil: none
	Bundles    []string      // digests of the policy bundles that may have decided; empty: any
	Gaps       []int64       // indexes of the log.gap notices that are known and accepted
	Unwitness  time.Duration // how much may follow the newest tree with a quorum; 0: 15 minutes

	Progress func(records int64) // called now and then; nil: nobody
}

// Report is what was found. The log is sound if it has no findings.
type Report struct {
	Origin    string
	Size      int64 // records, with those whose bodies are gone
	Deleted   int64 // of them, the first ones, whose bodies retention has deleted
	Boots     int   // processes that have written
	Open      int   // intents without an outcome, of processes that may be at work
	Orphans   int   // outcomes whose intents are among what is gone
	Dropped   int64 // lists and refusals that the log says it has not kept
	Attested  int64 // records under a signature of a key that is trusted
	Witnessed int64 // records under a quorum of witnesses
	Pinned    bool  // whether a key that was pinned is the log's
	Keys      []string
	Findings  []Finding // what is wrong
	Warnings  []Finding // what should be known and alters nothing
	More      int       // findings and warnings that are not listed
}

// Finding is one thing that is wrong. Index is of the first record that it is about, -1 if it is about none.
type Finding struct {
	Index  int64
	File   string
	Offset int64 // in bytes, of the record; 0 where none is meant
	What   string
	Do     string // what to do about it
}

// Bounds of a report.
const (
	maxFindings = 100
	steps       = 1 << 16 // records from one call of Progress to the next
)

// Directory verifies a log. Its error is of reading the files; what is wrong with the log stands in the report.
func Directory(dir fs.FS, o Options) (Report, error) {
	c := &check{o: o, dir: dir, order: newOrder()}
	c.order.wrong, c.order.warn = c.wrong, c.warn
	if err := c.readCheckpoints(); err != nil {
		return Report{}, err
	}
	file, err := dir.Open("hashes.dat")
	switch {
	case err == nil:
		defer func() { _ = file.Close() }()
		c.stored.r = bufio.NewReaderSize(file, 1<<15)
	case errors.Is(err, fs.ErrNotExist):
		c.short = true
		c.warn(Finding{Index: -1, File: "hashes.dat", What: "the file is missing", Do: "it is derived from the segments: doorward audit repair writes it anew"})
	default:
		return Report{}, fmt.Errorf("reading the hashes: %w", err)
	}
	c.settleAll() // of the tree without records
	if err := read(dir, c.record); err != nil {
		return Report{}, err
	}
	c.end()
	return c.report, nil
}

// check is one verification under way.
type check struct {
	o      Options
	dir    fs.FS
	report Report
	order  *order
	stored stored

	// The tree by the records' bytes, and the tree by the leaves of hashes.dat. Where a body is missing, both take the leaf that there is.
	bodies, hashes tree
	buf            [2][]tlog.Hash
	suspects       []suspect // records since the last checkpoint at which the two differ
	inner          bool      // a stored hash above the leaves was wrong: it was said
	short          bool      // hashes.dat is too short or missing: it was said
	lost           bool      // neither a body nor a hash: no later tree can be computed
	cut            bool      // the torn tail was reached: nothing follows
	framing        bool      // the last thing was a rest of a segment that cannot be read

	checkpoints []*signed // by size
	settled     int       // how many of them were compared
	good        int64     // size of the last one that agrees
	last        time.Time // of the last record
}

// suspect is a record whose bytes have another hash than hashes.dat.
type suspect struct {
	index  int64
	file   string
	offset int64
}

func (c *check) wrong(f Finding) { c.list(&c.report.Findings, f) }
func (c *check) warn(f Finding)  { c.list(&c.report.Warnings, f) }

func (c *check) list(to *[]Finding, f Finding) {
	if len(*to) == maxFindings {
		c.report.More++
		return
	}
	*to = append(*to, f)
}

const (
	restore = "put back the file from a copy, or export the log anew, and verify again; keep this one as evidence"
	repair  = "doorward audit repair accepts the loss openly, by a log.gap notice"
)

// record takes the next record, or a hole in their place.
func (c *check) record(r *record) {
	if c.cut {
		return
	}
	if r.err == nil || r.leaf != (tlog.Hash{}) {
		c.whole(r)
		return
	}
	c.hole(r)
}

func (c *check) whole(r *record) {
	c.framing = false
	if !c.grow(&r.leaf, r) {
		return
	}
	if r.err != nil {
		c.wrong(Finding{r.index, r.file, r.offset, r.err.Error(), "it was signed as it is: ask who wrote it, or verify with a newer doorward"})
		c.order.damaged()
	} else {
		c.order.take(r)
		c.last = c.order.now
	}
	c.settleAll()
	if c.o.Progress != nil && c.bodies.size%steps == 0 {
		c.o.Progress(c.bodies.size)
	}
}

// hole takes records whose bytes are damaged or missing. Their leaves in hashes.dat keep the tree going, so that the next
// checkpoint tells whether anything else is wrong.
func (c *check) hole(r *record) {
	if r.until >= 0 && r.until <= r.index {
		c.wrong(Finding{r.index, r.file, 0, r.err.Error(), restore})
		c.cut = true
		return
	}
	leaves := c.stored.next(c.bodies.size, c.buf[1][:0])
	if r.torn && c.unsigned(r.index) { // its hashes may be there: they are written first
		c.warn(Finding{r.index, r.file, r.offset, "the last segment ends with bytes that are no whole record: a write that was cut short and that nobody was told of as done", "nothing: the next start cuts it off"})
		c.cut = true
		return
	}
	switch {
	case errors.Is(r.err, errMissing) && c.framing: // said
	case errors.Is(r.err, errMissing):
		c.order.missing(r.index, r.until, r.file)
	default:
		c.wrong(Finding{r.index, r.file, r.offset, r.err.Error(), restore})
	}
	if !errors.Is(r.err, errMissing) {
		c.order.damaged()
	}
	c.framing = errors.Is(r.err, errFraming)
	if c.framing && !r.torn { // the next segment's name says how many
		c.unread(leaves)
		return
	}
	c.fill(r, leaves)
}

// unread gives hashes back that were read for a record of which it is not known whether it is there.
func (c *check) unread(leaves []tlog.Hash) {
	if leaves != nil {
		c.stored.back = slices.Clone(leaves)
	}
}

// fill grows both trees by the leaves of hashes.dat, from the next record to r.until.
func (c *check) fill(r *record, leaves []tlog.Hash) {
	for {
		if leaves == nil {
			if r.until >= 0 {
				c.lost, c.cut = true, true
				c.wrong(Finding{c.bodies.size, "hashes.dat", 0, "neither the record nor its hash is there: no tree from here on can be computed", restore})
			}
			return
		}
		c.buf[1] = leaves
		c.bodies.grow(leaves[0], nil)
		c.above(c.hashes.grow(leaves[0], c.buf[0][:0]), leaves)
		c.settleAll()
		if c.bodies.size == r.until {
			return
		}
		leaves = c.stored.next(c.bodies.size, c.buf[1][:0])
	}
}

// grow adds a record to both trees.
func (c *check) grow(leaf *tlog.Hash, r *record) bool {
	if c.bodies.size != r.index {
		return false
	}
	leaves := c.stored.next(r.index, c.buf[1][:0])
	if leaves == nil {
		if !c.short {
			c.short = true
			c.warn(Finding{r.index, "hashes.dat", 0, "the file ends before the hashes of this record", "nothing: the next start derives them from the segments"})
		}
		c.bodies.grow(*leaf, nil)
		c.hashes.grow(*leaf, nil)
		return true
	}
	c.buf[1] = leaves
	c.bodies.grow(*leaf, nil)
	c.buf[0] = c.hashes.grow(leaves[0], c.buf[0][:0])
	c.above(c.buf[0], leaves)
	if leaves[0] != *leaf && len(c.suspects) < maxFindings {
		c.suspects = append(c.suspects, suspect{r.index, r.file, r.offset})
	}
	return true
}

// above compares the stored hashes above a leaf with what follows from the leaves.
func (c *check) above(computed, leaves []tlog.Hash) {
	if c.inner || slices.Equal(computed, leaves) {
		return
	}
	c.inner = true
	at := tlog.StoredHashIndex(0, c.hashes.size-1)
	c.warn(Finding{c.hashes.size - 1, "hashes.dat", at * tlog.HashSize, "a stored hash that this record completes does not follow from the leaves below it", "nothing is lost: doorward audit repair derives it anew"})
}
