package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/doorward-mcp/doorward/oauth"
)

const (
	maxServers = 5    // authorization servers of one resource that are tried
	maxIssuer  = 2048 // characters of an issuer
	methodS256 = "S256"
)

// discovered is what a server's challenge leads to: who issues tokens, and for what.
type discovered struct {
	resource string // the identifier to ask tokens for
	scopes   oauth.Scopes
	server   oauth.ServerMetadata
	bare     bool // there is no server metadata: the defaults of 2025-03-26
}

// discover follows a challenge to the metadata of the authorization server.
func (t *Transport) discover(ctx context.Context, ch oauth.Challenge) (discovered, error) {
	if err := t.net.signInAllowed(); err != nil {
		return discovered{}, fmt.Errorf("%w: %w", ErrSignIn, err)
	}
	found, err := t.follow(ctx, ch)
	if err != nil {
		return discovered{}, fmt.Errorf("%w: %w", ErrSignIn, err)
	}
	return found, nil
}

func (t *Transport) follow(ctx context.Context, ch oauth.Challenge) (discovered, error) {
	doc, err := t.resourceMetadata(ctx, ch)
	if errors.Is(err, errNoDocument) {
		// MCP 2025-03-26, Server Metadata Discovery: the server's origin is the authorization server.
		return t.legacy(ctx)
	}
	if err != nil {
		return discovered{}, err
	}
	scopes, err := oauth.ParseScopes(strings.Join(doc.ScopesSupported, " "))
	if err != nil {
		return discovered{}, fmt.Errorf("scopes_supported of the resource: %w", err)
	}
	found := discovered{resource: doc.Resource, scopes: scopes}
	found.server, err = t.choose(ctx, doc.AuthorizationServers)
	return found, err
}

// choose takes the first usable authorization server; the one whose tokens are in hand, or that a registered client id
// is for, goes first. RFC 9728 §7.6 leaves the choice to the client.
func (t *Transport) choose(ctx context.Context, issuers []string) (oauth.ServerMetadata, error) {
	if len(issuers) == 0 {
		return oauth.ServerMetadata{}, errors.New("the server's metadata names no authorization server")
	}
	if want := t.o.Registered.Issuer; want != "" {
		// A registered id is for one issuer and is shown to no other. MCP 2026-07-28, Authorization Server Binding.
		if !slices.Contains(issuers, want) {
			return oauth.ServerMetadata{}, differ("the authorization server", want, issuers[0])
		}
		return t.serverMetadata(ctx, want)
	}
	issuers = slices.Clone(issuers[:min(len(issuers), maxServers)])
	if cur := t.have(); cur != nil {
		if i := slices.Index(issuers, cur.Issuer); i > 0 {
			issuers[0], issuers[i] = issuers[i], issuers[0]
		}
	}
	var failed error
	for _, issuer := range issuers {
		md, err := t.serverMetadata(ctx, issuer)
		if err == nil {
			return md, nil
		}
		failed = errors.Join(failed, err)
	}
	return oauth.ServerMetadata{}, failed
}

// serverMetadata reads an issuer's document at the addresses of RFC 8414 §3.1 and OpenID Connect Discovery, in order.
func (t *Transport) serverMetadata(ctx context.Context, issuer string) (oauth.ServerMetadata, error) {
	if len(issuer) > maxIssuer || strings.ContainsAny(issuer, "?#") {
		return oauth.ServerMetadata{}, fmt.Errorf("%q is no issuer", printable(issuer, 300))
	}
	var md oauth.ServerMetadata
	from, err := t.firstDocument(ctx, oauth.ServerMetadataURLs(issuer), &md)
	if err != nil {
		return md, fmt.Errorf("reading the metadata of the authorization server %s: %w", printable(issuer, 300), err)
	}
	return md, t.checkServer(from, issuer, md)
}

func (t *Transport) checkServer(from, issuer string, md oauth.ServerMetadata) error {
	// RFC 8414 §3.3: the issuer must be identical to the one that the address was built from; no normalization.
	if md.Issuer != issuer {
		return differ("the issuer in "+from, issuer, md.Issuer)
	}
	// MCP 2025-11-25, Authorization Code Protection: without the member, or without S256, refuse.
	if !slices.Contains(md.ChallengeMethods, methodS256) {
		return fmt.Errorf("%s does not list %s in code_challenge_methods_supported: PKCE cannot be relied on there", from, methodS256)
	}
	if len(md.ResponseTypes) > 0 && !slices.Contains(md.ResponseTypes, "code") {
		return fmt.Errorf("%s does not support the response type code", from)
	}
	for name, u := range map[string]string{"authorization_endpoint": md.AuthorizationEndpoint, "token_endpoint": md.TokenEndpoint} {
		if err := t.net.endpoint(u); err != nil {
			return fmt.Errorf("%s of %s: %w", name, from, err)
		}
	}
	return nil
}

// legacy is the discovery of 2025-03-26: the path is dropped, metadata is tried first, then the default endpoints.
func (t *Transport) legacy(ctx context.Context) (discovered, error) {
	origin := oauth.Origin(t.address())
	if want := t.o.Registered.Issuer; want != "" && want != origin {
		return discovered{}, differ("the authorization server", want, origin)
	}
	found := discovered{resource: t.address()}
	var err error
	found.server, err = t.serverMetadata(ctx, origin)
	if errors.Is(err, errNoDocument) {
		found.bare = true
		found.server = oauth.ServerMetadata{
			Issuer:                origin,
			AuthorizationEndpoint: origin + "/authorize",
			TokenEndpoint:         origin + "/token",
			RegistrationEndpoint:  origin + "/register",
		}
		return found, nil
	}
	return found, err
}
