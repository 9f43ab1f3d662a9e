package registration

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// ErrNotFound is a store's error for a client that it does not have.
var ErrNotFound = errors.New("not found")

// ErrFull is a store's error for a registration beyond the quota of clients that nobody has used.
var ErrFull = errors.New("too many unused clients")

// Clients are what is kept.
type Clients interface {
	Client(ctx context.Context, now time.Time, id string) (oauth.Client, error)
	// Register keeps c, or gives the client with the same fingerprint that is kept already.
	// An empty fingerprint is like no other. At most unused clients may wait for their first grant: ErrFull.
	Register(ctx context.Context, in audit.Intent, c oauth.Client, fingerprint string, unused int) (oauth.Client, error)
}

// Limits of registration; a member that is zero is the default beside it.
type Limits struct {
	Unused    int `yaml:"unused_clients"`       // clients that nobody has used yet: 10,000
	PerMinute int `yaml:"registrations_minute"` // from one address: 30
	Documents int `yaml:"documents_minute"`     // documents that are read for one address: 30
}

// WithDefaults fills in what is zero.
func (l Limits) WithDefaults() Limits {
	for _, d := range []struct {
		v   *int
		def int
	}{{&l.Unused, 10_000}, {&l.PerMinute, 30}, {&l.Documents, 30}} {
		if *d.v == 0 {
			*d.v = d.def
		}
	}
	return l
}

// Config is one registry.
type Config struct {
	Clients Clients
	Listed  []oauth.Client // the operator's
	Limits  Limits
	Fetch   token.Fetch // reads metadata documents; nil: documents are refused
	Log     *audit.Log
	Slog    *slog.Logger // nil: slog.Default
}

// Registry knows every client. It is safe for concurrent use.
type Registry struct {
	c         Config
	listed    map[string]oauth.Client // :: id → client
	documents *documents
	rate      *request.Rates
}

// New makes a Registry.
func New(c Config) *Registry {
	c.Limits = c.Limits.WithDefaults()
	if c.Slog == nil {
		c.Slog = slog.Default()
	}
	r := &Registry{c: c, listed: map[string]oauth.Client{}, rate: request.NewRates()}
	for _, l := range c.Listed {
		l.Source = oauth.Listed
		r.listed[l.ID] = l
	}
	r.documents = &documents{registry: r, kept: otter.Must(&otter.Options[string, *document]{MaximumSize: 1000})}
	return r
}

// Client is the client of an id, its document read again when it is stale. The error is an *oauth.Error: invalid_client
// for one that is unknown or whose document is no good, temporarily_unavailable while a document cannot be read.
func (r *Registry) Client(ctx context.Context, id string) (oauth.Client, error) {
	if c, ok := r.listed[id]; ok {
		return c, nil
	}
	if oauth.IsDocumentID(id) {
		return r.documents.client(ctx, id)
	}
	c, err := r.c.Clients.Client(ctx, request.From(ctx).Now, id)
	if errors.Is(err, ErrNotFound) {
		return c, oauth.InvalidClient("unknown_client", "this client is not known here: it was never registered, or not used for so long that it was forgotten; register again")
	}
	return c, err
}
