package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"sync"

	"github.com/doorward-mcp/doorward/audit/verify"
)

const (
	stride   = 64      // records between two offsets that are remembered
	readAway = 1 << 20 // bytes to read at once
)

// segment is one file of records.
type segment struct {
	dir   string
	first int64 // index of its first record

	mu      sync.Mutex // guards what follows
	bytes   int64      // durable
	records int64      // durable; of one that is not the last: as far as it was read
	read    int64      // offset after records
	offsets []int64    // of records first, first+stride, …, as far as it was read
}

func newSegment(dir string, first int64) *segment { return &segment{dir: dir, first: first} }

func (g *segment) name() string { return fmt.Sprintf("seg-%020d.log", g.first) }

func (g *segment) path() string { return filepath.Join(g.dir, g.name()) }

func (g *segment) length() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.bytes
}

// grow adds records that follow what was read, which is all of a segment that grows.
func (g *segment) grow(leaves [][]byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, leaf := range leaves {
		g.passed(g.read + verify.FrameHead + int64(len(leaf)))
	}
	g.bytes = g.read
}

// passed notes that the next record ends at an offset. The caller holds mu.
func (g *segment) passed(end int64) {
	if g.records%stride == 0 {
		g.offsets = append(g.offsets, g.read)
	}
	g.records, g.read = g.records+1, end
}

// start is a place at or before a record from which to read, and the record that stands there.
func (g *segment) start(index int64) (at, record, end int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	slot := min((index-g.first)/stride, int64(len(g.offsets)-1))
	if slot < 0 {
		return 0, g.first, g.bytes
	}
	return g.offsets[slot], g.first + slot*stride, g.bytes
}

// learn remembers where a record that was read ends.
func (g *segment) learn(record, end int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if record == g.first+g.records {
		g.passed(end)
	}
}

// fill reads records from an index on into out, as many as fit.
func (g *segment) fill(ctx context.Context, from int64, out [][]byte) error {
	f, err := os.Open(g.path())
	if err != nil {
		return err
	}
	defer f.Close()
	at, record, end := g.start(from)
	// Few records are not worth a large buffer.
	sc := scanner{from: f, at: at, end: end, buffered: min(readAway, (int(from-record)+len(out))*2048)}
	for ; record < from+int64(len(out)); record++ {
		if record%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		b, err := sc.next(record < from)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return fmt.Errorf("reading audit record %d in %s at byte %d: %w", record, g.name(), sc.at, err)
		}
		g.learn(record, sc.at)
		if record >= from {
			out[record-from] = b
		}
	}
	return nil
}

// Read gives records as they were appended, nil for those whose segment was dropped. Its records may share memory.
func (s *Segments) Read(ctx context.Context, from int64, n int) ([][]byte, error) {
	all, size, err := s.view()
	if err != nil {
		return nil, err
	}
	if from < 0 || n < 0 {
		return nil, fmt.Errorf("reading audit records: %d from %d on", n, from)
	}
	if from >= size {
		return nil, nil
	}
	to := from + min(int64(n), size-from)
	out := make([][]byte, to-from)
	// The segment with the record, or the first one if the record is older than that.
	i := max(0, sort.Search(len(all), func(i int) bool { return all[i].first > from })-1)
	for ; i < len(all) && all[i].first < to; i++ {
		begin, end := max(from, all[i].first), to
		if i+1 < len(all) {
			end = min(end, all[i+1].first)
		}
		if begin >= end {
			continue
		}
		err := all[i].fill(ctx, begin, out[begin-from:end-from])
		if errors.Is(err, fs.ErrNotExist) && s.dropped(all[i]) {
			continue // since it was looked up
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *Segments) dropped(g *segment) bool {
	all, _, err := s.view()
	return err == nil && len(all) > 0 && all[0].first > g.first
}
