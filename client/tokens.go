package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	json "github.com/go-json-experiment/json"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// tokens are what one sign-in gave, as the last refresh left it. Only proven changes once a Transport holds them.
type tokens struct {
	Issuer   string // who gave them; they go back to nobody else
	Resource string // what they are for
	Endpoint string // the issuer's token endpoint at that time
	Client   registration

	Access, Refresh token.Secret
	Expires         time.Time     // zero: not said
	Life            time.Duration // of the access token when it was new
	Granted, Asked  oauth.Scopes  // Asked gathers over all sign-ins at this issuer

	refreshed bool // by this process, and not by a sign-in
	proven    bool // the server took the access token; guarded by Transport.mu
}

const (
	mostLeeway  = 30 * time.Second
	shareLeeway = 4 // of short lives, a quarter
)

// due reports whether a refresh should come before the next use.
func (c *tokens) due(now time.Time) bool {
	leeway := mostLeeway
	if c.Life > 0 {
		leeway = min(leeway, c.Life/shareLeeway)
	}
	return !c.Expires.IsZero() && !now.Add(leeway).Before(c.Expires)
}

// record is tokens as the Keeper keeps them: the one place where the secrets are text.
type record struct {
	Issuer   string       `json:"issuer"`
	Resource string       `json:"resource"`
	Endpoint string       `json:"token_endpoint"`
	Client   clientRecord `json:"client"`
	Access   string       `json:"access_token"`
	Refresh  string       `json:"refresh_token,omitempty"`
	Expires  time.Time    `json:"expires,omitzero"`
	Life     int64        `json:"life,omitempty"` // seconds
	Granted  string       `json:"scope,omitempty"`
	Asked    string       `json:"asked,omitempty"`
}

// pointer is kept under a server's address: which issuer's tokens are for it.
type pointer struct {
	Issuer   string `json:"issuer"`
	Resource string `json:"resource"`
	Client   string `json:"client_id"`
	Listed   bool   `json:"listed,omitempty"`
}

// load asks the Keeper once for what an earlier process left.
func (t *Transport) load(ctx context.Context) error {
	t.mu.Lock()
	done := t.loaded
	t.mu.Unlock()
	if done {
		return nil
	}
	cur, err := t.kept(ctx)
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		// What cannot be opened is as good as nothing: a sign-in replaces it.
		t.log.WarnContext(ctx, "the kept tokens cannot be read", "server", t.address(), "error", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.loaded {
		t.loaded, t.cur = true, cur
	}
	return nil
}

// kept reads the tokens for this server, by way of its pointer. ErrNotFound: there are none.
func (t *Transport) kept(ctx context.Context) (*tokens, error) {
	var p pointer
	if err := t.read(ctx, Key{Resource: t.address()}, &p); err != nil {
		return nil, err
	}
	return t.keptAt(ctx, p.Issuer, p.Resource)
}

func (t *Transport) keptAt(ctx context.Context, issuer, resource string) (*tokens, error) {
	var r record
	if err := t.read(ctx, Key{issuer, resource}, &r); err != nil {
		return nil, err
	}
	// A record that was moved is no record of ours.
	if r.Issuer != issuer || r.Resource != resource || r.Access == "" {
		return nil, fmt.Errorf("the record of %s belongs elsewhere", printable(issuer, 300))
	}
	if id := t.o.Registered.ID; id != "" && r.Client.ID != id {
		return nil, fmt.Errorf("the kept tokens are of another client id: %w", ErrNotFound)
	}
	granted, err := oauth.ParseScopes(r.Granted)
	if err != nil {
		return nil, err
	}
	asked, err := oauth.ParseScopes(r.Asked)
	if err != nil {
		return nil, err
	}
	return &tokens{
		Issuer: r.Issuer, Resource: r.Resource, Endpoint: r.Endpoint, Client: r.Client.open(),
		Access: token.NewSecret(r.Access), Refresh: token.NewSecret(r.Refresh),
		Expires: r.Expires, Life: time.Duration(r.Life) * time.Second, Granted: granted, Asked: asked,
	}, nil
}

// keep writes the tokens and makes the server's address point at them.
func (t *Transport) keep(ctx context.Context, c *tokens) error {
	r := record{
		Issuer: c.Issuer, Resource: c.Resource, Endpoint: c.Endpoint, Client: c.Client.record(),
		Access: c.Access.Reveal(), Refresh: c.Refresh.Reveal(), Expires: c.Expires.UTC().Round(0), Life: int64(c.Life / time.Second),
		Granted: c.Granted.String(), Asked: c.Asked.String(),
	}
	if err := t.write(ctx, Key{c.Issuer, c.Resource}, r); err != nil {
		return err
	}
	return t.write(ctx, Key{Resource: t.address()}, pointer{c.Issuer, c.Resource, c.Client.ID, c.Client.Source == oauth.Listed})
}

func (t *Transport) read(ctx context.Context, k Key, v any) error {
	text, err := t.o.Keeper.Load(ctx, k)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}

func (t *Transport) write(ctx context.Context, k Key, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return t.o.Keeper.Save(ctx, k, text)
}
