package authserver

import (
	"context"
	"errors"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/grant"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// ErrNotFound is a store's error for what is not there, or is there no longer.
var ErrNotFound = errors.New("not found")

// Store is everything that this package keeps. Reading takes now; changing takes an Intent, which has it.
type Store struct {
	Pendings Pendings
	Grants   Grants
	Consents Consents
	Revoked  Revoker
	Keys     Keys
}

// Pendings are authorization requests that wait for a person. They end by themselves.
type Pendings interface {
	Begin(ctx context.Context, now, until time.Time, p Pending) error
	Pending(ctx context.Context, now time.Time, id string) (Pending, error)
	// Answer stores p.With(a) in one act.
	Answer(ctx context.Context, now time.Time, id string, a Answer) error
}

// Grants are completed authorizations.
type Grants interface {
	// Approve ends the pending request and writes its grant. ErrNotFound: it has ended before; nothing is written.
	Approve(ctx context.Context, in audit.Intent, pending string, g grant.Grant) error
	// Redeem and Rotate write what grant.Grant's methods of those names say, with the revocation if the verdict is
	// Stolen. What names no grant is grant.Refused.
	Redeem(ctx context.Context, in audit.Intent, c grant.Code) (grant.Grant, grant.Verdict, error)
	Rotate(ctx context.Context, in audit.Intent, r grant.Refresh, l grant.Lifetimes) (grant.Grant, grant.Verdict, error)
	// Revoke ends a grant and hits its access tokens. One that has ended before is no error.
	Revoke(ctx context.Context, in audit.Intent, id string) error
	// Find is a grant as it stands, ended or not.
	Find(ctx context.Context, now time.Time, id string) (grant.Grant, error)
}

// Consents are what people agreed to, for clients whose consent is remembered.
type Consents interface {
	// Consent is what p agreed to for client and resource; empty if nothing, or if the client has changed since.
	Consent(ctx context.Context, now time.Time, p token.Principal, client oauth.Client, resource string) (oauth.Scopes, error)
	Remember(ctx context.Context, in audit.Intent, until time.Time, p token.Principal, client oauth.Client, resource string, s oauth.Scopes) error
	// Approved reports whether p has a grant with client that stands: the error of a request may then go there unseen.
	Approved(ctx context.Context, now time.Time, p token.Principal, client string) (bool, error)
}

// Revoker takes tokens back.
type Revoker interface {
	Revoke(context.Context, audit.Intent, token.Revocation) error
}

// Keys are our signing keys.
type Keys interface {
	Keys(ctx context.Context, now time.Time) ([]token.Key, error)
	// Add adds k; keys that have no end yet get retire as theirs.
	Add(ctx context.Context, in audit.Intent, k token.Key, retire time.Time) error
}
