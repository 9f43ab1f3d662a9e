package doorward

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
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
	instance string
	closing  []func() error // in the order of making
}

// ErrOtherURL is the error of a public address that is not the one that the data was made for.
var ErrOtherURL = errors.New("the data belongs to another public address")

// Open builds an Installation. Nothing listens yet, and nothing runs: Run does.
func Open(ctx context.Context, c config.Config, e Environment) (*Installation, error) {
	i := &Installation{c: c, e: e.withDefaults()}
	if err := i.open(ctx); err != nil {
		return nil, errors.Join(err, i.Close())
	}
	return i, nil
}

func (e Environment) withDefaults() Environment {
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
	clients := i.openRoles(resources)
	if err := i.as.LoadKeys(ctx, i.e.Now()); err != nil {
		return err
	}
	var err error
	i.pages, err = web.New(web.Config{Issuer: i.c.PublicURL, Authserver: i.as, Login: i.people, Resources: resources, Log: i.log, Slog: i.e.Slog,
		Client: func(r *http.Request, id string) (oauth.Client, error) { return clients.Client(r.Context(), id) }})
	if err != nil {
		return err
	}
	i.as.Begin(web.Steps(i.as)...)
	i.Admin = &admin.API{Login: i.people, Keys: i.as, PublicURL: i.c.PublicURL, Now: i.e.Now, Slog: i.e.Slog}
	return i.openRoutes(clients)
}

// openStore opens the database and holds the configuration against what was settled at the first start.
func (i *Installation) openStore(ctx context.Context) error {
	address := i.c.Database
	if address == "" {
		address = "sqlite:" + filepath.Join(i.c.Data, "doorward.db")
	}
	var err error
	if i.db, err = store.Open(ctx, address, i.e.Box); err != nil {
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
func (i *Installation) openRoles(resources []oauth.Resource) *registration.Registry {
	clients := registration.New(registration.Config{Clients: i.db.Clients(), Limits: i.c.Registration.Limits, Fetch: i.e.Documents.Get, Log: i.log, Slog: i.e.Slog})
	i.people = login.New(login.Config{Issuer: i.c.PublicURL, Cookie: i.cookie, Lifetimes: i.c.Lifetimes.Login, Log: i.log, Store: i.db.Login()})
	kept := i.db.Authserver()
	aliases := map[string]string{}
	for _, origin := range spellings(i.c.PublicURL)[1:] {
		aliases[origin] = i.c.PublicURL
	}
	i.as = authserver.New(authserver.Config{Issuer: i.c.PublicURL, Resources: resources, Aliases: aliases, Lifetimes: i.c.Lifetimes.Lifetimes,
		Client: clients.Client, Cookie: i.cookie, Log: i.log, Slog: i.e.Slog, Store: kept,
		Approved: func(r *http.Request, client string) bool {
			s, err := i.people.Current(r)
			if err != nil || s.Nobody() {
				return false
			}
			ok, err := kept.Consents.Approved(r.Context(), i.e.Now(), s.Principal, client)
			return err == nil && ok
		}})
	return clients
}

func (i *Installation) resources() (all []oauth.Resource) {
	for _, name := range i.names() {
		all = append(all, i.resource(i.c.Servers[name]))
	}
	return all
}

func (i *Installation) resource(s config.Server) oauth.Resource {
	r := oauth.Resource{URI: i.c.PublicURL + s.Path, Name: s.Name, Documentation: s.Documentation}
	if r.Documentation == "" {
		r.Documentation = i.c.PublicURL + "/" // the page that says what is here and how to connect
	}
	return r
}

// openRoutes makes the servers and the list of addresses.
func (i *Installation) openRoutes(clients *registration.Registry) error {
	t := routes{hosts: hosts(i.c.PublicURL, i.c.Listen), open: i.as.Routes(), servers: map[string]protected{}, pages: i.pages.Routes(), now: i.e.Now, log: i.log}
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
		t.open[oauth.WellKnownResource+path] = s.Metadata()
		if len(i.c.Servers) == 1 { // for clients that look only at the root; with several it would name the wrong one
			t.open[oauth.WellKnownResource] = s.Metadata()
			continue
		}
		t.open[oauth.WellKnownServer+path] = t.open[oauth.WellKnownServer]
		t.open[oauth.WellKnownOpenID+path] = t.open[oauth.WellKnownOpenID]
	}
	i.Handler = t.handler()
	return nil
}

func (i *Installation) server(name string, hosts map[string]string) (*gateway.Server, error) {
	s := i.c.Servers[name]
	resource := i.resource(s)
	upstream, credential, err := i.upstream(name, s)
	if err != nil {
		return nil, err
	}
	return gateway.New(gateway.Config{
		Config: guard.Config{Resource: resource, Servers: []string{i.c.PublicURL}, Hosts: hosts,
			Issuers: []token.Issuer{{URL: i.c.PublicURL, Keys: token.Own(i.as.Ring), Audiences: []string{resource.URI}}},
			Decider: policy.ScopesOnly{}, Revocations: i.db.Revocations(), Log: i.log, Slog: i.e.Slog, Limits: s.Limits, Now: i.e.Now},
		Upstream: upstream, Credential: credential, Box: i.e.Box})
}
