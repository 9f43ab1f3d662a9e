package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// Discover reads the key set of the issuer that it is given, where the issuer's metadata says: token.NewSet(issuer,
// Discover(fetch)) are the keys of an issuer whose address is all that is known. The metadata is read anew whenever the keys are.
func Discover(fetch token.Fetch) token.Fetch {
	return func(ctx context.Context, issuer string) ([]byte, time.Time, error) {
		address, err := keysAddress(ctx, issuer, fetch)
		if err != nil {
			return nil, time.Time{}, fmt.Errorf("finding the keys of %s: %w", issuer, err)
		}
		return fetch(ctx, address)
	}
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
