package audit

import (
	"context"
	"fmt"

	"github.com/doorward-mcp/doorward/audit/verify"
)

// Witnessed is the newest checkpoint that a quorum of witnesses has signed; nil: there is none.
func (s *Segments) Witnessed(context.Context) ([]byte, error) {
	s.points.Lock()
	defer s.points.Unlock()
	return s.witnessed()
}

func (s *Segments) witnessed() ([]byte, error) {
	b, err := s.readFile("witnessed")
	if err != nil {
		return nil, fmt.Errorf("reading what witnesses have signed: %w", err)
	}
	return b, nil
}

// KeepWitnessed keeps a checkpoint that a quorum has signed, unless there is one of a larger tree.
func (s *Segments) KeepWitnessed(_ context.Context, size int64, checkpoint []byte) error {
	s.points.Lock()
	defer s.points.Unlock()
	have, err := s.witnessed()
	if err != nil {
		return err
	}
	if c, err := verify.ParseCheckpoint(have); err == nil && c.Size > size {
		return nil
	}
	if err := replaceFile(s.dir, "witnessed", checkpoint, true); err != nil {
		return fmt.Errorf("writing what witnesses have signed: %w", err)
	}
	return nil
}
