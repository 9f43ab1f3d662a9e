package client

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// The ways to authenticate at a token endpoint that this client knows. RFC 7591 §2.
const (
	methodNone  = "none"
	methodBasic = "client_secret_basic"
	methodPost  = "client_secret_post"
)

// methods are in the order in which a client with a secret takes them. RFC 6749 §2.3.1 prefers Basic.
var methods = [...]string{methodBasic, methodPost, methodNone}

// registration is a client id at one issuer and how it authenticates there.
type registration struct {
	Issuer   string
	ID       string
	Source   oauth.Source
	Secret   token.Secret
	Method   string
	Redirect string
	Expires  time.Time // of the secret; zero: never

	fresh bool // made for this sign-in: making another would end alike
}

// clientRecord is a registration as it is kept.
type clientRecord struct {
	Issuer   string    `json:"issuer"`
	ID       string    `json:"client_id"`
	Source   int       `json:"source"`
	Secret   string    `json:"client_secret,omitempty"`
	Method   string    `json:"token_endpoint_auth_method"`
	Redirect string    `json:"redirect_uri"`
	Expires  time.Time `json:"secret_expires,omitzero"`
}

func (r registration) record() clientRecord {
	return clientRecord{r.Issuer, r.ID, int(r.Source), r.Secret.Reveal(), r.Method, r.Redirect, r.Expires.UTC().Round(0)}
}

func (r clientRecord) open() registration {
	return registration{
		Issuer: r.Issuer, ID: r.ID, Source: oauth.Source(r.Source), Secret: token.NewSecret(r.Secret),
		Method: r.Method, Redirect: r.Redirect, Expires: r.Expires,
	}
}

// registered gives the client id to use at md without asking anybody: MCP 2025-11-25, Client Registration Approaches:
// first the one given beforehand, then the metadata document where it is supported. ErrNotFound: register.
func (t *Transport) registered(ctx context.Context, md oauth.ServerMetadata) (registration, error) {
	if given := t.o.Registered; given.ID != "" {
		if err := t.boundElsewhere(ctx, md.Issuer); err != nil {
			return registration{}, err
		}
		method := given.Method
		if method == "" {
			method = pickMethod(md, !given.Secret.Empty())
		}
		if method == "" {
			return registration{}, fmt.Errorf("%s lists no token endpoint authentication that this client can do", printable(md.Issuer, 300))
		}
		return registration{Issuer: md.Issuer, ID: given.ID, Source: oauth.Listed, Secret: given.Secret, Method: method, Redirect: t.o.Redirect}, nil
	}
	if t.o.Document != "" && md.ClientIDDocuments {
		return registration{Issuer: md.Issuer, ID: t.o.Document, Source: oauth.Document, Method: methodNone, Redirect: t.o.Redirect}, nil
	}
	var kept clientRecord
	err := t.read(ctx, Key{Issuer: md.Issuer}, &kept)
	switch {
	case err != nil && ctx.Err() != nil:
		return registration{}, ctx.Err()
	case err != nil, kept.Issuer != md.Issuer, kept.ID == "":
		return registration{}, ErrNotFound
	case !t.fits(kept.Redirect): // the options ask for another address now
		return registration{}, ErrNotFound
	case !kept.Expires.IsZero() && !t.o.Now().Before(kept.Expires): // RFC 7591 §3.2.1, client_secret_expires_at
		return registration{}, ErrNotFound
	}
	return kept.open(), nil
}

// fits reports whether redirect is the one of the options, whose port is free when it is 0 or not there.
func (t *Transport) fits(redirect string) bool {
	u, err := url.Parse(t.o.Redirect)
	if err != nil {
		return false
	}
	if p := u.Port(); p != "" && p != "0" {
		return redirect == t.o.Redirect
	}
	return oauth.MatchRedirect([]string{t.o.Redirect}, redirect)
}

// boundElsewhere refuses to show a given client id to another issuer than the one it was used at before.
// MCP 2026-07-28, Authorization Server Binding: report an error instead of trying it.
func (t *Transport) boundElsewhere(ctx context.Context, issuer string) error {
	var p pointer
	if err := t.read(ctx, Key{Resource: t.address()}, &p); err != nil || !p.Listed || p.Client != t.o.Registered.ID || p.Issuer == issuer {
		return nil
	}
	return fmt.Errorf("the client id %q is for %s, and the server now names %s: say which issuer it is for, or register there anew",
		printable(p.Client, 200), printable(p.Issuer, 300), printable(issuer, 300))
}

// pickMethod chooses what the server lists; "" when it lists nothing that this client can do. RFC 8414 §2: without a
// list it is client_secret_basic.
func pickMethod(md oauth.ServerMetadata, secret bool) string {
	if !secret {
		return methodNone
	}
	for _, m := range methods {
		if slices.Contains(md.TokenAuthMethods, m) {
			return m
		}
	}
	if len(md.TokenAuthMethods) > 0 {
		return ""
	}
	return methodBasic
}
