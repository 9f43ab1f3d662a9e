package registration

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/maypok86/otter/v2"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// What a store answers besides a client.
var (
	ErrNotFound = errors.New("not found")               // it does not have the client
	ErrTaken    = errors.New("the id is taken")         // of a client that an administrator adds
	ErrFull     = errors.New("too many unused clients") // the registration is beyond a quota of clients that nobody has used
)

// Kept is a client as it is kept, with what only registration asks for.
type Kept struct {
	oauth.Client
	Fingerprint string    // the same for registrations that differ only in a loopback port; empty: like no other
	Management  [32]byte  // SHA-256 of its registration access token; the zero hash: it has none
	Network     string    // from where it registered, while it is unused
	Used        time.Time // when it last got a grant, or an administrator approved it; the zero time: never
}

// Clients are what is kept: dynamic clients, those that an administrator added, and documents that await their review.
type Clients interface {
	Client(ctx context.Context, now time.Time, id string) (Kept, error)
	// Register keeps k, or gives the client with the same id or fingerprint that is kept already; ErrTaken for the id of
	// a listed one. ErrFull: only so many clients may wait for their first grant; listed ones are not counted.
	Register(ctx context.Context, in audit.Intent, k Kept, l Limits) (Kept, error)
	// Change replaces what k says of itself, its hashes and whether it waits. Used is never set back.
	Change(ctx context.Context, in audit.Intent, k Kept) error
	Remove(ctx context.Context, in audit.Intent, id string) error
	List(ctx context.Context, now time.Time) ([]Kept, error)
}

// Limits of registration; a member that is zero is the default beside it.
type Limits struct {
	Unused        int `yaml:"unused_clients"`         // clients that nobody has used yet: 10,000
	UnusedAddress int `yaml:"unused_clients_address"` // of them from one address: 500
	PerMinute     int `yaml:"registrations_minute"`   // from one address: 30
	Documents     int `yaml:"documents_minute"`       // documents that are read for one address: 30
}

// WithDefaults fills in what is zero.
func (l Limits) WithDefaults() Limits {
	for _, d := range []struct {
		v   *int
		def int
	}{{&l.Unused, 10_000}, {&l.UnusedAddress, 500}, {&l.PerMinute, 30}, {&l.Documents, 30}} {
		if *d.v == 0 {
			*d.v = d.def
		}
	}
	return l
}

// Config is one registry.
type Config struct {
	Issuer  string // of this installation: the addresses of management begin with it
	Clients Clients
	Listed  []oauth.Client // the operator's
	Default string         // a listed public client with which /register answers everybody; empty: a client gets its own
	Policy  Policy
	Limits  Limits
	// InitialAccessToken must come with each registration as a bearer token. RFC 7591 §3. Empty: none is asked for.
	InitialAccessToken token.Secret
	Fetch              token.Fetch // reads metadata documents; nil: documents are refused
	FetchKeys          token.Fetch // reads key sets, which are larger; nil: Fetch
	// Ended takes back whatever a client was given; it is called before the client is removed. Nil: nobody manages a
	// registration, and no client is removed.
	Ended func(ctx context.Context, in audit.Intent, client string) error
	Log   *audit.Log
	Slog  *slog.Logger // nil: slog.Default
}

// Registry knows every client. It is safe for concurrent use.
type Registry struct {
	c          Config
	listed     map[string]oauth.Client // :: id → client
	statements map[string]token.Keys   // :: issuer of software statements → keys
	documents  *documents
	sets       *otter.Cache[string, *token.Set] // :: address → key set of clients
	rate       *request.Rates
}

// New makes a Registry.
func New(c Config) *Registry {
	c.Limits = c.Limits.WithDefaults()
	if c.Slog == nil {
		c.Slog = slog.Default()
	}
	if c.FetchKeys == nil {
		c.FetchKeys = c.Fetch
	}
	r := &Registry{c: c, listed: map[string]oauth.Client{}, statements: map[string]token.Keys{}, rate: request.NewRates(),
		sets: otter.Must(&otter.Options[string, *token.Set]{MaximumSize: 1000})}
	for _, l := range c.Listed {
		l.Source = oauth.Listed
		r.listed[l.ID] = l
	}
	for _, i := range c.Policy.StatementIssuers {
		keys, err := r.keys([]byte(i.JWKS), i.JWKSURI)
		if err != nil { // Policy.Check said so before: nothing that it signs is good
			keys = func(context.Context, time.Time, string) (jose.JSONWebKey, error) {
				return jose.JSONWebKey{}, token.ErrNoKey
			}
		}
		r.statements[i.Issuer] = keys
	}
	r.documents = newDocuments(r)
	return r
}

// Registers reports whether /register gives anybody a client id: whether metadata may name it.
func (r *Registry) Registers() bool { return r.c.Policy.unlisted() || r.c.Default != "" }

// Documents reports whether metadata documents of clients are taken that nobody listed.
func (r *Registry) Documents() bool { return r.c.Policy.unlisted() && r.c.Fetch != nil }

// Client is the client of an id, its document read again when it is stale. One that waits for an administrator comes
// with Waits set. The error is an *oauth.Error: invalid_client for one that is unknown, not let in or whose document is
// no good, temporarily_unavailable while a document cannot be read. Any other error is ours.
func (r *Registry) Client(ctx context.Context, id string) (oauth.Client, error) {
	if c, ok := r.listed[id]; ok {
		return c, nil
	}
	if oauth.IsDocumentID(id) {
		return r.documents.client(ctx, id)
	}
	k, err := r.c.Clients.Client(ctx, request.From(ctx).Now, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return oauth.Client{}, oauth.InvalidClient("unknown_client", "this client is not known here: it was never registered, or not used for so long that it was forgotten; register again")
	case err != nil:
		return oauth.Client{}, err
	}
	return r.admitted(k)
}

// Known is the client of an id as far as it is known without reading anything from outside; false for one whose document
// is not kept or no longer fresh, and whenever Client would refuse.
func (r *Registry) Known(ctx context.Context, id string) (oauth.Client, bool) {
	if oauth.IsDocumentID(id) {
		return r.documents.known(ctx, id)
	}
	c, err := r.Client(ctx, id)
	return c, err == nil
}

// admitted is a kept client as the policy has it today, which may be another than when it registered.
func (r *Registry) admitted(k Kept) (oauth.Client, error) {
	switch {
	case k.Source == oauth.Listed:
		k.Waits = false
	case !r.c.Policy.unlisted():
		return oauth.Client{}, notListed()
	default:
		k.Waits = k.Waits && r.c.Policy.Mode == ModeReview
	}
	return k.Client, nil
}

func notListed() *oauth.Error {
	return oauth.InvalidClient("not_listed", "only clients that the operator of this server listed are let in; ask for this one to be listed")
}
