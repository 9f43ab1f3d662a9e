package admin

import "context"

// Records is AuditLog.Query.
func (c *Client) Records(ctx context.Context, q Query) (hits []Hit, err error) {
	err = c.post(ctx, "/audit/query", q, &hits)
	return hits, err
}

// Show is AuditLog.Show.
func (c *Client) Show(ctx context.Context, id string) (steps []Step, err error) {
	err = c.post(ctx, "/audit/show", Shown{ID: id}, &steps)
	return steps, err
}

// Tail is AuditLog.Tail.
func (c *Client) Tail(ctx context.Context, t Tail) (answer Tail, err error) {
	err = c.post(ctx, "/audit/tail", t, &answer)
	return answer, err
}

// Prove is AuditLog.ProveRecord.
func (c *Client) Prove(ctx context.Context, p Proof) (proof Proof, err error) {
	err = c.post(ctx, "/audit/prove", p, &proof)
	return proof, err
}

// Reindex is AuditLog.Reindex.
func (c *Client) Reindex(ctx context.Context) error {
	return c.post(ctx, "/audit/reindex", struct{}{}, &struct{}{})
}

// RotateLogKey is AuditLog.RotateLogKey.
func (c *Client) RotateLogKey(ctx context.Context) error {
	return c.post(ctx, "/audit/key", struct{}{}, &struct{}{})
}

// Holds is AuditLog.ListHolds.
func (c *Client) Holds(ctx context.Context) (all []Hold, err error) {
	err = c.post(ctx, "/audit/holds/list", struct{}{}, &all)
	return all, err
}

// AddHold is AuditLog.AddHold.
func (c *Client) AddHold(ctx context.Context, h Hold) (made Hold, err error) {
	err = c.post(ctx, "/audit/holds/add", h, &made)
	return made, err
}

// ReleaseHold is AuditLog.ReleaseHold.
func (c *Client) ReleaseHold(ctx context.Context, name string) error {
	return c.post(ctx, "/audit/holds/release", Hold{Name: name}, &Hold{})
}

// Signed is AuditLog.CopySigned.
func (c *Client) Signed(ctx context.Context) (s Signed, err error) {
	err = c.post(ctx, "/audit/copy/signed", struct{}{}, &s)
	return s, err
}

// Leaves is AuditLog.CopyLeaves.
func (c *Client) Leaves(ctx context.Context, from int64, n int) ([][]byte, error) {
	var p Part
	err := c.post(ctx, "/audit/copy/leaves", Part{From: from, Count: n}, &p)
	return p.Leaves, err
}

// Hashes is AuditLog.CopyHashes.
func (c *Client) Hashes(ctx context.Context, from int64, n int) ([]byte, error) {
	var p Part
	err := c.post(ctx, "/audit/copy/hashes", Part{From: from, Count: n}, &p)
	return p.Hashes, err
}
