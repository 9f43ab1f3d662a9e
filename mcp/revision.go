package mcp

import "slices"

// Revision is a protocol revision. The zero Revision is unknown and refused.
type Revision string

// The revisions that are served at the same time.
const (
	V20250326 Revision = "2025-03-26"
	V20250618 Revision = "2025-06-18"
	V20251125 Revision = "2025-11-25"
	V20260728 Revision = "2026-07-28"
)

// rules is all that differs between revisions; a new revision is a new row.
type rules struct {
	sessions       bool // Mcp-Session-Id, initialize, GET streams and DELETE
	batches        bool // a body may be an array
	responses      bool // the client may send responses to requests of the server
	closingCancels bool // closing the answer's stream cancels the request
	mirrored       bool // headers and _meta must agree with the body
}

var revisions = map[Revision]rules{
	V20250326: {sessions: true, batches: true, responses: true},
	V20250618: {sessions: true, responses: true},
	V20251125: {sessions: true, responses: true},
	V20260728: {closingCancels: true, mirrored: true},
}

// Known reports whether r is served. All else that is asked of an unknown revision is false.
func (r Revision) Known() bool { _, ok := revisions[r]; return ok }

// Sessions reports whether r has sessions: initialize, Mcp-Session-Id, GET streams and DELETE.
func (r Revision) Sessions() bool { return revisions[r].sessions }

// Batches reports whether a body may be an array of messages.
func (r Revision) Batches() bool { return revisions[r].batches }

// ClosingCancels reports whether a client that closes the answer's stream thereby cancels its request. Where it does not, work goes on.
func (r Revision) ClosingCancels() bool { return revisions[r].closingCancels }

// Supported returns the known revisions, newest first, as an UnsupportedProtocolVersionError lists them.
func Supported() []Revision {
	all := make([]Revision, 0, len(revisions))
	for r := range revisions {
		all = append(all, r)
	}
	slices.Sort(all)
	slices.Reverse(all)
	return all
}
