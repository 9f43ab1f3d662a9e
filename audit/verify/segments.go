package verify

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/tlog"
)

// record is what stands at one index.
type record struct {
	index  int64
	file   string
	offset int64
	raw    []byte // nil: it is damaged or cannot be found
	leaf   tlog.Hash
	entry  Entry
	err    error // what is wrong with it, without raw or with the entry

	until int64 // of records that are missing: the index of the first that is there again; -1: nobody knows
	torn  bool  // it looks like a write at the end of the log that a crash cut short
}

// batch is some records in order; ready when they are decoded.
type batch struct {
	records []record
	ready   chan struct{}
}

// bytesOfBatch is about how much is decoded at once.
const bytesOfBatch = 512 << 10

// read gives the records of all segments in order, decoded on all processors.
func read(dir fs.FS, each func(*record)) error {
	files, err := segmentFiles(dir)
	if err != nil {
		return err
	}
	workers := runtime.GOMAXPROCS(0)
	work, order := make(chan *batch, workers), make(chan *batch, 2*workers)
	var decoding sync.WaitGroup
	for range workers {
		decoding.Go(func() {
			for b := range work {
				b.decode()
			}
		})
	}
	r := reader{dir: dir, send: func(b *batch) { order <- b; work <- b }}
	decoding.Go(func() {
		defer close(order)
		defer close(work)
		r.all(files)
	})
	for b := range order {
		<-b.ready
		for i := range b.records {
			each(&b.records[i])
		}
	}
	decoding.Wait()
	return r.err
}

func (b *batch) decode() {
	defer close(b.ready)
	for i := range b.records {
		r := &b.records[i]
		if r.raw == nil {
			continue
		}
		r.leaf = tlog.RecordHash(r.raw)
		r.entry, r.err = Decode(r.raw)
		r.raw = r.raw[:0:0] // its memory may go
	}
}

// segment is a file of records and the index of its first.
type segment struct {
	name  string
	first int64
}

func segmentFiles(dir fs.FS) ([]segment, error) {
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		return nil, fmt.Errorf("reading the directory of the log: %w", err)
	}
	var all []segment
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), "seg-")
		digits, log := strings.CutSuffix(digits, ".log")
		first, err := strconv.ParseInt(digits, 10, 64)
		if ok && log && err == nil && len(digits) == 20 && first >= 0 {
			all = append(all, segment{e.Name(), first})
		}
	}
	slices.SortFunc(all, func(a, b segment) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

// reader reads segments from the first to the last. Its err is of the reading, not of the log.
type reader struct {
	dir  fs.FS
	send func(*batch)
	err  error

	b     *batch
	size  int   // bytes of b
	index int64 // of the next record
}

func (r *reader) all(files []segment) {
	r.b = &batch{ready: make(chan struct{})}
	for i, f := range files {
		if f.first > r.index {
			r.emit(record{index: r.index, file: f.name, until: f.first, err: errMissing})
		} else if f.first < r.index {
			r.emit(record{index: f.first, file: f.name, until: f.first, err: fmt.Errorf("the segment begins at record %d, which the one before it has too", f.first)})
		}
		r.index = f.first
		if err := r.segment(f, i == len(files)-1); err != nil && r.err == nil {
			r.err = fmt.Errorf("reading %s: %w", f.name, err)
		}
	}
	r.flush()
}

var (
	errMissing = errors.New("the record is missing")
	errDamaged = errors.New("the record is damaged: its checksum does not fit")
	errFraming = errors.New("what follows is no record: the rest of the segment cannot be read")
)

// segment reads one file. A record whose checksum does not fit is skipped by its length, which may be as wrong: what follows tells.
func (r *reader) segment(f segment, last bool) error {
	file, err := r.dir.Open(f.name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	in := bufio.NewReaderSize(file, 1<<15)
	for at := int64(0); ; {
		var head [FrameHead]byte
		n, err := io.ReadFull(in, head[:])
		if n == 0 && err == io.EOF {
			return nil
		}
		length := binary.BigEndian.Uint32(head[:])
		var raw []byte
		if err == nil && length > 0 && length <= MaxRecord {
			raw = make([]byte, length)
			_, err = io.ReadFull(in, raw)
		}
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			r.emit(record{index: r.index, file: f.name, offset: at, until: -1, err: errFraming, torn: last})
			return nil
		case err != nil:
			return err
		case raw == nil:
			r.emit(record{index: r.index, file: f.name, offset: at, until: -1, err: errFraming, torn: last && length == 0})
			return nil
		}
		rec := record{index: r.index, file: f.name, offset: at, raw: raw, until: r.index + 1}
		if crc32.Checksum(raw, castagnoli) != binary.BigEndian.Uint32(head[4:]) {
			rec.raw, rec.err, rec.torn = nil, errDamaged, last && bytes.IndexByte(raw, 0) >= 0 // pages that were never written
		}
		r.emit(rec)
		r.index++
		at += FrameHead + int64(length)
	}
}

func (r *reader) emit(rec record) {
	r.b.records = append(r.b.records, rec)
	if r.size += len(rec.raw); r.size >= bytesOfBatch {
		r.flush()
	}
}

func (r *reader) flush() {
	if len(r.b.records) > 0 {
		r.send(r.b)
	}
	r.b, r.size = &batch{ready: make(chan struct{})}, 0
}
