package doorward

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/store"
	"github.com/doorward-mcp/doorward/token"
)

// openStore opens the database.
func (g *ground) openStore(ctx context.Context, c config.Config) error {
	address, err := c.Address(g.e.Lookup)
	if err != nil {
		return err
	}
	if address == "" {
		address = "sqlite:" + filepath.Join(c.Data, "doorward.db")
	}
	if g.db, err = store.OpenAlone(ctx, address, g.e.Box); err != nil {
		return err
	}
	g.closing = append(g.closing, g.db.Close)
	// Before the log is opened, whose name and keys hang on it.
	if kept, err := g.db.Setting(ctx, "public_url"); err == nil && kept != c.PublicURL {
		return otherURL(kept, c.PublicURL)
	} else if err != nil && !errors.Is(err, store.ErrUnset) {
		return err
	}
	return nil
}

func otherURL(kept, given string) error {
	return fmt.Errorf("%w: it was made for %s, and now %s is given; tokens and clients hold the first: give that one, or another data directory", ErrOtherURL, kept, given)
}

// settleAll holds the configuration against what was settled at the first start.
func (g *ground) settleAll(ctx context.Context, c config.Config) error {
	kept, err := g.settle(ctx, "public_url", c.PublicURL)
	if err != nil {
		return err
	}
	if kept != c.PublicURL {
		return otherURL(kept, c.PublicURL)
	}
	if g.instance, err = g.settle(ctx, "instance", strings.ToLower(rand.Text()[:8])); err != nil {
		return err
	}
	g.nonces, err = g.openNonces(ctx)
	return err
}

// settle is a setting as it is kept, or as it is made now.
func (g *ground) settle(ctx context.Context, name, value string) (kept string, err error) {
	if kept, err = g.db.Setting(ctx, name); !errors.Is(err, store.ErrUnset) {
		return kept, err
	}
	_, err = g.log.Do(ctx, audit.Record{Code: audit.Installed, Now: g.e.Now(), About: name}, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		kept, err = g.db.Set(ctx, in, name, value)
		return audit.Outcome{}, err
	})
	return kept, err
}

// openNonces gives the nonces of DPoP proofs. Their key is a setting, sealed, so that a nonce outlives a restart.
func (g *ground) openNonces(ctx context.Context) (token.Nonces, error) {
	const name = "nonces"
	key := make([]byte, 32)
	_, _ = rand.Read(key) // it never fails: crypto/rand
	sealed, err := g.e.Box.Seal(key, []byte("setting/"+name))
	if err != nil {
		return token.Nonces{}, err
	}
	kept, err := g.settle(ctx, name, base64.StdEncoding.EncodeToString(sealed))
	if err != nil {
		return token.Nonces{}, err
	}
	if sealed, err = base64.StdEncoding.DecodeString(kept); err != nil {
		return token.Nonces{}, fmt.Errorf("reading the setting %s: %w", name, err)
	}
	if key, err = g.e.Box.Open(sealed, []byte("setting/"+name)); err != nil {
		return token.Nonces{}, fmt.Errorf("reading the setting %s: %w", name, err)
	}
	return token.NewNonces(key), nil
}
