package admin

import (
	"context"
	"fmt"
	"time"

	"github.com/doorward-mcp/doorward/audit"
)

// Hold is a range of records that may not be deleted, however old they are.
type Hold struct {
	Name string `json:"name"`
	audit.Span
	Reason string    `json:"reason"`
	Since  time.Time `json:"since,omitzero"`
}

// Holds keep and end holds, each act under its own record. An error is for the administrator to read.
type Holds struct {
	List    func(context.Context) ([]Hold, error)
	Add     func(context.Context, Hold) error
	Release func(ctx context.Context, name string) error
}

// maxReason is how long the name and the reason of a hold may be, in bytes. They stand in the log, where nothing is deleted.
const maxReason = 200

// ListHolds are the ranges of records that may not be deleted.
func (l *AuditLog) ListHolds(ctx context.Context, _ struct{}) ([]Hold, error) {
	return l.Holds.List(ctx)
}

// AddHold keeps records from being deleted.
func (l *AuditLog) AddHold(ctx context.Context, h Hold) (Hold, error) {
	size, err := l.Leaves.Size(ctx)
	if err != nil {
		return Hold{}, err
	}
	if h.To == 0 { // up to now
		h.To = size
	}
	switch {
	case h.From < 0 || h.To <= h.From:
		return Hold{}, refusal{fmt.Sprintf("there are no records from %d up to %d: the first index is the first that is held, the second the first that is not", h.From, h.To)}
	case h.To > size:
		return Hold{}, refusal{fmt.Sprintf("the log has %d records so far", size)}
	case h.Name == "" || h.Reason == "" || len(h.Name) > maxReason || len(h.Reason) > maxReason:
		return Hold{}, refusal{fmt.Sprintf("a hold has a name and a reason of 1 to %d bytes; they stand in the log for ever, so they name no person", maxReason)}
	}
	h.Since = l.Now()
	if err := l.Holds.Add(ctx, h); err != nil {
		return Hold{}, refusal{err.Error()}
	}
	return h, nil
}

// ReleaseHold ends a hold.
func (l *AuditLog) ReleaseHold(ctx context.Context, h Hold) (Hold, error) {
	if err := l.Holds.Release(ctx, h.Name); err != nil {
		return Hold{}, refusal{err.Error()}
	}
	return h, nil
}
