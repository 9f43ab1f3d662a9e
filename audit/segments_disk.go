package audit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/doorward-mcp/doorward/audit/verify"
	"github.com/doorward-mcp/doorward/internal/crash"
)

// disk is a file that is written.
type disk interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Sync() error
}

type realDisk struct{ *os.File }

// Sync makes the data durable, and of what the system knows about the file as much as reading it needs.
func (d realDisk) Sync() error { return syncData(d.File) }

func openDisk(name string) (disk, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return realDisk{f}, nil
}

// syncDir makes names durable. Windows has no such call and needs none.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// replaceFile gives a file new content in one step, durable when it returns if that is asked for.
func replaceFile(dir, name string, content []byte, durable bool) error {
	temporary := filepath.Join(dir, name+".new")
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil && durable {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	crash.Point("audit " + name + " written")
	if err := os.Rename(temporary, filepath.Join(dir, name)); err != nil {
		return err
	}
	crash.Point("audit " + name + " renamed")
	if !durable {
		return nil
	}
	return syncDir(dir)
}

// appendFrames appends frames to a file of frames that is no segment, durable when it returns.
func appendFrames(dir, name string, all ...[]byte) error {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	var b []byte
	for _, one := range all {
		b = verify.AppendFrame(b, one)
	}
	_, err = f.Write(b)
	if err == nil {
		err = syncData(f)
	}
	return errors.Join(err, f.Close(), syncDir(dir))
}

// readFrames gives the whole frames that a file of frames begins with, and how many bytes they are.
func readFrames(dir, name string) (all [][]byte, length int64, err error) {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	for rest := b; ; {
		one, next, err := verify.Frame(rest)
		if err != nil {
			return all, int64(len(b) - len(rest)), nil
		}
		all, rest = append(all, one), next
	}
}

func dropFile(dir, name string) error {
	if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	crash.Point("audit segment dropped")
	return syncDir(dir)
}

// scanner reads frames one after another.
type scanner struct {
	from     io.ReaderAt
	at, end  int64 // of the next frame; of the frames
	buf      []byte
	buffered int // bytes to read at once; what was read is never written over
}

// next is the next record: io.EOF after the last one, verify.ErrFrame where no whole frame is. With skip it only goes past the
// frame, whose CRC is not looked at, and gives nil.
func (s *scanner) next(skip bool) ([]byte, error) {
	if s.at >= s.end {
		return nil, io.EOF
	}
	if err := s.fill(verify.FrameHead); err != nil {
		return nil, err
	}
	n := int64(binary.BigEndian.Uint32(s.buf))
	if n == 0 || n > verify.MaxRecord {
		return nil, verify.ErrFrame
	}
	length := verify.FrameHead + n
	if err := s.fill(int(length)); err != nil {
		return nil, err
	}
	var record []byte
	if !skip {
		var err error
		if record, _, err = verify.Frame(s.buf); err != nil {
			return nil, err
		}
		record = record[:n:n]
	}
	s.buf, s.at = s.buf[length:], s.at+length
	return record, nil
}

// fill sees to it that least bytes are in buf.
func (s *scanner) fill(least int) error {
	if len(s.buf) >= least {
		return nil
	}
	if s.end-s.at < int64(least) {
		return verify.ErrFrame
	}
	b := make([]byte, min(int64(max(s.buffered, least)), s.end-s.at))
	n, err := s.from.ReadAt(b, s.at)
	if n < len(b) && err != io.EOF {
		return fmt.Errorf("reading at %d: %w", s.at, err)
	}
	if s.buf = b[:n]; n < least {
		return verify.ErrFrame
	}
	return nil
}
