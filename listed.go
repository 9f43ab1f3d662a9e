package doorward

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// secretLength is how short a listed client's secret may be. Nobody guesses sixteen random characters; words are guessed.
const secretLength = 16

// listed are the clients of the configuration as the roles know them: secrets looked up and hashed, names of servers as
// their resources.
func (g *generation) listed() (all []oauth.Client, err error) {
	for _, c := range g.c.Clients.Listed {
		client, err := g.client(c)
		if err != nil {
			return nil, fmt.Errorf("client %s: %w", c.ID, err)
		}
		all = append(all, client)
	}
	return all, nil
}

func (g *generation) client(c config.Client) (oauth.Client, error) {
	client := oauth.Client{ID: c.ID, Source: oauth.Listed, Serves: g.uris(c.Serves), Reaches: g.uris(c.Reaches), ClientMetadata: oauth.ClientMetadata{
		Name: c.Name, RedirectURIs: c.RedirectURIs, TokenAuthMethod: c.Method(), GrantTypes: c.Grants(), Scope: c.Scope, JWKSURI: c.JWKSURI,
		LogoutURIs: c.LogoutURIs, DPoPBound: c.DPoPBound}}
	if c.Evaluates {
		client.Reaches = append(client.Reaches, g.evaluation().URI)
	}
	if w := c.Workload; w != nil {
		client.WorkloadIssuer, client.WorkloadSubject, client.WorkloadClaims = w.Issuer, w.Subject, w.Claims
	}
	if c.Secret != "" {
		secret, err := c.Secret.Reveal(g.e.Lookup)
		if err != nil {
			return client, fmt.Errorf("secret: %w", err)
		}
		if len(secret) < secretLength {
			return client, fmt.Errorf("secret: what %s leads to is shorter than %d characters: openssl rand -hex 32 makes a good one", c.Secret, secretLength)
		}
		client.SecretHash = sha256.Sum256([]byte(secret))
	}
	if c.JWKSFile == "" {
		return client, nil
	}
	text, err := g.e.Lookup("file", c.JWKSFile)
	if err != nil {
		return client, fmt.Errorf("jwks_file: %w", err)
	}
	if _, err := token.FixedKeys([]byte(text)); err != nil {
		return client, fmt.Errorf("jwks_file: %s: %w", c.JWKSFile, err)
	}
	client.JWKS = json.RawMessage(text)
	return client, nil
}

// uris are the resources of servers.
func (g *generation) uris(names []string) (all []string) {
	for _, name := range names {
		all = append(all, g.c.Resource(g.c.Servers[name]).URI)
	}
	return all
}

// workload finds the listed client that is a workload, whatever else its assertion must claim.
func workload(listed []oauth.Client) func(context.Context, token.Principal) (oauth.Client, bool, error) {
	clients := map[token.Principal]oauth.Client{}
	for _, c := range listed {
		if c.WorkloadIssuer != "" {
			clients[token.Principal{Issuer: c.WorkloadIssuer, Subject: c.WorkloadSubject}] = c
		}
	}
	return func(_ context.Context, who token.Principal) (oauth.Client, bool, error) {
		c, ok := clients[who]
		return c, ok, nil
	}
}
