package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/doorward-mcp/doorward/admin"
	"github.com/doorward-mcp/doorward/audit/verify"
)

// Find gives the records that fit, newest first. What was written less than a moment ago may not be indexed yet; records whose
// bodies were deleted are not found.
func (x *Index) Find(ctx context.Context, q admin.Query) (hits []admin.Hit, err error) {
	from, to, err := x.span(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("asking the index of the audit log: %w", err)
	}
	terms := q.Terms()
	for len(hits) < q.Page() && from < to {
		numbers, err := x.candidates(ctx, terms, from, to, q.Page())
		if err != nil {
			return nil, fmt.Errorf("asking the index of the audit log: %w", err)
		}
		if len(numbers) == 0 {
			break
		}
		more, err := x.read(ctx, q, numbers, q.Page()-len(hits))
		if err != nil {
			return nil, err
		}
		hits, to = append(hits, more...), numbers[len(numbers)-1]
	}
	return hits, nil
}

// span is where records that fit can be.
func (x *Index) span(ctx context.Context, q admin.Query) (from, to int64, err error) {
	since, until := int64(math.MinInt64), int64(math.MaxInt64)
	if !q.Since.IsZero() {
		since = q.Since.UnixMilli()
	}
	if !q.Until.IsZero() {
		until = q.Until.UnixMilli()
	}
	err = x.db.QueryRowContext(ctx, "SELECT coalesce(min(first), 0), coalesce(max(after_), 0) FROM audit_steps WHERE newest >= $1 AND oldest <= $2", since, until).Scan(&from, &to)
	if q.Before > 0 {
		to = min(to, q.Before)
	}
	return from, to, err
}

// candidates are indexes of records that have all terms, newest first.
func (x *Index) candidates(ctx context.Context, terms []admin.Term, from, to int64, n int) (numbers []int64, err error) {
	if len(terms) == 0 {
		for i := to - 1; i >= from && len(numbers) < n; i-- {
			numbers = append(numbers, i)
		}
		return numbers, nil
	}
	for before := to; len(numbers) < n; {
		var first int64
		var row []byte
		err := x.db.QueryRowContext(ctx, "SELECT first, numbers FROM audit_terms WHERE term = $1 AND first < $2 AND first > $3 ORDER BY first DESC LIMIT 1", termOf(terms[0]), before, from-step).Scan(&first, &row)
		if errors.Is(err, sql.ErrNoRows) {
			break
		}
		if err != nil {
			return nil, err
		}
		some, err := x.having(ctx, terms[1:], first, row)
		if err != nil {
			return nil, err
		}
		for _, number := range slices.Backward(some) {
			if number >= from && number < to && len(numbers) < n {
				numbers = append(numbers, number)
			}
		}
		before = first
	}
	return numbers, nil
}

// having are those of the records of a step, which one term has, that the other terms have too.
func (x *Index) having(ctx context.Context, terms []admin.Term, first int64, row []byte) ([]int64, error) {
	all, err := posted(first, row)
	for _, t := range terms {
		if err != nil || len(all) == 0 {
			return nil, err
		}
		err = x.db.QueryRowContext(ctx, "SELECT numbers FROM audit_terms WHERE term = $1 AND first = $2", termOf(t), first).Scan(&row)
		if errors.Is(err, sql.ErrNoRows) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		var others []int64
		others, err = posted(first, row)
		all = slices.DeleteFunc(all, func(n int64) bool {
			_, has := slices.BinarySearch(others, n)
			return !has
		})
	}
	return all, err
}

// read is those of the records with these indexes, which fall, that fit. Neighbours are read at once.
func (x *Index) read(ctx context.Context, q admin.Query, numbers []int64, most int) (hits []admin.Hit, err error) {
	for len(numbers) > 0 && len(hits) < most {
		n := 1
		for n < len(numbers) && numbers[n] == numbers[0]-int64(n) {
			n++
		}
		first := numbers[n-1]
		leaves, err := x.leaves.Read(ctx, first, n)
		if err != nil {
			return nil, err
		}
		for i := len(leaves) - 1; i >= 0 && len(hits) < most; i-- {
			if leaves[i] == nil {
				continue
			}
			e, err := verify.Decode(leaves[i])
			if err != nil {
				return nil, fmt.Errorf("record %d: %w", first+int64(i), err)
			}
			if q.Fits(&e) {
				hits = append(hits, admin.Hit{Index: first + int64(i), Entry: e})
			}
		}
		numbers = numbers[n:]
	}
	return hits, nil
}
