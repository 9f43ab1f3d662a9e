package store

import (
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// grown is what records add to a tree.
type grown struct {
	stored []byte // stored hashes from tlog.StoredHashCount of the size before on
	edge   []byte // of the tree with them
}

// grow adds records to a tree of which only the edge is known.
func grow(size int64, edge []byte, sums []tlog.Hash) (grown, error) {
	at := edgeOf(size)
	if len(edge) != len(at)*tlog.HashSize {
		return grown{}, errNoEdge
	}
	known := make(map[int64]tlog.Hash, len(at)) // :: number of a stored hash → hash
	for i, n := range at {
		known[n] = tlog.Hash(edge[i*tlog.HashSize:])
	}
	base := tlog.StoredHashCount(size)
	made := make([]tlog.Hash, 0, 2*len(sums)+len(at))
	var absent error
	find := func(n int64) (h tlog.Hash) {
		if n >= base && n < base+int64(len(made)) {
			return made[n-base]
		}
		h, ok := known[n]
		if !ok {
			absent = errNoEdge
		}
		return h
	}
	read := tlog.HashReaderFunc(func(all []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(all))
		for i, n := range all {
			hashes[i] = find(n)
		}
		return hashes, absent
	})
	for i, h := range sums {
		more, err := tlog.StoredHashesForRecordHash(size+int64(i), h, read)
		if err != nil {
			return grown{}, err
		}
		made = append(made, more...)
	}
	var g grown
	g.stored = make([]byte, 0, len(made)*tlog.HashSize)
	for _, h := range made {
		g.stored = append(g.stored, h[:]...)
	}
	for _, n := range edgeOf(size + int64(len(sums))) {
		h := find(n)
		g.edge = append(g.edge, h[:]...)
	}
	return g, absent
}

// edgeOf are the numbers of the stored hashes of the whole subtrees of a tree, the largest first: one for each bit of its size.
func edgeOf(size int64) (numbers []int64) {
	for at := int64(0); at < size; {
		level := bits.Len64(uint64(size-at)) - 1
		numbers = append(numbers, tlog.StoredHashIndex(level, at>>level))
		at += 1 << level
	}
	return numbers
}
