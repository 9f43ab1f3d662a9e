package authserver

import (
	"context"
	"fmt"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/token"
)

const (
	keyShownFirst = 20 * time.Minute    // a new key is published so long before it signs
	keyLife       = 90 * 24 * time.Hour // a key signs so long
)

// LoadKeys reads the signing keys, makes the first, and adds the next when the newest is old. It is called at the start
// and from time to time.
func (s *Server) LoadKeys(ctx context.Context, now time.Time) error {
	keys, err := s.c.Store.Keys.Keys(ctx, now)
	if err != nil {
		return fmt.Errorf("reading signing keys: %w", err)
	}
	var newest time.Time
	for _, k := range keys {
		if k.Used.After(newest) {
			newest = k.Used
		}
	}
	switch {
	case len(keys) == 0:
		return s.addKey(ctx, now, now) // nobody has the key set yet: there is nothing to show first
	case now.Sub(newest) >= keyLife:
		return s.RotateKeys(ctx, now)
	}
	return s.use(keys)
}

// RotateKeys adds a key that is shown now and signs later. The key before it is shown until the last token that it
// signed has expired.
func (s *Server) RotateKeys(ctx context.Context, now time.Time) error {
	return s.addKey(ctx, now, now.Add(keyShownFirst))
}

func (s *Server) addKey(ctx context.Context, now, used time.Time) error {
	k, err := token.NewKey(now, used)
	if err != nil {
		return err
	}
	retire := used.Add(s.c.Lifetimes.Access + 2*token.Leeway)
	_, err = s.c.Log.Do(ctx, audit.Record{Code: audit.KeyAdded, Now: now, About: k.ID}, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		return audit.Outcome{}, s.c.Store.Keys.Add(ctx, in, k, retire)
	})
	if err != nil {
		return fmt.Errorf("adding signing key %s: %w", k.ID, err)
	}
	keys, err := s.c.Store.Keys.Keys(ctx, now)
	if err != nil {
		return fmt.Errorf("reading signing keys: %w", err)
	}
	return s.use(keys)
}

func (s *Server) use(keys []token.Key) error {
	ring, err := token.NewRing(s.c.Issuer, keys)
	if err != nil {
		return err
	}
	s.ring.Store(ring)
	return nil
}
