package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/doorward-mcp/doorward/admin"
	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/audit/verify"
)

// Index finds records of the audit log. It follows the log from behind, off the path of requests, and can be thrown away at any time:
// Follow makes it anew. It holds hashes of what records say and the records' indexes, and nothing that they do not have; what it
// finds is read from the log and looked at again, so that a wrong index can hide a record and never make one up.
type Index struct {
	db     *sql.DB
	owned  bool // it has a file of its own, to be closed with it
	leaves audit.Leaves

	mu      sync.Mutex // held while following; guards checked
	checked bool       // it is known to be of this log
}

// step is how many records are indexed at once.
const step = 2000

// indexSchema has two tables besides where it stands: the records of a term, one row for each step that has any, and from when to
// when the records of a step are.
const indexSchema = `
CREATE TABLE audit_terms (
	term    BIGINT NOT NULL,
	first   BIGINT NOT NULL,
	numbers BYTEA NOT NULL,
	PRIMARY KEY (term, first)
)%s;
CREATE TABLE audit_steps (
	first  BIGINT PRIMARY KEY,
	after_ BIGINT NOT NULL,
	oldest BIGINT NOT NULL,
	newest BIGINT NOT NULL
);
CREATE TABLE audit_cursor (
	one   BIGINT PRIMARY KEY,
	next_ BIGINT NOT NULL,
	leaf  BYTEA NOT NULL
);
INSERT INTO audit_cursor (one, next_, leaf) VALUES (1, 0, '');
`

// indexVersion is of the terms and tables in a file. One of another version is thrown away.
const indexVersion = 2

// Index opens the index of a log: a file of its own at path where the database is SQLite, so that it never stands in the way
// of acts, and tables where it is PostgreSQL. A file that cannot be used is made anew. Close ends it.
func (db *DB) Index(ctx context.Context, path string, leaves audit.Leaves) (*Index, error) {
	if db.writer == nil {
		return &Index{db: db.read, leaves: leaves}, nil
	}
	file, err := openIndex(ctx, path)
	if err != nil { // whatever is wrong with it, a new one has all that it had
		for _, end := range []string{"", "-wal", "-shm"} {
			if err := os.Remove(path + end); err != nil && !errors.Is(err, os.ErrNotExist) {
				return nil, fmt.Errorf("making the index of the audit log anew: %w", err)
			}
		}
		if file, err = openIndex(ctx, path); err != nil {
			return nil, fmt.Errorf("opening the index of the audit log: %w", err)
		}
	}
	return &Index{db: file, owned: true, leaves: leaves}, nil
}

func openIndex(ctx context.Context, path string) (*sql.DB, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	q := url.Values{"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(NORMAL)", "secure_delete(1)"}}
	db, err := sql.Open("sqlite", "file:"+path+"?"+q.Encode())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(4)
	if err := prepareIndex(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func prepareIndex(ctx context.Context, db *sql.DB) error {
	var version, tables int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return err
	}
	if version == indexVersion {
		return nil
	}
	if tables > 0 {
		return fmt.Errorf("the index is of version %d, not %d", version, indexVersion)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf(indexSchema, " WITHOUT ROWID")+fmt.Sprintf(";PRAGMA user_version = %d", indexVersion)); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// Close ends the index.
func (x *Index) Close() error {
	if !x.owned {
		return nil
	}
	return x.db.Close()
}

// Follow indexes at most 2,000 records that are not indexed yet, and gives how many they were: 0 when there are no more, or
// when another process was quicker.
func (x *Index) Follow(ctx context.Context) (n int, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	next, leaf, err := x.cursor(ctx)
	if err != nil {
		return 0, err
	}
	if !x.checked {
		same, err := x.same(ctx, next, leaf)
		if err != nil {
			return 0, err
		}
		if x.checked = true; !same {
			if err := x.reset(ctx); err != nil {
				return 0, err
			}
			next = 0
		}
	}
	leaves, err := x.leaves.Read(ctx, next, step)
	if err != nil || len(leaves) == 0 {
		return 0, err
	}
	s := newStep(next, leaves)
	kept, err := x.keep(ctx, s)
	if err != nil {
		return 0, fmt.Errorf("indexing the audit log: %w", err)
	}
	if !kept {
		return 0, nil
	}
	return len(leaves), nil
}

// Next is the index of the first record that is not indexed yet.
func (x *Index) Next(ctx context.Context) (int64, error) {
	next, _, err := x.cursor(ctx)
	return next, err
}

func (x *Index) cursor(ctx context.Context) (next int64, leaf []byte, err error) {
	err = x.db.QueryRowContext(ctx, "SELECT next_, leaf FROM audit_cursor WHERE one = 1").Scan(&next, &leaf)
	return next, leaf, err
}

// same reports whether the last record that was indexed is in this log. Of one whose body was deleted it is believed.
func (x *Index) same(ctx context.Context, next int64, leaf []byte) (bool, error) {
	size, err := x.leaves.Size(ctx)
	if err != nil || next == 0 || next > size {
		return next == 0, err
	}
	last, err := x.leaves.Read(ctx, next-1, 1)
	if err != nil || len(last) != 1 {
		return false, err
	}
	sum := sha256.Sum256(last[0])
	return last[0] == nil || len(leaf) == 0 || string(sum[:]) == string(leaf), nil
}

// indexing is what one step adds.
type indexing struct {
	first, after   int64
	oldest, newest int64
	leaf           []byte   // SHA-256 of the last record
	terms          []int64  // in the order of the table
	numbers        [][]byte // of each term: indexes of records, as posting has them
}

// posting adds the index of a record to those of a term: the distance to the one before it, or to the first of the step.
func posting(to []byte, before, number int64) []byte {
	return binary.AppendUvarint(to, uint64(number-before))
}

// posted are the indexes of records of a term, rising.
func posted(first int64, b []byte) (all []int64, err error) {
	for at := first; len(b) > 0; {
		d, n := binary.Uvarint(b)
		if n <= 0 || d > step {
			return nil, errors.New("a row of the index is damaged: doorward audit reindex makes it anew")
		}
		at, b = at+int64(d), b[n:]
		all = append(all, at)
	}
	return all, nil
}

func newStep(first int64, leaves [][]byte) indexing {
	s := indexing{first: first, after: first + int64(len(leaves))}
	type pair struct{ term, number int64 }
	var pairs []pair
	for i, b := range leaves {
		e, err := verify.Decode(b)
		if b == nil || err != nil { // deleted, or none of ours: who verifies says so
			continue
		}
		if at, err := time.Parse(time.RFC3339, e.Time); err == nil {
			ms := millis(at)
			if s.oldest == 0 || ms < s.oldest {
				s.oldest = ms
			}
			s.newest = max(s.newest, ms)
		}
		for _, t := range admin.TermsOf(&e) {
			pairs = append(pairs, pair{termOf(t), first + int64(i)})
		}
	}
	if last := leaves[len(leaves)-1]; last != nil {
		sum := sha256.Sum256(last)
		s.leaf = sum[:]
	}
	slices.SortFunc(pairs, func(a, b pair) int { return cmp.Or(cmp.Compare(a.term, b.term), cmp.Compare(a.number, b.number)) })
	for i, p := range slices.Compact(pairs) {
		before := first
		if i > 0 && pairs[i-1].term == p.term {
			before = pairs[i-1].number
		} else {
			s.terms, s.numbers = append(s.terms, p.term), append(s.numbers, nil)
		}
		last := len(s.numbers) - 1
		s.numbers[last] = posting(s.numbers[last], before, p.number)
	}
	return s
}

// termOf stands for a term. Two may have the same number: what is found is looked at again.
func termOf(t admin.Term) int64 {
	h := sum(t.Kind, t.Value)
	return int64(binary.BigEndian.Uint64(h[:]))
}

// keep writes a step, unless another process has written it.
func (x *Index) keep(ctx context.Context, s indexing) (kept bool, err error) {
	tx, err := x.db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer func() {
		if !kept {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	leaf := s.leaf
	if leaf == nil {
		leaf = []byte{}
	}
	moved, err := changed(tx.ExecContext(ctx, "UPDATE audit_cursor SET next_ = $1, leaf = $2 WHERE one = 1 AND next_ = $3", s.after, leaf, s.first))
	if err != nil || !moved {
		return false, err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO audit_steps (first, after_, oldest, newest) VALUES ($1, $2, $3, $4)", s.first, s.after, s.oldest, s.newest); err != nil {
		return false, err
	}
	if err := x.keepTerms(ctx, tx, s); err != nil {
		return false, err
	}
	if err := tx.Commit(); err != nil {
		return false, err
	}
	return true, nil
}

// together is how many rows SQLite is given at once.
const together = 200

func (x *Index) keepTerms(ctx context.Context, tx *sql.Tx, s indexing) error {
	if !x.owned {
		_, err := tx.ExecContext(ctx, "INSERT INTO audit_terms (term, first, numbers) SELECT t, $1::bigint, n FROM unnest($2::bigint[], $3::bytea[]) AS r(t, n)", s.first, s.terms, s.numbers)
		return err
	}
	ctx = context.WithoutCancel(ctx) // a step is short, and the driver watches what could end with a goroutine for each statement
	for len(s.terms) > 0 {
		n := min(together, len(s.terms))
		args := make([]any, 0, 3*n)
		for i := range n {
			args = append(args, s.terms[i], s.first, s.numbers[i])
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO audit_terms (term, first, numbers) VALUES (?, ?, ?)"+strings.Repeat(", (?, ?, ?)", n-1), args...); err != nil {
			return err
		}
		s.terms, s.numbers = s.terms[n:], s.numbers[n:]
	}
	return nil
}

// Reset throws away what was indexed. Follow makes it anew.
func (x *Index) Reset(ctx context.Context) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.reset(ctx)
}

func (x *Index) reset(ctx context.Context) error {
	return x.delete(ctx, "DELETE FROM audit_terms", "DELETE FROM audit_steps", "UPDATE audit_cursor SET next_ = 0, leaf = ''")
}

// Forget throws away what was indexed of records whose bodies were deleted.
func (x *Index) Forget(ctx context.Context) error {
	left, err := x.leaves.Size(ctx)
	if err != nil {
		return err
	}
	first := int64(0)
	for first < left { // bodies are deleted from the beginning on
		middle := first + (left-first)/2
		leaf, err := x.leaves.Read(ctx, middle, 1)
		if err != nil {
			return err
		}
		if len(leaf) == 1 && leaf[0] == nil {
			first = middle + 1
		} else {
			left = middle
		}
	}
	n := fmt.Sprint(first)
	return x.delete(ctx, "DELETE FROM audit_terms WHERE first IN (SELECT first FROM audit_steps WHERE after_ <= "+n+")", "DELETE FROM audit_steps WHERE after_ <= "+n)
}

func (x *Index) delete(ctx context.Context, texts ...string) error {
	tx, err := x.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for _, text := range texts {
		if _, err := tx.ExecContext(ctx, text); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
}
