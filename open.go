package doorward

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/doorward-mcp/doorward/admin"
	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/gateway"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/internal/fetch"
	"github.com/doorward-mcp/doorward/login"
	"github.com/doorward-mcp/doorward/registration"
	"github.com/doorward-mcp/doorward/seal"
	"github.com/doorward-mcp/doorward/store"
	"github.com/doorward-mcp/doorward/token"
	"github.com/doorward-mcp/doorward/web"
)

// Environment is what an installation takes from the program around it. The zero Environment has no secrets to look up.
type Environment struct {
	Box       *seal.Box                               // seals what is secret at rest
	Audit     audit.Sink                              // keeps the records instead of the audit log; nil: the audit log does
	Slog      *slog.Logger                            // what happens and what goes wrong; nil: slog.Default
	Lookup    func(kind, name string) (string, error) // ${kind:name} in the configuration; nil: nothing is found
	Documents *fetch.Client                           // reads client ID metadata documents; nil: public https only
	Keys      *fetch.Client                           // reads key sets that clients name; nil: public https only
	Named     func(hosts []string) *fetch.Client      // reads keys where the configuration says, from hosts that may be private; nil: over https
	Now       func() time.Time                        // nil: time.Now
	Tracer    trace.Tracer                            // makes spans of calls; nil: none are made
	Version   string
}

// Installation is everything that one configuration starts. Handler is its origin. It is safe for concurrent use.
type Installation struct {
	Handler http.Handler

	ground
	reloading sync.Mutex                 // held while another generation is made
	live      atomic.Pointer[generation] // what answers
}

// ground is what every generation of an installation stands on.
type ground struct {
	e        Environment
	db       *store.DB
	log      *audit.Log
	trail    *trail
	told     told
	nonces   token.Nonces
	tasks    *gateway.Tasks
	rates    *guard.RuleRates // of all servers, so that a reload forgets nobody's calls
	instance string
	metrics  *metrics
	closing  []func() error // in the order of making

	keeping sync.Mutex    // guards what generations keep, and all
	all     []*generation // that have not ended
}

// generation is what one configuration makes of an installation: its roles, its servers, its list of addresses. A reload makes
// another one beside it, and what began in one ends in it.
type generation struct {
	*ground
	i       *Installation
	c       config.Config
	admin   *admin.API
	people  *login.Login
	clients *registration.Registry
	rules   rules
	as      *authserver.Server
	pages   *web.Pages
	named   *fetch.Client
	origins map[string]origin // :: name of an issuer that is not ours → how its tokens are judged
	handler http.Handler
	ready   http.Handler
	servers map[string]string       // :: resource identifier → server
	doors   map[string]*guard.Guard // :: resource identifier → who lets callers in
	before  map[string]*kept        // :: name → what is there to be taken over
	kept    map[string]*kept        // :: name → what lives as long as somebody has it
	use     use
}

// ErrOtherURL is the error of a public address that is not the one that the data was made for.
var ErrOtherURL = errors.New("the data belongs to another public address")

// Open builds an Installation. Nothing listens yet, and nothing runs: Run does.
func Open(ctx context.Context, c config.Config, e Environment) (*Installation, error) {
	i := &Installation{ground: ground{e: e.withDefaults()}}
	i.Handler = http.HandlerFunc(i.serve)
	if err := i.open(ctx, c); err != nil {
		return nil, errors.Join(err, i.Close())
	}
	return i, nil
}

func (i *Installation) open(ctx context.Context, c config.Config) error {
	if i.e.Box == nil {
		return errors.New("opening an installation without a key")
	}
	i.metrics = newMetrics(i.e.Version)
	i.metrics.registry.MustRegister(state{i})
	i.tasks, i.rates = gateway.NewTasks(), guard.NewRuleRates()
	if err := i.openStore(ctx, c); err != nil {
		return err
	}
	if err := i.openLog(ctx, c, i.serverOf); err != nil {
		return err
	}
	if err := i.settleAll(ctx, c); err != nil {
		return err
	}
	first, err := i.generate(ctx, c, nil)
	if err != nil {
		return err
	}
	if err := first.keepRules(ctx); err != nil {
		return err
	}
	i.log.SetLevels(c.Audit.Levels)
	_, err = i.log.Do(ctx, audit.Record{Code: audit.Configured, Now: i.e.Now(), About: c.Digest()}, func(context.Context, audit.Intent) (audit.Outcome, error) {
		i.live.Store(first)
		return audit.Outcome{}, nil
	})
	return err
}

// Admin is what an administrator can do at the moment.
func (i *Installation) Admin() *admin.API { return i.live.Load().admin }

// Lost is closed when the database was lost to another process: this one must end. It may be nil.
func (i *Installation) Lost() <-chan struct{} { return i.db.Lost() }

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
	if e.Keys == nil {
		e.Keys = &fetch.Client{}
	}
	if e.Named == nil {
		e.Named = func(hosts []string) *fetch.Client { return &fetch.Client{Hosts: hosts} }
	}
	return e
}
