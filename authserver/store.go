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
	Devices  Devices
	Once     Once
}

// Pendings are authorization requests that wait for a person. They end by themselves.
type Pendings interface {
	Begin(ctx context.Context, now, until time.Time, p Pending) error
	Pending(ctx context.Context, now time.Time, id string) (Pending, error)
	// Answer stores p.With(a) in one act.
	Answer(ctx context.Context, now time.Time, id string, a Answer) error
	// Take gives a pending request and ends it, in one act: it is given once.
	Take(ctx context.Context, now time.Time, id string) (Pending, error)
}

// Grants are completed authorizations.
type Grants interface {
	// Approve ends the pending request, and the device's if it is for one, and writes the grant. ErrNotFound: one of them has
	// ended before; nothing is written.
	Approve(ctx context.Context, in audit.Intent, p Pending, g grant.Grant) error
	// Redeem and Rotate write what grant.Grant's methods of those names say, with the revocation if the verdict is
	// Stolen. What names no grant is grant.Refused.
	Redeem(ctx context.Context, in audit.Intent, c grant.Code) (grant.Grant, grant.Verdict, error)
	Rotate(ctx context.Context, in audit.Intent, r grant.Refresh, l grant.Lifetimes) (grant.Grant, grant.Verdict, error)
	// Revoke ends a grant and hits its access tokens. One that has ended before is no error.
	Revoke(ctx context.Context, in audit.Intent, id string) error
	// Find is a grant as it stands, ended or not.
	Find(ctx context.Context, now time.Time, n grant.Name) (grant.Grant, error)
}

// Consents are what people agreed to, for clients whose consent is remembered.
type Consents interface {
	// Consent is what p agreed to for client and resource; empty if nothing, or if the client has changed since.
	Consent(ctx context.Context, now time.Time, p token.Principal, client oauth.Client, resource string) (oauth.Scopes, error)
	Remember(ctx context.Context, in audit.Intent, until time.Time, p token.Principal, client oauth.Client, resource string, s oauth.Scopes) error
	// Approved reports whether p has a grant with client that stands: the error of a request may then go there unseen.
	Approved(ctx context.Context, now time.Time, p token.Principal, client string) (bool, error)
}

// Revoker takes tokens back, and knows which were.
type Revoker interface {
	Revoke(context.Context, audit.Intent, token.Revocation) error
	Revoked(token.Caller) bool
}

// Devices are device authorization requests that wait for a person. They end by themselves.
type Devices interface {
	Begin(ctx context.Context, now time.Time, d Device) error
	// Find is the request of a user code that nobody has answered.
	Find(ctx context.Context, now time.Time, userCode string) (Device, error)
	// Poll is the request of a device code, and whether it was asked about too soon: then its interval has grown.
	Poll(ctx context.Context, now time.Time, code [32]byte) (d Device, soon bool, err error)
	Decline(ctx context.Context, now time.Time, code [32]byte) error
}

// Once marks id of a kind as used, until a time from which on it is refused anyway, and reports whether it was new.
type Once func(ctx context.Context, now time.Time, kind, id string, until time.Time) (fresh bool, err error)

// Keys are our signing keys.
type Keys interface {
	Keys(ctx context.Context, now time.Time) ([]token.Key, error)
	// Add adds k; keys that have no end yet get retire as theirs.
	Add(ctx context.Context, in audit.Intent, k token.Key, retire time.Time) error
}
