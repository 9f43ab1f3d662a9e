package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// LoadKeys is the sealed blob of keys; nil if there is none.
func (s *Segments) LoadKeys(context.Context) ([]byte, error) {
	s.points.Lock()
	defer s.points.Unlock()
	return s.loadKeys()
}

func (s *Segments) loadKeys() ([]byte, error) {
	b, err := s.readFile("log.keys")
	if err != nil {
		return nil, fmt.Errorf("reading the keys of the audit log: %w", err)
	}
	return b, nil
}

// readFile is a file beside the segments; nil if there is none.
func (s *Segments) readFile(name string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(s.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// SaveKeys replaces the blob durably if it still is old.
func (s *Segments) SaveKeys(_ context.Context, old, next []byte) error {
	s.points.Lock()
	defer s.points.Unlock()
	now, err := s.loadKeys()
	if err != nil {
		return err
	}
	if !bytes.Equal(now, old) {
		return ErrKeysChanged
	}
	if err := replaceFile(s.dir, "log.keys", next, true); err != nil {
		return fmt.Errorf("writing the keys of the audit log: %w", err)
	}
	return nil
}

// ShowKeys writes the verifier keys, the first one first, where people find them.
func (s *Segments) ShowKeys(_ context.Context, verifiers []string) error {
	s.points.Lock()
	defer s.points.Unlock()
	text := []byte(strings.Join(verifiers, "\n") + "\n")
	if have, err := os.ReadFile(filepath.Join(s.dir, "log.pub")); err == nil && bytes.Equal(have, text) {
		return nil
	}
	if err := replaceFile(s.dir, "log.pub", text, true); err != nil {
		return fmt.Errorf("writing the verifier keys of the audit log: %w", err)
	}
	return nil
}
