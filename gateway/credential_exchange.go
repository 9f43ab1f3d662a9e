package gateway

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/doorward-mcp/doorward/provider"
	"github.com/doorward-mcp/doorward/token"
)

// ClientCredentials asks for a token of the gateway's own, whoever calls. RFC 6749 §4.4.
func ClientCredentials(e provider.Endpoint, w provider.Wanted) Asking {
	return func(ctx context.Context, now time.Time, _ token.Caller) (provider.Token, error) {
		return e.ClientCredentials(ctx, now, w)
	}
}

// ExchangeConfig is an exchange at somebody else's authorization server. What it is shown is not the token that came in,
// which was meant for us: it is an assertion of ours about who calls, meant for that server alone and good for a minute.
type ExchangeConfig struct {
	Endpoint provider.Endpoint
	Wanted   provider.Wanted
	Ring     func() *token.Ring
	Audience string // what the assertion is meant for: the server's issuer, or its token endpoint (RFC 7523 §3)
	Kind     string // subject_token_type; empty: provider.TypeJWT
	Bearer   bool   // the assertion is the grant, RFC 7523 §2.1, in place of RFC 8693

	// Issuer is whose callers are exchanged. There is one: the assertion is ours, so its sub says nothing of the issuer
	// under which it is unique, and two people of two issuers could be one to the server.
	Issuer string
}

// ErrNoSubject is the error of an exchange for nobody, or for somebody whom another issuer knows.
var ErrNoSubject = errors.New("the caller is nobody for whom a token can be exchanged")

// Exchange asks for a token on behalf of the caller. RFC 8693.
func Exchange(c ExchangeConfig) Asking {
	return func(ctx context.Context, now time.Time, who token.Caller) (provider.Token, error) {
		if who.Subject == "" || who.Issuer != c.Issuer {
			return provider.Token{}, ErrNoSubject
		}
		assertion, err := c.Ring().Caller(now, c.Audience, who)
		if err != nil {
			return provider.Token{}, fmt.Errorf("making a subject token: %w", err)
		}
		if c.Bearer {
			return c.Endpoint.Bearer(ctx, now, token.NewSecret(assertion), c.Wanted)
		}
		return c.Endpoint.Exchange(ctx, now, token.NewSecret(assertion), c.Kind, c.Wanted)
	}
}

// identity is all that an assertion says of a caller, as the key of a cache: two callers have the same only if every
// assertion about them is the same but for its times. Each part stands after its length, so that none runs into the next.
func identity(c token.Caller) string {
	var space [512]byte
	b := space[:0]
	put := func(s string) { b = append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	put(c.Issuer)
	put(c.Subject)
	put(c.Client)
	put(c.ACR)
	b = binary.AppendVarint(b, c.Authenticated.Unix())
	b = binary.AppendUvarint(b, uint64(len(c.Scopes)))
	for _, s := range c.Scopes {
		put(s)
	}
	b = binary.AppendUvarint(b, uint64(len(c.Groups)))
	for _, g := range c.Groups {
		put(g)
	}
	b = binary.AppendUvarint(b, uint64(len(c.Chain)))
	for _, a := range c.Chain {
		put(a.Issuer)
		put(a.Subject)
		put(a.Client)
		put(a.How)
	}
	put(string(c.Task.Details()))
	return string(b)
}
