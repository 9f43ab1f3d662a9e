package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/admin"
	"github.com/doorward-mcp/doorward/audit/verify"
)

// segmentBytes is how large a segment of a copy gets.
const segmentBytes = 256 << 20

// copyLog writes a log of size records as its own directory has it, whichever store it comes from. It gives how many bodies there were.
func copyLog(ctx context.Context, client *admin.Client, dir string, signed admin.Signed, size int64) (copied int64, err error) {
	if err := emptyDir(dir); err != nil {
		return 0, err
	}
	if copied, err = copySegments(ctx, client, dir, size); err != nil {
		return 0, err
	}
	if err := copyHashes(ctx, client, dir, size); err != nil {
		return 0, err
	}
	var earlier []byte
	for _, note := range signed.Earlier {
		if c, err := verify.ParseCheckpoint(note); err == nil && c.Size < size {
			earlier = verify.AppendFrame(earlier, note)
		}
	}
	for name, content := range map[string][]byte{"checkpoint": signed.Checkpoint, "checkpoints.log": earlier, "log.pub": []byte(strings.Join(signed.Verifiers, "\n") + "\n")} {
		if err := writeNew(filepath.Join(dir, name), content); err != nil {
			return 0, usage("%w", err)
		}
	}
	return copied, nil
}

// segment is a file that records are written to. The zero segment is none yet.
type segment struct {
	dir   string
	file  *os.File
	to    *bufio.Writer
	bytes int
}

func (s *segment) add(index int64, record []byte) error {
	if s.file == nil || s.bytes > segmentBytes {
		if err := s.end(); err != nil {
			return err
		}
		f, err := os.OpenFile(filepath.Join(s.dir, fmt.Sprintf("seg-%020d.log", index)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		s.file, s.to, s.bytes = f, bufio.NewWriterSize(f, 1<<20), 0
	}
	frame := verify.AppendFrame(nil, record)
	s.bytes += len(frame)
	_, err := s.to.Write(frame)
	return err
}

func (s *segment) end() error {
	if s.file == nil {
		return nil
	}
	return errors.Join(s.to.Flush(), s.file.Close())
}

func copySegments(ctx context.Context, client *admin.Client, dir string, size int64) (copied int64, err error) {
	s := &segment{dir: dir}
	for at := int64(0); at < size; {
		leaves, err := client.Leaves(ctx, at, int(min(500, size-at)))
		if err != nil {
			return 0, errors.Join(administered(err), s.end())
		}
		if len(leaves) == 0 {
			return 0, errors.Join(failed{exitNo, fmt.Errorf("record %d is missing", at)}, s.end())
		}
		for _, b := range leaves {
			switch {
			case b != nil:
				if err := s.add(at, b); err != nil {
					return 0, errors.Join(usage("%w", err), s.end())
				}
				copied++
			case copied > 0:
				return 0, errors.Join(failed{exitNo, fmt.Errorf("record %d was deleted meanwhile: try again", at)}, s.end())
			}
			at++
		}
	}
	if err := s.end(); err != nil {
		return 0, usage("%w", err)
	}
	return copied, nil
}

func copyHashes(ctx context.Context, client *admin.Client, dir string, size int64) error {
	f, err := os.OpenFile(filepath.Join(dir, "hashes.dat"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return usage("%w", err)
	}
	defer func() { _ = f.Close() }()
	for at, count := int64(0), tlog.StoredHashCount(size); at < count; {
		hashes, err := client.Hashes(ctx, at, int(min(8192, count-at)))
		if err != nil {
			return administered(err)
		}
		if len(hashes) == 0 || len(hashes)%tlog.HashSize != 0 {
			return failed{exitNo, fmt.Errorf("stored hash %d is missing", at)}
		}
		if _, err := f.Write(hashes); err != nil {
			return usage("%w", err)
		}
		at += int64(len(hashes) / tlog.HashSize)
	}
	if err := f.Sync(); err != nil {
		return usage("%w", err)
	}
	return nil
}
