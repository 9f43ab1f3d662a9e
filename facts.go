package doorward

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/gateway"
	"github.com/doorward-mcp/doorward/login"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/policy/cedar"
	"github.com/doorward-mcp/doorward/provider"
	"github.com/doorward-mcp/doorward/token"
)

// factsFor is how long what our own database says of a client or a person is taken for true without looking again.
const factsFor = 10 * time.Second

// facts finds out what rules want to know of callers besides what their tokens say. What cannot be found out is absent.
type facts struct {
	g          *generation
	wants      cedar.Wants
	attributes *provider.Attributes // nil: nobody is asked
	kept       *otter.Cache[factKey, fact]
}

// fact is what our own database says, and when it did.
type fact struct {
	name   string
	client policy.ClientFacts
	at     time.Time
}

// openFacts finds out what any of the engines wants to know.
func (g *generation) openFacts(engines []*cedar.Engine) (*facts, error) {
	f := &facts{g: g, kept: otter.Must(&otter.Options[factKey, fact]{MaximumSize: 10_000})}
	for _, e := range engines {
		f.wants = f.wants.Or(e.Wants())
	}
	a := g.c.Policy.Attributes
	if a == nil {
		return f, nil
	}
	service, err := keep(g, "attributes/", []any{*a}, func() (*provider.Attributes, func() error, error) { return g.attributeSource(*a) })
	f.attributes = service
	return f, err
}

func (g *generation) attributeSource(a config.Attributes) (*provider.Attributes, func() error, error) {
	headers, err := a.Reveal(g.e.Lookup)
	if err != nil {
		return nil, nil, err
	}
	service, end := service(a.URL, headers, a.Timeout)
	said := &rarely{log: g.e.Slog, now: g.e.Now}
	failed := func(ctx context.Context, err error) { said.warn(ctx, "attributes of people are not known", err) }
	return provider.NewAttributes(service, a.Keep, g.e.Now, failed), end, nil
}

// service is a service that the operator named, with headers that authenticate us.
func service(address string, headers http.Header, timeout time.Duration) (provider.Service, func() error) {
	transport := gateway.Transport()
	return provider.Service{URL: address, Timeout: timeout, Headers: headers, HTTP: &http.Client{Transport: transport}},
		func() error { transport.CloseIdleConnections(); return nil }
}

// errUnknownClient is the error of a client that calls for itself and that nobody knows: what kind of caller it is decides.
var errUnknownClient = errors.New("the client of the token is not known")

// of is what is known of a caller.
func (f *facts) of(ctx context.Context, c token.Caller) (known policy.Facts, err error) {
	itself := c.Subject == c.Client
	if !c.Foreign && (f.wants.Client || itself || f.wants.Person) {
		own := f.own(ctx, c)
		if itself && own.client.Source == oauth.Unknown {
			return known, errUnknownClient
		}
		known.Client, known.Name = own.client, own.name
	}
	if f.attributes != nil && !itself {
		told := f.attributes.Of(ctx, c.Principal)
		known.Groups, known.Attributes = told.Groups, told.Attributes
	}
	return known, nil
}

// factKey is what our own database is asked about.
type factKey struct{ subject, client string }

// own is what our own database says of a caller whose token is ours.
func (f *facts) own(ctx context.Context, c token.Caller) fact {
	key, now := factKey{c.Subject, c.Client}, f.g.e.Now()
	if kept, ok := f.kept.GetIfPresent(key); ok && now.Sub(kept.at) < factsFor {
		return kept
	}
	found := fact{at: now}
	known, ok := f.g.clients.Known(ctx, c.Client)
	if ok {
		found.client = policy.ClientFacts{Source: known.Source, Authenticates: !known.Public(), Workload: known.WorkloadIssuer != ""}
	}
	if f.wants.Person && c.Subject != c.Client {
		name, err := f.g.db.Login().People.Name(ctx, c.Principal)
		if err != nil {
			if !errors.Is(err, login.ErrNotFound) {
				f.g.e.Slog.WarnContext(ctx, "the name of a person is not known", "error", err)
			}
			return found
		}
		found.name = name
	}
	if ok { // else it is asked for again: perhaps it is only now that it is not known
		f.kept.Set(key, found)
	}
	return found
}
