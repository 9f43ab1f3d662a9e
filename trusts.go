package doorward

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// trusts are the issuers whose assertions are taken, with their keys.
func (i *Installation) trusts() (all []authserver.Trust) {
	for _, a := range i.c.AssertionIssuers {
		all = append(all, authserver.Trust{Issuer: a.Issuer, Keys: i.keysOf(a), Identity: a.Kind == "identity", Audience: a.Audience})
	}
	return all
}

// keysOf are the keys of an issuer: at the address that the operator gave, else where the issuer's metadata says, which is
// read anew whenever the keys are.
func (i *Installation) keysOf(a config.AssertionIssuer) token.Keys {
	if a.JWKSURI != "" {
		return token.NewSet(a.JWKSURI, i.e.Named.From(a.JWKSURI).Get).Key
	}
	fetch := i.e.Named.From(a.Issuer).Get
	return token.NewSet(a.Issuer, func(ctx context.Context, issuer string) ([]byte, time.Time, error) {
		address, err := keysAddress(ctx, issuer, fetch)
		if err != nil {
			return nil, time.Time{}, err
		}
		return fetch(ctx, address)
	}).Key
}

// keysAddress is the jwks_uri of an issuer's metadata. Platforms have theirs where OpenID Connect Discovery 1.0 §4 says,
// which is asked first.
func keysAddress(ctx context.Context, issuer string, fetch token.Fetch) (string, error) {
	places := append([]string{strings.TrimSuffix(issuer, "/") + oauth.WellKnownOpenID}, oauth.ServerMetadataURLs(issuer)...)
	var failed error
	for n, place := range places {
		if slices.Index(places, place) < n {
			continue
		}
		body, _, err := fetch(ctx, place)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		var m oauth.ServerMetadata
		if err := json.Unmarshal(body, &m); err != nil {
			return "", fmt.Errorf("the metadata at %s is not a JSON object", place)
		}
		// OpenID Connect Discovery 1.0 §4.3, RFC 8414 §3.3: it MUST be identical.
		if m.Issuer != issuer {
			return "", fmt.Errorf("the metadata at %s is that of another issuer", place)
		}
		if m.JWKSURI == "" {
			return "", fmt.Errorf("the metadata at %s names no keys", place)
		}
		return m.JWKSURI, nil
	}
	return "", failed
}

// clientKeys reads key sets of clients. One that the operator named may lie on a private network; strangers' may not, and
// may not point there.
func (i *Installation) clientKeys() token.Fetch {
	named := i.c.KeyAddresses()
	return func(ctx context.Context, address string) ([]byte, time.Time, error) {
		if slices.Contains(named, address) {
			return i.e.Named.From(address).Get(ctx, address)
		}
		return i.e.Keys.Get(ctx, address)
	}
}
