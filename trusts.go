package doorward

import (
	"context"
	"slices"
	"time"

	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/provider"
	"github.com/doorward-mcp/doorward/token"
)

// trusts are the issuers whose assertions are taken, with their keys.
func (g *generation) trusts() (all []authserver.Trust) {
	for _, a := range g.c.AssertionIssuers {
		all = append(all, authserver.Trust{Issuer: a.Issuer, Keys: g.keysOf(a.Issuer, a.JWKSURI), Identity: a.Kind == "identity", Audience: a.Audience})
	}
	return all
}

// keysOf are the keys of an issuer: at the address that the operator gave, else where the issuer's metadata says. What keeps
// them from being read is said where an operator sees it: whoever calls learns only that nobody knows at the moment.
func (g *generation) keysOf(issuer, address string) token.Keys {
	said := &rarely{log: g.e.Slog.With("issuer", issuer), now: g.e.Now}
	fetch, from := provider.Discover(g.named.From(issuer).Get), issuer
	if address != "" {
		fetch, from = g.named.From(address).Get, address
	}
	return token.NewSet(from, func(ctx context.Context, from string) ([]byte, time.Time, error) {
		body, fresh, err := fetch(ctx, from)
		if err != nil {
			said.warn(ctx, "reading keys", err)
		}
		return body, fresh, err
	}).Key
}

// clientKeys reads key sets of clients. One that the operator named may lie on a private network; strangers' may not, and
// may not point there.
func (g *generation) clientKeys() token.Fetch {
	named := g.c.KeyAddresses()
	return func(ctx context.Context, address string) ([]byte, time.Time, error) {
		if slices.Contains(named, address) {
			return g.named.From(address).Get(ctx, address)
		}
		return g.e.Keys.Get(ctx, address)
	}
}
