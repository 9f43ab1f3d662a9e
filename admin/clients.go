package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/registration"
)

// Registered is what is asked for and what is answered about one client. Secret is shown this once.
type Registered struct {
	ID        string          `json:"client_id"`
	Name      string          `json:"client_name,omitempty"`
	Source    string          `json:"source,omitempty"` // listed, dynamic or document
	Waits     bool            `json:"waits,omitempty"`
	Redirects []string        `json:"redirect_uris,omitempty"`
	Grants    []string        `json:"grant_types,omitempty"`
	Method    string          `json:"token_endpoint_auth_method,omitempty"`
	JWKS      json.RawMessage `json:"jwks,omitempty"`
	JWKSURI   string          `json:"jwks_uri,omitempty"`
	Serves    []string        `json:"serves,omitempty"`  // names of servers, or their resource identifiers
	Reaches   []string        `json:"reaches,omitempty"` // the same
	Since     *time.Time      `json:"registered,omitempty"`
	Used      *time.Time      `json:"used,omitempty"` // when it last got a grant or was approved
	Secret    string          `json:"client_secret,omitempty"`
}

// shortGrants are names that an administrator may write in place of an address.
var shortGrants = map[string]string{
	"device_code":    "urn:ietf:params:oauth:grant-type:device_code",
	"jwt-bearer":     "urn:ietf:params:oauth:grant-type:jwt-bearer",
	"token-exchange": "urn:ietf:params:oauth:grant-type:token-exchange",
}

// ListClients gives the configured clients and those that are kept.
func (a *API) ListClients(ctx context.Context, _ struct{}) ([]Registered, error) {
	kept, err := a.Clients.List(ctx, a.Now())
	all := make([]Registered, 0, len(kept))
	for _, k := range kept {
		r := a.shown(k.Client)
		if !k.Issued.IsZero() {
			r.Since = &k.Issued
		}
		if !k.Used.IsZero() {
			r.Used = &k.Used
		}
		all = append(all, r)
	}
	return all, err
}

// shown is a client as an administrator sees it.
func (a *API) shown(c oauth.Client) Registered {
	return Registered{ID: c.ID, Name: c.Name, Source: c.Source.String(), Waits: c.Waits, Redirects: c.RedirectURIs, Grants: c.GrantTypes, Method: c.TokenAuthMethod,
		JWKSURI: c.JWKSURI, Serves: a.named(c.Serves), Reaches: a.named(c.Reaches)}
}

// named are the names of servers by which an administrator knows resource identifiers.
func (a *API) named(resources []string) (names []string) {
	for _, r := range resources {
		for _, name := range slices.Sorted(maps.Keys(a.Servers)) {
			if a.Servers[name] == r {
				r = name
				break
			}
		}
		names = append(names, r)
	}
	return names
}

// resources are the configured resource identifiers of servers that an administrator named either way.
func (a *API) resources(names []string) (all []string, err error) {
	known := slices.Collect(maps.Values(a.Servers))
	for _, name := range names {
		r := name
		if uri, ok := a.Servers[name]; ok {
			r = uri
		}
		if !slices.Contains(known, r) {
			return nil, refusal{fmt.Sprintf("there is no server %q here; there are %s", name, strings.Join(slices.Sorted(maps.Keys(a.Servers)), ", "))}
		}
		all = append(all, r)
	}
	return all, nil
}

// AddClient lists a client. What r leaves out is filled in, and the answer says how.
func (a *API) AddClient(ctx context.Context, r Registered) (Registered, error) {
	c := oauth.Client{ID: r.ID, ClientMetadata: oauth.ClientMetadata{Name: r.Name, RedirectURIs: r.Redirects, TokenAuthMethod: r.Method, JWKS: r.JWKS, JWKSURI: r.JWKSURI}}
	for _, g := range r.Grants {
		if long, ok := shortGrants[g]; ok {
			g = long
		}
		c.GrantTypes = append(c.GrantTypes, g)
	}
	var err error
	if c.Serves, err = a.resources(r.Serves); err != nil {
		return Registered{}, err
	}
	if c.Reaches, err = a.resources(r.Reaches); err != nil {
		return Registered{}, err
	}
	added, secret, err := a.Clients.Add(ctx, a.Now(), c)
	if err != nil {
		return Registered{}, about(r.ID, err)
	}
	made := a.shown(added)
	made.Secret = secret.Reveal()
	return made, nil
}

// ApproveClient lets a client in that waits.
func (a *API) ApproveClient(ctx context.Context, r Registered) (Registered, error) {
	return Registered{ID: r.ID}, about(r.ID, a.Clients.Approve(ctx, a.Now(), r.ID))
}

// RemoveClient takes back whatever a client was given, and forgets it.
func (a *API) RemoveClient(ctx context.Context, r Registered) (Registered, error) {
	return Registered{ID: r.ID}, about(r.ID, a.Clients.Remove(ctx, a.Now(), r.ID))
}

// about turns an error of the registry into an answer where the administrator can do something about it.
func about(id string, err error) error {
	switch {
	case errors.Is(err, registration.ErrNotFound):
		return refusal{fmt.Sprintf("there is no client %q here", id)}
	case errors.Is(err, registration.ErrTaken):
		return refusal{fmt.Sprintf("there is a client %q already", id)}
	case errors.Is(err, registration.ErrConfigured):
		return refusal{fmt.Sprintf("%q stands in the configuration: change it there", id)}
	case errors.Is(err, registration.ErrUnfit):
		return refusal{err.Error()}
	}
	return err
}

// Clients is API.ListClients.
func (c *Client) Clients(ctx context.Context) (all []Registered, err error) {
	err = c.post(ctx, "/clients/list", struct{}{}, &all)
	return all, err
}

// AddClient is API.AddClient.
func (c *Client) AddClient(ctx context.Context, r Registered) (made Registered, err error) {
	err = c.post(ctx, "/clients/add", r, &made)
	return made, err
}

// ApproveClient is API.ApproveClient.
func (c *Client) ApproveClient(ctx context.Context, id string) error {
	return c.post(ctx, "/clients/approve", Registered{ID: id}, &Registered{})
}

// RemoveClient is API.RemoveClient.
func (c *Client) RemoveClient(ctx context.Context, id string) error {
	return c.post(ctx, "/clients/remove", Registered{ID: id}, &Registered{})
}
