package export

import (
	"context"
	"fmt"
	"os"
)

// File appends a line for each record to a file, which other programs may move away: it is opened anew for each batch. Path and
// Line must be there.
type File struct {
	Path string
	Line func(Record) ([]byte, error)
}

// Send is a Send. Records are durable in the file when it returns nil.
func (f File) Send(_ context.Context, r Records) (err error) {
	body, err := lines(r, f.Line)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(f.Path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening %s: %w", f.Path, err)
	}
	defer func() {
		if closed := file.Close(); err == nil && closed != nil {
			err = closed
		}
	}()
	if _, err := file.Write(body); err != nil {
		return fmt.Errorf("writing %s: %w", f.Path, err)
	}
	return file.Sync()
}
