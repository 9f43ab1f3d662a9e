package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/audit/verify"
)

// bare is the least that a durable log can be: whoever appends waits for one writer, which writes what is there and syncs.
type bare struct {
	file   *os.File
	hashes *bufio.Writer // nil: no hashes are made
	tree   []tlog.Hash
	size   int64
	line   chan waiting
}

// waiting is a record that waits for the writer.
type waiting struct {
	record []byte
	done   chan error
}

// newBare is one that hashes or does not. It keeps the two records again and again.
func newBare(dir string, pair [2][]byte, hashes bool) (*appending, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	p := &bare{line: make(chan waiting, 1024)}
	a := &appending{name: "append, fdatasync", end: func() error { close(p.line); return nil }}
	if hashes {
		a.name = "append, fdatasync, tlog's hashes"
		f, err := os.Create(filepath.Join(dir, "hashes"))
		if err != nil {
			return nil, err
		}
		p.hashes = bufio.NewWriterSize(f, 1<<20)
	}
	var err error
	if p.file, err = os.Create(filepath.Join(dir, "records")); err != nil {
		return nil, err
	}
	a.ask = func() error {
		for _, record := range pair {
			done := make(chan error, 1)
			p.line <- waiting{record, done}
			if err := <-done; err != nil {
				return err
			}
		}
		return nil
	}
	go p.write()
	return a, nil
}

func (p *bare) write() {
	var frames []byte
	for first := range p.line {
		batch := []waiting{first}
		for n := len(p.line); n > 0; n-- {
			batch = append(batch, <-p.line)
		}
		frames = frames[:0]
		var err error
		for _, h := range batch {
			frames = verify.AppendFrame(frames, h.record)
			if p.hashes != nil && err == nil {
				err = p.hash(h.record)
			}
		}
		if err == nil {
			err = p.keep(frames)
		}
		for _, h := range batch {
			h.done <- err
		}
	}
}

func (p *bare) keep(frames []byte) error {
	if p.hashes != nil {
		if err := p.hashes.Flush(); err != nil {
			return err
		}
	}
	if _, err := p.file.Write(frames); err != nil {
		return err
	}
	return syscall.Fdatasync(int(p.file.Fd()))
}

// hash is what package tlog itself has for a tree that grows.
func (p *bare) hash(record []byte) error {
	more, err := tlog.StoredHashes(p.size, record, tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		all := make([]tlog.Hash, len(indexes))
		for i, at := range indexes {
			all[i] = p.tree[at]
		}
		return all, nil
	}))
	if err != nil {
		return err
	}
	for _, h := range more {
		if _, err := p.hashes.Write(h[:]); err != nil {
			return err
		}
	}
	p.tree, p.size = append(p.tree, more...), p.size+1
	return nil
}

// newTessera is Tessera's log in files, without its deduplication. A batch is as large as it can be, since no more records than
// there are callers can wait, and begins the moment it is full. A record is durable when it has its index.
func newTessera(ctx context.Context, dir string, pair [2][]byte, callers int) (*appending, error) {
	key, _, err := note.GenerateKey(rand.Reader, "bench.example")
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(key)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	driver, err := posix.New(ctx, posix.Config{Path: dir})
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	log, _, _, err := tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().WithCheckpointSigner(signer).
		WithBatching(uint(callers), 5*time.Millisecond).WithPushback(4096).WithCheckpointInterval(250*time.Millisecond))
	if err != nil {
		stop()
		return nil, err
	}
	return &appending{name: "Tessera v1.0.4, POSIX", end: func() error { stop(); return nil }, ask: func() error {
		for _, record := range pair {
			if _, err := log.Add(ctx, tessera.NewEntry(record))(); err != nil {
				return err
			}
		}
		return nil
	}}, nil
}
