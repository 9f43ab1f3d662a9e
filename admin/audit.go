package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/doorward-mcp/doorward/audit"
)

// AuditLog is the audit log as people read it. Over the socket nobody sees clear values or learns whose a pseudonym is: that is
// an auditor's, who comes over HTTP and is recorded (AuditAPI).
type AuditLog struct {
	Find        func(context.Context, Query) ([]Hit, error) // asks the index
	Reset       func(context.Context) error                 // throws the index away; it is made anew by itself
	Leaves      audit.Leaves
	Checkpoints audit.Checkpoints
	Verifiers   func(context.Context) ([]string, error)                          // the keys of the log, the first one first
	Prove       func(ctx context.Context, index int64) (proof []byte, err error) // a C2SP tlog-proof of one record
	Holds       Holds
	RotateKey   func(context.Context) error
	Now         func() time.Time
}

// Proof is a proof that a record is in the log.
type Proof struct {
	Index int64  `json:"index"`
	ID    string `json:"id,omitempty"` // of an act: its last record is proven
	Proof string `json:"proof,omitempty"`
	// Record is the exact bytes that the proof is of; nil: the body was deleted.
	Record []byte `json:"record,omitempty"`
}

// Query gives the records that fit, newest first.
func (l *AuditLog) Query(ctx context.Context, q Query) ([]Hit, error) {
	hits, err := l.Find(ctx, q)
	if hits == nil {
		hits = []Hit{}
	}
	return hits, err
}

// ProveRecord proves one record.
func (l *AuditLog) ProveRecord(ctx context.Context, p Proof) (Proof, error) {
	if p.ID != "" {
		hits, err := l.Find(ctx, Query{ID: p.ID, Limit: 1})
		if err != nil {
			return Proof{}, err
		}
		if len(hits) == 0 {
			return Proof{}, refusal{"there is no record with the id " + p.ID + ", or it is not indexed yet"}
		}
		p.Index = hits[0].Index
	}
	text, err := l.Prove(ctx, p.Index)
	if err != nil {
		return Proof{}, refusal{err.Error()}
	}
	leaves, err := l.Leaves.Read(ctx, p.Index, 1)
	if err != nil || len(leaves) != 1 {
		return Proof{}, err
	}
	p.Proof, p.Record = string(text), leaves[0]
	return p, nil
}

// Reindex throws the index away. It is made anew from the log, without anybody waiting for it.
func (l *AuditLog) Reindex(ctx context.Context, _ struct{}) (struct{}, error) {
	return struct{}{}, l.Reset(ctx)
}

// RotateLogKey has another key sign the log from here on.
func (l *AuditLog) RotateLogKey(ctx context.Context, _ struct{}) (struct{}, error) {
	return struct{}{}, l.RotateKey(ctx)
}

// mount adds the log's addresses to the API. l is nil where the program around the installation keeps the records.
func (l *AuditLog) mount(mux *http.ServeMux, a *API) {
	if l == nil {
		mux.Handle("POST /audit/", endpoint(a, func(context.Context, struct{}) (struct{}, error) {
			return struct{}{}, refusal{"the program that this installation runs in keeps the records: there is no audit log here"}
		}))
		return
	}
	mux.Handle("POST /audit/query", endpoint(a, l.Query))
	mux.Handle("POST /audit/show", endpoint(a, l.Show))
	mux.Handle("POST /audit/tail", endpoint(a, l.Tail))
	mux.Handle("POST /audit/prove", endpoint(a, l.ProveRecord))
	mux.Handle("POST /audit/reindex", endpoint(a, l.Reindex))
	mux.Handle("POST /audit/key", endpoint(a, l.RotateLogKey))
	mux.Handle("POST /audit/holds/list", endpoint(a, l.ListHolds))
	mux.Handle("POST /audit/holds/add", endpoint(a, l.AddHold))
	mux.Handle("POST /audit/holds/release", endpoint(a, l.ReleaseHold))
	mux.Handle("POST /audit/copy/signed", endpoint(a, l.CopySigned))
	mux.Handle("POST /audit/copy/leaves", endpoint(a, l.CopyLeaves))
	mux.Handle("POST /audit/copy/hashes", endpoint(a, l.CopyHashes))
}
