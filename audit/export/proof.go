package export

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/audit/verify"
)

// ErrNotYet is the error of a record that the checkpoint does not hold yet. The next one will.
var ErrNotYet = errors.New("the record is under no checkpoint yet")

// Proof proves by C2SP tlog-proof that a record stands at an index, under a checkpoint of the log. Its text carries the
// checkpoint with the cosignatures that it has.
func Proof(ctx context.Context, leaves audit.Leaves, checkpoint []byte, index int64) ([]byte, error) {
	c, err := verify.ParseCheckpoint(checkpoint)
	if err != nil {
		return nil, fmt.Errorf("proving record %d: %w", index, err)
	}
	if index < 0 || index >= c.Size {
		return nil, ErrNotYet
	}
	path, err := tlog.ProveRecord(c.Size, index, leaves.Hashes(ctx))
	if err != nil {
		return nil, fmt.Errorf("proving record %d: %w", index, err)
	}
	return verify.Proof{Index: index, Hashes: path, Checkpoint: checkpoint}.Text(), nil
}
