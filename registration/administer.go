package registration

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// What an administrator's act can come to besides its success.
var (
	ErrConfigured = errors.New("the configuration lists this client: it is changed there")
	ErrUnfit      = errors.New("not a client")
)

// operatorGrants are what a client that an administrator adds may have.
var operatorGrants = append(slices.Clone(grantTypes), "client_credentials", jwtGrant, deviceGrant, exchangeGrant)

// List is every client but those documents that nobody has to review: first the configured ones, then the kept ones, by id.
func (r *Registry) List(ctx context.Context, now time.Time) ([]Kept, error) {
	var all []Kept
	for _, c := range r.listed {
		all = append(all, Kept{Client: c})
	}
	slices.SortFunc(all, func(a, b Kept) int { return strings.Compare(a.ID, b.ID) })
	kept, err := r.c.Clients.List(ctx, now)
	return append(all, kept...), err
}

// Add lists a client at an administrator's word, for as long as nobody removes it. An empty id is made up; an id that is
// the address of a metadata document lets that document in, and says nothing else. The secret is empty for a client that
// has none. ErrTaken, ErrConfigured, and ErrUnfit with its reason.
func (r *Registry) Add(ctx context.Context, now time.Time, c oauth.Client) (oauth.Client, token.Secret, error) {
	var secret token.Secret
	if _, ok := r.listed[c.ID]; ok {
		return c, secret, ErrConfigured
	}
	c.Source, c.Issued, c.Waits = oauth.Listed, now, false
	if c.ID == "" {
		c.ID = "dw-" + rand.Text()
	}
	if err := fit(&c); err != nil {
		return c, secret, err
	}
	if strings.HasPrefix(c.TokenAuthMethod, "client_secret_") {
		secret, c.SecretHash = newSecret("dws_")
	}
	_, err := r.c.Log.Do(ctx, audit.Record{Code: audit.ClientAdded, Now: now, About: c.ID}, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		_, err := r.c.Clients.Register(ctx, in, Kept{Client: c}, r.c.Limits)
		return audit.Outcome{Client: c.ID}, err
	})
	return c, secret, err
}

// fit judges a client that an administrator describes, and fills in what was left out.
func fit(c *oauth.Client) error {
	unfit := func(format string, a ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrUnfit}, a...)...)
	}
	if oauth.IsDocumentID(c.ID) {
		if reason := oauth.CheckDocumentID(c.ID); reason != "" {
			return unfit("the id looks like the address of a metadata document, but %s", reason)
		}
		*c = oauth.Client{ID: c.ID, Source: c.Source, Issued: c.Issued, ClientMetadata: oauth.ClientMetadata{Name: c.Name}}
		return nil
	}
	if len(c.ID) > 200 || strings.ContainsFunc(c.ID, func(r rune) bool { return r <= 0x20 || r >= 0x7f }) { // RFC 6749 appendix A.1
		return unfit("the id has a space, a character beyond ASCII, or more than 200 characters")
	}
	if err := words(c.ClientMetadata); err != nil {
		return unfit("the name is longer than 200 bytes or has characters that cannot be shown")
	}
	if len(c.GrantTypes) == 0 && len(c.RedirectURIs) > 0 {
		c.GrantTypes = slices.Clone(grantTypes)
	}
	for _, g := range c.GrantTypes {
		if !slices.Contains(operatorGrants, g) {
			return unfit("there is no grant type %s", g)
		}
	}
	if err := fitMethod(c); err != nil {
		return unfit("%w", err)
	}
	for _, u := range c.RedirectURIs {
		if reason := oauth.CheckRedirect(u, ownScheme(u)); reason != "" {
			return unfit("%s cannot be a redirect address: %s", u, reason)
		}
	}
	code := slices.Contains(c.GrantTypes, "authorization_code")
	switch {
	case code != (len(c.RedirectURIs) > 0):
		return unfit("the grant type authorization_code and redirect addresses go together")
	case len(c.GrantTypes) == 0 && len(c.Serves) == 0:
		return unfit("it has neither a redirect address nor a grant type nor a server that it serves")
	case c.Public() && len(c.Serves) > 0:
		return unfit("a client that serves a server reads other people's tokens, so it must authenticate")
	}
	for _, g := range []string{"client_credentials", jwtGrant, exchangeGrant} {
		if slices.Contains(c.GrantTypes, g) && (c.Public() || len(c.Reaches) == 0) {
			return unfit("the grant type %s is for clients that authenticate and reach a server", g)
		}
	}
	return nil
}

// fitMethod settles how the client authenticates: as it says, else with what it has.
func fitMethod(c *oauth.Client) error {
	keys := len(c.JWKS) > 0 || c.JWKSURI != ""
	if c.TokenAuthMethod == "" {
		c.TokenAuthMethod = "client_secret_basic"
		if keys {
			c.TokenAuthMethod = privateKeyJWT
		} else if len(c.RedirectURIs) > 0 && !slices.ContainsFunc(c.RedirectURIs, func(u string) bool { return strings.HasPrefix(u, "https://") }) {
			c.TokenAuthMethod = none
		}
	}
	switch {
	case !slices.Contains(methods, c.TokenAuthMethod):
		return fmt.Errorf("there is no method %s: it can be %s", c.TokenAuthMethod, strings.Join(methods, ", "))
	case keys != (c.TokenAuthMethod == privateKeyJWT):
		return errors.New("private_key_jwt and the client's keys go together")
	case keys:
		if reason := checkKeys(c.JWKS, c.JWKSURI); reason != "" {
			return errors.New(reason)
		}
	}
	return nil
}

// ownScheme is the private-use scheme of a redirect address: what the operator writes needs no list, except that nothing
// which a browser runs is a redirect address.
func ownScheme(uri string) string {
	scheme, _, _ := strings.Cut(uri, ":")
	if slices.Contains(forbidden, scheme) {
		return ""
	}
	return scheme
}

// Approve lets a client in that waits. It counts as used from then on: nobody has to approve it again because it was not
// used at once. ErrNotFound.
func (r *Registry) Approve(ctx context.Context, now time.Time, id string) error {
	k, err := r.c.Clients.Client(ctx, now, id)
	if err != nil {
		return err
	}
	k.Waits, k.Used = false, now
	_, err = r.c.Log.Do(ctx, audit.Record{Code: audit.ClientApproved, Now: now, About: id}, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		return audit.Outcome{Client: id}, r.c.Clients.Change(ctx, in, k)
	})
	return err
}

// Remove takes back what a client was given and forgets it. A metadata document comes back as one that was never seen.
// ErrConfigured; ErrNotFound for a client that was neither kept nor described by a document.
func (r *Registry) Remove(ctx context.Context, now time.Time, id string) error {
	if _, ok := r.listed[id]; ok {
		return ErrConfigured
	}
	if _, err := r.c.Clients.Client(ctx, now, id); err != nil && !oauth.IsDocumentID(id) {
		return err
	}
	return r.remove(ctx, now, id)
}
