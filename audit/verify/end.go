package verify

import (
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

const defaultUnwitness = 15 * time.Minute

// end judges what can be judged once everything was read.
func (c *check) end() {
	c.report.Size = c.bodies.size
	c.order.tell(&c.report)
	c.signatures()
	c.order.end(c.o.Gaps, c.o.Bundles)
	c.retained()
	if !slices.ContainsFunc(c.checkpoints, func(s *signed) bool { return s.Size > c.good }) {
		for _, at := range c.suspects[:min(len(c.suspects), 1)] {
			c.wrong(Finding{at.index, at.file, at.offset, "the record and its hash in hashes.dat differ, and no signed tree says which is right", restore})
		}
	}
	if n := c.report.Size - c.report.Attested; n > 0 {
		c.warn(Finding{c.report.Attested, "checkpoint", 0, fmt.Sprintf("no signature holds the last %d records: of them only this copy speaks", n), "nothing, if the log was copied while it was written or its process was killed: the next checkpoint signs them"})
	}
	slices.SortStableFunc(c.report.Findings, func(a, b Finding) int { return int(min(max(a.Index-b.Index, -1), 1)) })
}

// retained holds the roots of notices of retention against the tree.
func (c *check) retained() {
	file, err := c.dir.Open("hashes.dat")
	if err != nil {
		return
	}
	defer func() { _ = file.Close() }()
	at, ok := file.(io.ReaderAt)
	if !ok || c.inner || c.short {
		return // the checkpoints hold the same
	}
	for _, r := range c.order.retentions {
		root, err := tlog.TreeHash(r.note.To, hashFile{at})
		if err != nil || base64.StdEncoding.EncodeToString(root[:]) != r.note.Root {
			c.wrong(Finding{r.index, r.file, r.offset, fmt.Sprintf("the notice of retention names another tree of %d records than the log's", r.note.To), restore})
		}
	}
}

// hashFile reads single hashes of hashes.dat.
type hashFile struct{ r io.ReaderAt }

func (h hashFile) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	all := make([]tlog.Hash, len(indexes))
	for i, n := range indexes {
		if _, err := h.r.ReadAt(all[i][:], n*tlog.HashSize); err != nil {
			return nil, fmt.Errorf("reading hash %d: %w", n, err)
		}
	}
	return all, nil
}
