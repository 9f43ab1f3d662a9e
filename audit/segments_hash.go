package audit

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// edge is the right edge of a tree: the roots of the complete subtrees that it consists of, by level. The one of a level
// counts if that bit of the tree's size is set. With it, the hashes of the next record are known without reading any.
type edge struct {
	size   int64
	hashes [64]tlog.Hash
}

// add appends the stored hashes of the next record, in the numbering of package tlog (see its StoredHashes).
func (e *edge) add(to []byte, leaf tlog.Hash) []byte {
	to = append(to, leaf[:]...)
	level := 0
	for n := e.size; n&1 != 0; n >>= 1 {
		leaf = tlog.NodeHash(e.hashes[level], leaf)
		to = append(to, leaf[:]...)
		level++
	}
	e.hashes[level] = leaf
	e.size++
	return to
}

// edgeOf reads the right edge of the tree of a size.
func edgeOf(size int64, r tlog.HashReader) (edge, error) {
	e := edge{size: size}
	var indexes []int64
	var levels []int
	for level := 0; size>>level > 0; level++ {
		if n := size >> level; n&1 != 0 {
			indexes, levels = append(indexes, tlog.StoredHashIndex(level, n-1)), append(levels, level)
		}
	}
	all, err := r.ReadHashes(indexes)
	if err != nil {
		return edge{}, err
	}
	for i, level := range levels {
		e.hashes[level] = all[i]
	}
	return e, nil
}

// errHole is the error of a hash that was never written: no SHA-256 is all zeros.
var errHole = errors.New("it was not written")

// spanned is how far apart hashes may be to be read at once: those of one tile are.
const spanned = 1024

// readHashes reads the hashes with the given numbers, of which there are count.
func readHashes(from io.ReaderAt, count int64, indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	if len(indexes) == 0 {
		return out, nil
	}
	low, high := slices.Min(indexes), slices.Max(indexes)
	if low < 0 || high >= count {
		return nil, fmt.Errorf("reading a stored hash: %d is not below %d", high, count)
	}
	base, span := int64(0), []byte(nil)
	if high-low < spanned && len(indexes) > 1 {
		base, span = low, make([]byte, (high-low+1)*tlog.HashSize)
		if n, err := from.ReadAt(span, low*tlog.HashSize); n < len(span) {
			return nil, fmt.Errorf("reading stored hashes %d to %d: %w", low, high, err)
		}
	}
	for i, at := range indexes {
		if span != nil {
			copy(out[i][:], span[(at-base)*tlog.HashSize:])
		} else if n, err := from.ReadAt(out[i][:], at*tlog.HashSize); n < tlog.HashSize {
			return nil, fmt.Errorf("reading stored hash %d: %w", at, err)
		}
		if out[i] == (tlog.Hash{}) {
			return nil, fmt.Errorf("reading stored hash %d: %w", at, errHole)
		}
	}
	return out, nil
}
