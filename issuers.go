package doorward

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/gateway"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/provider"
	"github.com/doorward-mcp/doorward/token"
)

// origin is how it is found out whether a token is an issuer's: by its keys, or by asking it.
type origin struct {
	keys token.Keys
	ask  func(ctx context.Context, raw string) ([]byte, error)
}

// openOrigins makes one origin for each issuer, which all servers share. One that has not changed outlives a reload, with the
// keys that were read.
func (g *generation) openOrigins() error {
	g.origins = map[string]origin{}
	for name, i := range g.c.Issuers {
		secret, err := g.introspector(i)
		if err != nil {
			return fmt.Errorf("issuer %s: %w", name, err)
		}
		o, err := keep(g, "issuer/"+name, []any{i.Issuer, i.JWKSURI, i.Introspection, secret}, func() (origin, func() error, error) {
			if i.Introspection != nil {
				return g.introspected(name, *i.Introspection, secret)
			}
			return origin{keys: g.keysOf(i.Issuer, i.JWKSURI)}, func() error { return nil }, nil
		})
		if err != nil {
			return fmt.Errorf("issuer %s: %w", name, err)
		}
		g.origins[name] = o
	}
	return nil
}

// introspector is the secret with which an issuer is asked about its tokens, if it is.
func (g *generation) introspector(i config.Issuer) (s token.Secret, err error) {
	if i.Introspection == nil || i.Introspection.Secret == "" {
		return s, nil
	}
	secret, err := i.Introspection.Secret.Reveal(g.e.Lookup)
	if err != nil {
		return s, fmt.Errorf("introspection: %w", err)
	}
	return token.NewSecret(secret), nil
}

// introspected asks an issuer about its tokens.
func (g *generation) introspected(name string, c config.Introspection, secret token.Secret) (origin, func() error, error) {
	e := provider.Endpoint{URL: c.Endpoint, ClientID: c.ClientID, Secret: secret, Method: c.Method}
	transport := gateway.Transport()
	transport.MaxIdleConnsPerHost = provider.DefaultAtOnce
	e.HTTP = &http.Client{Transport: transport}
	asked, said := provider.NewIntrospection(e, 0), &rarely{log: g.e.Slog.With("issuer", name), now: g.e.Now}
	ask := func(ctx context.Context, raw string) ([]byte, error) {
		body, err := asked.Ask(ctx, raw)
		if err != nil {
			said.warn(ctx, "tokens cannot be judged", err)
		}
		return body, err
	}
	return origin{ask: ask}, func() error { transport.CloseIdleConnections(); return nil }, nil
}

// issuersOf are the issuers of a server's tokens.
func (g *generation) issuersOf(s config.Server, resource oauth.Resource) (all []token.Issuer) {
	listed := s.Issuers
	if len(listed) == 0 {
		listed = []config.ServerIssuer{{Name: config.OwnIssuer}}
	}
	for _, at := range listed {
		i := token.Issuer{URL: g.c.PublicURL, Keys: token.Own(g.as.Ring), Audiences: []string{resource.URI}}
		if at.Name != config.OwnIssuer {
			c, o := g.c.Issuers[at.Name], g.origins[at.Name]
			i = c.Accepts().Issuer(c.Issuer, at.Here)
			i.Keys, i.Introspect = o.keys, o.ask
			if c.Introspection != nil {
				i.Prefix = c.Introspection.Prefix
			}
		}
		i.Groups = s.GroupIssuer() == at.Name
		all = append(all, i)
	}
	return all
}

// rarely says what goes wrong on every request not more often than anybody reads it.
type rarely struct {
	log  *slog.Logger
	now  func() time.Time
	mu   sync.Mutex // guards last
	last time.Time
}

func (r *rarely) warn(ctx context.Context, text string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := r.now(); now.Sub(r.last) >= 10*time.Second {
		r.last = now
		r.log.WarnContext(ctx, text, "error", err)
	}
}
