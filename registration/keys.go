package registration

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// ErrNoKeys is the error of a client that has no keys to sign with.
var ErrNoKeys = errors.New("the client has no keys")

// Keys are those with which c signs its assertions: its key set, or the one at its address, which is kept and renewed.
func (r *Registry) Keys(c oauth.Client) (token.Keys, error) {
	if len(c.JWKS) == 0 && c.JWKSURI == "" {
		return nil, ErrNoKeys
	}
	return r.keys(c.JWKS, c.JWKSURI)
}

func (r *Registry) keys(jwks []byte, uri string) (token.Keys, error) {
	if len(jwks) > 0 {
		return token.FixedKeys(jwks)
	}
	set, _ := r.sets.ComputeIfAbsent(uri, func() (*token.Set, bool) {
		return token.NewSet(uri, func(ctx context.Context, uri string) ([]byte, time.Time, error) {
			if r.c.FetchKeys == nil {
				return nil, time.Time{}, errors.New("nothing is read from outside here")
			}
			return r.c.FetchKeys(ctx, uri)
		}), false
	})
	return set.Key, nil
}

// checkKeys says why keys cannot be a client's; empty: they can. RFC 7591 §2: jwks and jwks_uri exclude each other.
func checkKeys(jwks []byte, uri string) (reason string) {
	switch {
	case len(jwks) > 0 && uri != "":
		return "jwks and jwks_uri exclude each other"
	case uri != "":
		u, err := url.Parse(uri)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" || len(uri) > 2048 {
			return "jwks_uri is not an https address"
		}
		return ""
	}
	if _, err := token.FixedKeys(jwks); err != nil {
		return "jwks is no set of public keys that can verify here"
	}
	return ""
}
