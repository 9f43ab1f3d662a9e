package doorward

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/admin"
	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/gateway"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/internal/fetch"
	"github.com/doorward-mcp/doorward/login"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/registration"
	"github.com/doorward-mcp/doorward/seal"
	"github.com/doorward-mcp/doorward/store"
	"github.com/doorward-mcp/doorward/token"
	"github.com/doorward-mcp/doorward/web"
)

// Environment is what an installation takes from the program around it. The zero Environment has no secrets to look up.
type Environment struct {
	Box       *seal.Box                               // seals what is secret at rest
	Audit     audit.Sink                              // keeps the records
	Slog      *slog.Logger                            // what happens and what goes wrong; nil: slog.Default
	Lookup    func(kind, name string) (string, error) // ${kind:name} in the configuration; nil: nothing is found
	Documents *fetch.Client                           // reads client ID metadata documents; nil: public https only
	Keys      *fetch.Client                           // reads key sets that clients name; nil: public https only
	Named     *fetch.Client                           // reads keys where the configuration says; nil: its hosts may be private
	Now       func() time.Time                        // nil: time.Now
	Version   string
}

// Installation is everything that one configuration starts. Handler is its origin.
type Installation struct {
	Handler http.Handler
	Admin   *admin.API

	c        config.Config
	e        Environment
	db       *store.DB
	log      *audit.Log
	people   *login.Login
	as       *authserver.Server
	pages    *web.Pages
	nonces   token.Nonces
	instance string
	closing  []func() error // in the order of making
}

// ErrOtherURL is the error of a public address that is not the one that the data was made for.
var ErrOtherURL = errors.New("the data belongs to another public address")

// Open builds an Installation. Nothing listens yet, and nothing runs: Run does.
func Open(ctx context.Context, c config.Config, e Environment) (*Installation, error) {
	i := &Installation{c: c, e: e.withDefaults(c)}
	if err := i.open(ctx); err != nil {
		return nil, errors.Join(err, i.Close())
	}
	return i, nil
}

// Lost is closed when the database was lost to another process: this one must end. It may be nil.
func (i *Installation) Lost() <-chan struct{} { return i.db.Lost() }

func (e Environment) withDefaults(c config.Config) Environment {
	if e.Slog == nil {
		e.Slog = slog.Default()
	}
	if e.Now == nil {
		e.Now = time.Now
	}
	if e.Lookup == nil {
		e.Lookup = func(string, string) (string, error) { return "", errors.New("nothing can be looked up") }
	}
	if e.Documents == nil {
		e.Documents = &fetch.Client{JSON: true, MaxBytes: registration.MaxDocument}
	}
	if e.Keys == nil {
		e.Keys = &fetch.Client{}
	}
	if e.Named == nil {
		e.Named = &fetch.Client{Hosts: c.Named()}
	}
	return e
}

func (i *Installation) open(ctx context.Context) error {
	if i.e.Box == nil || i.e.Audit == nil {
		return errors.New("opening an installation without a key or without a log")
	}
	i.log = audit.New(i.e.Audit)
	i.closing = append(i.closing, i.log.Close)
	if err := i.openStore(ctx); err != nil {
		return err
	}
	resources := i.resources()
	clients, err := i.openRoles(ctx, resources)
	if err != nil {
		return err
	}
	if err := i.as.LoadKeys(ctx, i.e.Now()); err != nil {
		return err
	}
	i.pages, err = web.New(web.Config{Issuer: i.c.PublicURL, Authserver: i.as, Login: i.people, Resources: resources, Log: i.log, Slog: i.e.Slog,
		Client: func(r *http.Request, id string) (oauth.Client, error) { return clients.Client(r.Context(), id) }})
	if err != nil {
		return err
	}
	i.as.Begin(web.Steps(i.as)...)
	i.Admin = &admin.API{Login: i.people, Keys: i.as, Clients: clients, Servers: i.identifiers(), PublicURL: i.c.PublicURL, Now: i.e.Now, Slog: i.e.Slog}
	return i.openRoutes(clients)
}

// openStore opens the database and holds the configuration against what was settled at the first start.
func (i *Installation) openStore(ctx context.Context) error {
	address, err := i.c.Address(i.e.Lookup)
	if err != nil {
		return err
	}
	if address == "" {
		address = "sqlite:" + filepath.Join(i.c.Data, "doorward.db")
	}
	if i.db, err = store.OpenAlone(ctx, address, i.e.Box); err != nil {
		return err
	}
	i.closing = append(i.closing, i.db.Close)
	kept, err := i.settle(ctx, "public_url", i.c.PublicURL)
	if err != nil {
		return err
	}
	if kept != i.c.PublicURL {
		return fmt.Errorf("%w: it was made for %s, and now %s is given; tokens and clients hold the first: give that one, or another data directory", ErrOtherURL, kept, i.c.PublicURL)
	}
	i.instance, err = i.settle(ctx, "instance", strings.ToLower(rand.Text()[:8]))
	return err
}

// settle is a setting as it is kept, or as it is made now.
func (i *Installation) settle(ctx context.Context, name, value string) (kept string, err error) {
	if kept, err = i.db.Setting(ctx, name); !errors.Is(err, store.ErrUnset) {
		return kept, err
	}
	_, err = i.log.Do(ctx, audit.Record{Code: audit.Installed, Now: i.e.Now(), About: name}, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		kept, err = i.db.Set(ctx, in, name, value)
		return audit.Outcome{}, err
	})
	return kept, err
}

// cookie names a cookie of this instance: the ports of 127.0.0.1 share their cookies. __Host- needs https (RFC 6265bis §4.1.3.2).
func (i *Installation) cookie(purpose string) string {
	name := "doorward-" + i.instance + "-" + purpose
	if strings.HasPrefix(i.c.PublicURL, "https://") {
		return "__Host-" + name
	}
	return name
}

// openRoles makes the roles that share the store.
func (i *Installation) openRoles(ctx context.Context, resources []oauth.Resource) (*registration.Registry, error) {
	listed, err := i.listed()
	if err != nil {
		return nil, err
	}
	clients, err := i.openRegistry(listed)
	if err != nil {
		return nil, err
	}
	if i.nonces, err = i.openNonces(ctx); err != nil {
		return nil, err
	}
	i.people = login.New(login.Config{Issuer: i.c.PublicURL, Cookie: i.cookie, Lifetimes: i.c.Lifetimes.Login, Log: i.log, Store: i.db.Login()})
	aliases := map[string]string{}
	for _, origin := range spellings(i.c.PublicURL)[1:] {
		aliases[origin] = i.c.PublicURL
	}
	i.as = authserver.New(authserver.Config{Issuer: i.c.PublicURL, Resources: resources, Aliases: aliases, Trusts: i.trusts(), ACR: []string{login.SingleFactor},
		Lifetimes: i.c.Lifetimes.Lifetimes, Pending: i.c.Lifetimes.Pending, DeviceCode: i.c.Lifetimes.Device, Consent: i.c.Lifetimes.Consent, Limits: i.c.Limits,
		Nonces: i.nonces, Clients: authserver.Clients{Client: clients.Client, Known: clients.Known, KeysOf: clients.Keys, Workload: workload(listed), Registers: clients.Registers(), Documents: clients.Documents()},
		Person: i.person, Cookie: i.cookie, Log: i.log, Slog: i.e.Slog, Store: i.db.Authserver(),
		InsecureExchangeWithoutConsent: i.c.Exchange.InsecureWithoutConsent})
	return clients, nil
}

func (i *Installation) openRegistry(listed []oauth.Client) (*registration.Registry, error) {
	c := registration.Config{Issuer: i.c.PublicURL, Clients: i.db.Clients(), Listed: listed, Default: i.c.Clients.Default, Policy: i.c.Registration.Policy,
		Limits: i.c.Registration.Limits, Fetch: i.e.Documents.Get, FetchKeys: i.clientKeys(), Ended: i.db.Clients().End, Log: i.log, Slog: i.e.Slog}
	if given := i.c.Registration.InitialAccessToken; given != "" {
		secret, err := given.Reveal(i.e.Lookup)
		if err != nil {
			return nil, fmt.Errorf("initial access token: %w", err)
		}
		c.InitialAccessToken = token.NewSecret(secret)
	}
	return registration.New(c), nil
}

// person is who is signed in in a browser; nil: nobody.
func (i *Installation) person(r *http.Request) (*authserver.SignedIn, error) {
	s, err := i.people.Current(r)
	if err != nil || s.Nobody() {
		return nil, err
	}
	who := web.SignedIn(s)
	return &who, nil
}

// openNonces gives the nonces of DPoP proofs. Their key is a setting, sealed, so that a nonce outlives a restart.
func (i *Installation) openNonces(ctx context.Context) (token.Nonces, error) {
	const name = "nonces"
	key := make([]byte, 32)
	_, _ = rand.Read(key) // it never fails: crypto/rand
	sealed, err := i.e.Box.Seal(key, []byte("setting/"+name))
	if err != nil {
		return token.Nonces{}, err
	}
	kept, err := i.settle(ctx, name, base64.StdEncoding.EncodeToString(sealed))
	if err != nil {
		return token.Nonces{}, err
	}
	if sealed, err = base64.StdEncoding.DecodeString(kept); err != nil {
		return token.Nonces{}, fmt.Errorf("reading the setting %s: %w", name, err)
	}
	if key, err = i.e.Box.Open(sealed, []byte("setting/"+name)); err != nil {
		return token.Nonces{}, fmt.Errorf("reading the setting %s: %w", name, err)
	}
	return token.NewNonces(key), nil
}

// identifiers are the servers' resource identifiers. :: name → identifier
func (i *Installation) identifiers() map[string]string {
	all := map[string]string{}
	for _, name := range i.names() {
		all[name] = i.c.Resource(i.c.Servers[name]).URI
	}
	return all
}

func (i *Installation) resources() (all []oauth.Resource) {
	for _, name := range i.names() {
		all = append(all, i.resource(i.c.Servers[name]))
	}
	return all
}

func (i *Installation) resource(s config.Server) oauth.Resource {
	r := i.c.Resource(s)
	if r.Documentation == "" {
		r.Documentation = i.c.PublicURL + "/" // the page that says what is here and how to connect
	}
	return r
}

// openRoutes makes the servers and the list of addresses.
func (i *Installation) openRoutes(clients *registration.Registry) error {
	t := routes{hosts: hosts(i.c.PublicURL, i.c.Listener()), open: i.as.Routes(), servers: map[string]protected{}, pages: i.pages.Routes(), now: i.e.Now, trusted: i.c.TrustedProxies, log: i.log}
	for path, h := range clients.Routes() {
		t.open[path] = h
	}
	for _, name := range i.names() {
		s, err := i.server(name, t.hosts)
		if err != nil {
			return fmt.Errorf("server %s: %w", name, err)
		}
		path := i.c.Servers[name].Path
		t.servers[path] = s
		i.metadata(t, name, s.Metadata())
	}
	if err := t.check(); err != nil {
		return err
	}
	i.Handler = t.handler()
	return nil
}

// metadata adds the addresses of what describes a server. A resource of another origin is described there too: whoever
// answers for that origin passes the request on.
func (i *Installation) metadata(t routes, name string, h http.Handler) {
	path := i.c.Servers[name].Path
	uri, err := url.Parse(i.c.Resource(i.c.Servers[name]).URI)
	if err == nil {
		t.open[oauth.WellKnownResource+strings.TrimSuffix(uri.Path, "/")] = h
	}
	if err == nil && t.hosts[uri.Host] == "" {
		t.hosts[uri.Host] = uri.Scheme + "://" + uri.Host
	}
	if len(i.c.Servers) == 1 { // for clients that look only at the root; with several it would name the wrong one
		t.open[oauth.WellKnownResource] = h
		return
	}
	t.open[oauth.WellKnownServer+path] = t.open[oauth.WellKnownServer]
	t.open[oauth.WellKnownOpenID+path] = t.open[oauth.WellKnownOpenID]
}

func (i *Installation) server(name string, hosts map[string]string) (*gateway.Server, error) {
	s := i.c.Servers[name]
	resource := i.resource(s)
	upstream, credential, err := i.upstream(name, s)
	if err != nil {
		return nil, err
	}
	if oauth.Origin(resource.URI) != i.c.PublicURL {
		hosts = nil // its documents name its own origin, whatever the request calls us
	}
	return gateway.New(gateway.Config{
		Config: guard.Config{Resource: resource, Servers: []string{i.c.PublicURL}, Hosts: hosts,
			Issuers: []token.Issuer{{URL: i.c.PublicURL, Keys: token.Own(i.as.Ring), Audiences: []string{resource.URI}}},
			Decider: policy.ScopesOnly{Scopes: policy.Scopes{All: resource.InitialScopes()}}, Revocations: i.db.Revocations(), Log: i.log, Slog: i.e.Slog, Limits: s.Limits,
			DPoP:           guard.DPoP{Once: i.db.Once, Nonces: i.nonces, Required: s.DPoP.Required, NonceRequired: s.DPoP.Nonce},
			Authentication: s.Authentication, Now: i.e.Now},
		Upstream: upstream, Credential: credential, Box: i.e.Box})
}
