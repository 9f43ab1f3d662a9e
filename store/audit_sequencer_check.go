package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/doorward-mcp/doorward/audit"
)

// Check holds what is in the database against the newest checkpoint, before anything is written: a log that has lost records which
// somebody has signed, or has others in their place, is not gone on with. The error wraps audit.ErrDamaged and names the index.
func (s *Sequencer) Check(ctx context.Context) error {
	size, err := s.Size(ctx)
	if err != nil {
		return fmt.Errorf("checking the audit log: %w", err)
	}
	var end, hashed int64
	err = s.db.row(ctx, `SELECT coalesce((SELECT first + count_ FROM audit_entries ORDER BY first DESC LIMIT 1), $1), coalesce((SELECT max(first) FROM audit_hashes), -1)`, size).Scan(&end, &hashed)
	if err != nil {
		return fmt.Errorf("checking the audit log: %w", err)
	}
	if end != size || size > 0 && hashed < 0 {
		return fmt.Errorf("%w: its head has %d records, and the last one that is there has the index %d", audit.ErrDamaged, size, end-1)
	}
	note, err := s.Latest(ctx)
	if err != nil || note == nil {
		return err
	}
	lines := strings.SplitN(string(note), "\n", 3)
	signed, err := strconv.ParseInt(lines[min(1, len(lines)-1)], 10, 64)
	if err != nil {
		return fmt.Errorf("%w: its newest checkpoint is none", audit.ErrDamaged)
	}
	if signed > size {
		return fmt.Errorf("%w: records from index %d on are missing, for which there is a checkpoint of %d: the database is older than its log", audit.ErrDamaged, size, signed)
	}
	if _, err := s.judge(ctx, signed, note); err != nil {
		return fmt.Errorf("%w: the checkpoint of %d records is not of those that are there: %w", audit.ErrDamaged, signed, err)
	}
	return nil
}
