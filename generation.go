package doorward

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/doorward-mcp/doorward/admin"
	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/gateway"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/login"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy/authzen"
	"github.com/doorward-mcp/doorward/registration"
	"github.com/doorward-mcp/doorward/token"
	"github.com/doorward-mcp/doorward/web"
)

// generate makes the generation of a configuration, which takes over from before what has not changed; nil: nothing is there.
func (i *Installation) generate(ctx context.Context, c config.Config, before *generation) (*generation, error) {
	g := &generation{i: i, ground: &i.ground, c: c, ready: i.readyz(), servers: map[string]string{}, doors: map[string]*guard.Guard{}, named: i.e.Named(c.Named()), kept: map[string]*kept{}}
	i.keeping.Lock()
	i.all = append(i.all, g)
	i.keeping.Unlock()
	if err := g.open(ctx, before); err != nil {
		return nil, errors.Join(err, g.end())
	}
	return g, nil
}

func (g *generation) open(ctx context.Context, before *generation) error {
	if before != nil {
		g.before = before.kept
		defer func() { g.before = nil }()
	}
	resources := g.resources()
	if err := g.openOrigins(); err != nil {
		return err
	}
	clients, err := g.openRoles(g.owned())
	if err != nil {
		return err
	}
	g.clients = clients
	if err := g.openRules(ctx); err != nil {
		return err
	}
	if err := g.as.LoadKeys(ctx, g.e.Now()); err != nil {
		return err
	}
	g.pages, err = web.New(web.Config{Issuer: g.c.PublicURL, Authserver: g.as, Login: g.people, Resources: resources, Log: g.log, Slog: g.e.Slog,
		Client: func(r *http.Request, id string) (oauth.Client, error) { return clients.Client(r.Context(), id) }})
	if err != nil {
		return err
	}
	g.as.Begin(web.Steps(g.as)...)
	g.admin = &admin.API{Login: g.people, Keys: g.as, Clients: clients, Servers: g.identifiers(), PublicURL: g.c.PublicURL, Rollback: g.i.rollback, Waiting: g.waiting, Audit: g.auditLog(), Now: g.e.Now, Slog: g.e.Slog}
	return g.openRoutes(ctx, clients)
}

// cookie names a cookie of this instance: the ports of 127.0.0.1 share their cookies. __Host- needs https (RFC 6265bis §4.1.3.2).
func (g *generation) cookie(purpose string) string {
	name := "doorward-" + g.instance + "-" + purpose
	if strings.HasPrefix(g.c.PublicURL, "https://") {
		return "__Host-" + name
	}
	return name
}

// openRoles makes the roles that share the store.
func (g *generation) openRoles(resources []oauth.Resource) (*registration.Registry, error) {
	listed, err := g.listed()
	if err != nil {
		return nil, err
	}
	clients, err := g.openRegistry(listed)
	if err != nil {
		return nil, err
	}
	g.people = login.New(login.Config{Issuer: g.c.PublicURL, Cookie: g.cookie, Lifetimes: g.c.Lifetimes.Login, Log: g.log, Store: g.db.Login()})
	aliases := map[string]string{}
	for _, origin := range spellings(g.c.PublicURL)[1:] {
		aliases[origin] = g.c.PublicURL
	}
	g.as = authserver.New(authserver.Config{Issuer: g.c.PublicURL, Resources: resources, Aliases: aliases, Trusts: g.trusts(), ACR: []string{login.SingleFactor},
		Lifetimes: g.c.Lifetimes.Lifetimes, Limits: g.c.Limits,
		Others: g.others(), Named: g.auditResources(), Nonces: g.nonces, Clients: authserver.Clients{Client: clients.Client, Known: clients.Known, KeysOf: clients.Keys, Workload: workload(listed), Registers: clients.Registers(), Documents: clients.Documents()},
		Person: g.person, Cookie: g.cookie, Log: g.log, Slog: g.e.Slog, Store: g.db.Authserver(),
		InsecureExchangeWithoutConsent: g.c.Exchange.InsecureWithoutConsent})
	return clients, nil
}

func (g *generation) openRegistry(listed []oauth.Client) (*registration.Registry, error) {
	c := registration.Config{Issuer: g.c.PublicURL, Clients: g.db.Clients(), Listed: listed, Default: g.c.Clients.Default, Policy: g.c.Registration.Policy,
		Limits: g.c.Registration.Limits, Fetch: g.e.Documents.Get, FetchKeys: g.clientKeys(), Ended: g.db.Clients().End, Log: g.log, Slog: g.e.Slog}
	if given := g.c.Registration.InitialAccessToken; given != "" {
		secret, err := given.Reveal(g.e.Lookup)
		if err != nil {
			return nil, fmt.Errorf("initial access token: %w", err)
		}
		c.InitialAccessToken = token.NewSecret(secret)
	}
	return registration.New(c), nil
}

// person is who is signed in in a browser; nil: nobody.
func (g *generation) person(r *http.Request) (*authserver.SignedIn, error) {
	s, err := g.people.Current(r)
	if err != nil || s.Nobody() {
		return nil, err
	}
	who := web.SignedIn(s)
	return &who, nil
}

// identifiers are the resource identifiers of the servers for which our own authorization server issues tokens. :: name → identifier
func (g *generation) identifiers() map[string]string {
	all := map[string]string{}
	for _, name := range g.names() {
		if s := g.c.Servers[name]; s.Owned() {
			all[name] = g.c.Resource(s).URI
		}
	}
	return all
}

func (g *generation) resources() (all []oauth.Resource) {
	for _, name := range g.names() {
		if s := g.c.Servers[name]; !s.Open() {
			all = append(all, g.resource(s))
		}
	}
	return all
}

// owned are the resources for which our own authorization server issues tokens.
func (g *generation) owned() (all []oauth.Resource) {
	for _, name := range g.names() {
		if s := g.c.Servers[name]; s.Owned() {
			all = append(all, g.resource(s))
		}
	}
	return all
}

// others are what our own authorization server issues tokens for besides servers.
func (g *generation) others() []oauth.Resource {
	if g.c.Policy.Bundle == "" {
		return nil
	}
	return []oauth.Resource{g.evaluation()}
}

func (g *generation) resource(s config.Server) oauth.Resource {
	r := g.c.Resource(s)
	if r.Documentation == "" {
		r.Documentation = g.c.PublicURL + "/" // the page that says what is here and how to connect
	}
	return r
}

// openRoutes makes the servers and the list of addresses.
func (g *generation) openRoutes(ctx context.Context, clients *registration.Registry) error {
	t := routes{hosts: hosts(g.c.PublicURL, g.c.Listener()), open: g.as.Routes(), servers: map[string]protected{}, pages: g.pages.Routes(), now: g.e.Now, trusted: g.c.TrustedProxies, log: g.log}
	for path, h := range clients.Routes() {
		t.open[path] = h
	}
	t.open["/healthz"], t.open["/readyz"] = http.HandlerFunc(healthz), g.ready
	if g.rules.engine != nil {
		h, err := g.evaluations()
		if err != nil {
			return err
		}
		t.open[authzen.Path] = h
	}
	if err := g.openAudit(&t); err != nil {
		return err
	}
	for _, name := range g.names() {
		s, err := g.server(name, t.hosts)
		if err != nil {
			return fmt.Errorf("server %s: %w", name, err)
		}
		path := g.c.Servers[name].Path
		t.servers[path] = s
		g.servers[g.c.Resource(g.c.Servers[name]).URI] = name
		if g.c.Servers[name].Open() {
			g.e.Slog.WarnContext(ctx, "the server is open to everybody", "server", name, "auth", config.AuthNoneInsecure)
			continue
		}
		g.doors[g.c.Resource(g.c.Servers[name]).URI] = s.Guard()
		g.metadata(t, name, s.Metadata())
	}
	if err := t.check(); err != nil {
		return err
	}
	g.handler = t.handler()
	return nil
}

// metadata adds the addresses of what describes a server. A resource of another origin is described there too: whoever
// answers for that origin passes the request on.
func (g *generation) metadata(t routes, name string, h http.Handler) {
	path := g.c.Servers[name].Path
	uri, err := url.Parse(g.c.Resource(g.c.Servers[name]).URI)
	if err == nil {
		at := oauth.WellKnownResource + strings.TrimSuffix(uri.Path, "/")
		t.open[at], t.open[at+"/{$}"] = h, h
	}
	if err == nil && t.hosts[uri.Host] == "" {
		t.hosts[uri.Host] = uri.Scheme + "://" + uri.Host
	}
	if len(g.c.Servers) == 1 { // for clients that look only at the root; with several it would name the wrong one
		t.open[oauth.WellKnownResource] = h
		return
	}
	if !g.c.Servers[name].Owned() { // a client that looks here would be sent to somebody who issues no tokens for it
		return
	}
	t.open[oauth.WellKnownServer+path] = t.open[oauth.WellKnownServer]
	t.open[oauth.WellKnownOpenID+path] = t.open[oauth.WellKnownOpenID]
}

func (g *generation) server(name string, hosts map[string]string) (*gateway.Server, error) {
	s := g.c.Servers[name]
	resource := g.resource(s)
	behind, err := g.upstream(name, s)
	if err != nil {
		return nil, err
	}
	if oauth.Origin(resource.URI) != g.c.PublicURL {
		hosts = nil // its documents name its own origin, whatever the request calls us
	}
	return gateway.New(gateway.Config{
		Config: guard.Config{Resource: resource, Servers: g.c.AuthorizationServers(s), Hosts: hosts,
			Issuers: g.issuersOf(s, resource), AskedAs: s.AskedAs(),
			Decider: g.rules.decider(s), Definitions: g.definitions(), Revocations: g.db.Revocations(), Log: g.log, Slog: g.e.Slog, Limits: s.Limits, Rates: g.rates,
			DPoP:           guard.DPoP{Once: g.db.Once, Nonces: g.nonces, Required: s.DPoP.Required, NonceRequired: s.DPoP.Nonce},
			Authentication: s.Authentication, Now: g.e.Now, InsecureOpen: s.Open()},
		Upstream: behind.upstream, Credential: behind.credential, Renew: behind.renew, SSE: s.Transport == config.TransportSSE, Box: g.e.Box, Tasks: g.tasks, Tracer: g.e.Tracer, ToolSearch: s.ToolSearch, Redacts: g.c.Policy.AuthZEN != nil || g.rules.engine != nil && g.rules.engine.Redacts(resource.URI)})
}
