package admin

import (
	"context"
	"encoding/json"
	"time"
)

// Bundle names a policy bundle.
type Bundle struct {
	Digest string `json:"digest"`
}

// Definition is what a server said of one of its items, which nobody has accepted.
type Definition struct {
	Server     string          `json:"server"` // its name
	Kind       string          `json:"kind"`
	Name       string          `json:"name"`
	Hash       string          `json:"hash"`
	Definition json.RawMessage `json:"definition"`
	First      time.Time       `json:"first_shown"`
	Last       time.Time       `json:"last_shown"`
}

// RollBack has the policy bundle before the one that decides decide.
func (a *API) RollBack(ctx context.Context, _ struct{}) (Bundle, error) {
	digest, err := a.Rollback(ctx)
	if err != nil {
		return Bundle{}, refusal{err.Error()}
	}
	return Bundle{digest}, nil
}

// Definitions are the definitions that wait for somebody to accept them.
func (a *API) Definitions(ctx context.Context, _ struct{}) ([]Definition, error) {
	return a.Waiting(ctx)
}

// RollBack is API.RollBack.
func (c *Client) RollBack(ctx context.Context) (b Bundle, err error) {
	err = c.post(ctx, "/policy/rollback", struct{}{}, &b)
	return b, err
}

// Definitions is API.Definitions.
func (c *Client) Definitions(ctx context.Context) (all []Definition, err error) {
	err = c.post(ctx, "/policy/waiting", struct{}{}, &all)
	return all, err
}
