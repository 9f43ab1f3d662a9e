package verify

import (
	"bufio"
	"io"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// tree is the right edge of an RFC 6962 tree: the roots of its full subtrees, the largest first.
type tree struct {
	size  int64
	peaks []tlog.Hash
}

// grow adds a leaf. It appends to b the stored hashes that this completes: the leaf's own and those of the subtrees that end
// with it, from below.
func (t *tree) grow(leaf tlog.Hash, b []tlog.Hash) []tlog.Hash {
	b = append(b, leaf)
	for n := t.size; n&1 == 1; n >>= 1 {
		last := len(t.peaks) - 1
		leaf = tlog.NodeHash(t.peaks[last], leaf)
		t.peaks = t.peaks[:last]
		b = append(b, leaf)
	}
	t.peaks = append(t.peaks, leaf)
	t.size++
	return b
}

// root is the tree's hash. RFC 6962 §2.1.
func (t *tree) root() tlog.Hash {
	if t.size == 0 {
		return EmptyRoot
	}
	h := t.peaks[len(t.peaks)-1]
	for i := len(t.peaks) - 2; i >= 0; i-- {
		h = tlog.NodeHash(t.peaks[i], h)
	}
	return h
}

func (t *tree) clone() tree { return tree{t.size, slices.Clone(t.peaks)} }

// stored reads hashes.dat from its beginning: after the leaf of record n stand those of the subtrees that end with it.
type stored struct {
	r    *bufio.Reader // nil: there is no file, or it has ended
	back []tlog.Hash   // were read and are to be read again
}

// next are the hashes of record n, none where the file does not have them all. A file that was not written to its end before
// a crash may hold zeros, which are no hashes.
func (s *stored) next(n int64, b []tlog.Hash) []tlog.Hash {
	if s.back != nil {
		b, s.back = s.back, nil
		return b
	}
	if s.r == nil {
		return nil
	}
	for range 1 + bits.TrailingZeros64(^uint64(n)) {
		var h tlog.Hash
		if _, err := io.ReadFull(s.r, h[:]); err != nil || h == (tlog.Hash{}) {
			s.r = nil
			return nil
		}
		b = append(b, h)
	}
	return b
}
