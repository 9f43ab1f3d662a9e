package authserver

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/grant"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// Config is one issuer.
type Config struct {
	Issuer    string            // byte for byte, without a slash at its end
	Resources []oauth.Resource  // the servers that tokens are given for
	Others    []oauth.Resource  // what tokens are given for besides, to clients that call for themselves and name it
	Named     []oauth.Resource  // what tokens are given for besides, to people whose client names it: it is never offered
	Aliases   map[string]string // :: another spelling of an origin → the configured one; loopback only
	Trusts    []Trust           // whose assertions are taken as grants
	ACR       []string          // the ways to sign in that there are
	Lifetimes Lifetimes
	Limits    Limits
	Nonces    token.Nonces // of DPoP proofs

	Clients
	Person func(r *http.Request) (*SignedIn, error) // who is signed in in this browser, nil for nobody; a nil func: the pages alone know
	Cookie func(purpose string) string              // the name of a cookie, with the instance in it
	Log    *audit.Log
	Slog   *slog.Logger // what went wrong on our side; nil: slog.Default
	Store

	// InsecureExchangeWithoutConsent lets actors exchange tokens of people who never agreed to it.
	InsecureExchangeWithoutConsent bool
}

// Clients is who the clients are. registration.Registry has most of it.
type Clients struct {
	Client   func(ctx context.Context, id string) (oauth.Client, error)                 // may read a document
	Known    func(ctx context.Context, id string) (oauth.Client, bool)                  // reads none
	KeysOf   func(oauth.Client) (token.Keys, error)                                     // of a client that signs assertions
	Workload func(ctx context.Context, who token.Principal) (oauth.Client, bool, error) // the client that is this workload

	Registers, Documents bool // whether anybody may register, and whether documents are taken: for the metadata
}

// Limits are how often a minute one address or one client may ask at the endpoints that programs call; 0: the number beside it.
type Limits struct {
	Address int `yaml:"address_minute"` // 6,000: a cloud that many people use comes from few addresses
	Client  int `yaml:"client_minute"`  // 60,000: one client id is shared by all who use the program
}

// WithDefaults fills in what is zero.
func (l Limits) WithDefaults() Limits {
	if l.Address == 0 {
		l.Address = 6_000
	}
	if l.Client == 0 {
		l.Client = 60_000
	}
	return l
}

// Lifetimes are those of grants, and of what people are asked for. A member that is zero is the default beside it.
type Lifetimes struct {
	grant.Lifetimes `yaml:",inline"`
	Pending         time.Duration `yaml:"pending"`     // how long an authorization request waits for a person: 10 min
	Device          time.Duration `yaml:"device_code"` // 10 min
	Consent         time.Duration `yaml:"consent"`     // how long it is remembered: 90 d
}

// WithDefaults fills in what is zero.
func (l Lifetimes) WithDefaults() Lifetimes {
	l.Lifetimes = l.Lifetimes.WithDefaults()
	for _, d := range []struct {
		v   *time.Duration
		def time.Duration
	}{{&l.Pending, 10 * time.Minute}, {&l.Device, 10 * time.Minute}, {&l.Consent, 90 * 24 * time.Hour}} {
		if *d.v == 0 {
			*d.v = d.def
		}
	}
	return l
}

// Server is an authorization server. It is safe for concurrent use.
type Server struct {
	c     Config
	all   []oauth.Resource // the servers, the others, and UserInfo
	steps []Step
	ring  atomic.Pointer[token.Ring]
	own   *token.Verifier // of our tokens, whatever resource they are for
	rate  *request.Rates
}

// New makes a Server without keys and steps: LoadKeys and Begin come before the first request.
func New(c Config) *Server {
	s := &Server{c: c.withDefaults(), rate: request.NewRates()}
	s.all = append(slices.Concat(c.Resources, c.Others, c.Named), identity(c.Issuer))
	var audiences []string
	for _, r := range s.all {
		audiences = append(audiences, r.URI)
	}
	s.own = token.NewVerifier(token.Issuer{URL: c.Issuer, Keys: token.Own(s.Ring), Audiences: audiences, Groups: true})
	return s
}

func (c Config) withDefaults() Config {
	c.Lifetimes = c.Lifetimes.WithDefaults()
	c.Limits = c.Limits.WithDefaults()
	if c.Slog == nil {
		c.Slog = slog.Default()
	}
	if c.Known == nil {
		c.Known = func(context.Context, string) (oauth.Client, bool) { return oauth.Client{}, false }
	}
	if c.KeysOf == nil {
		c.KeysOf = func(oauth.Client) (token.Keys, error) { return nil, nil }
	}
	if c.Workload == nil {
		c.Workload = func(context.Context, token.Principal) (oauth.Client, bool, error) { return oauth.Client{}, false, nil }
	}
	return c
}

// Begin sets the steps between a request and its code, in order.
func (s *Server) Begin(steps ...Step) { s.steps = steps }

// Ring is our keys as they are now; nil before LoadKeys.
func (s *Server) Ring() *token.Ring { return s.ring.Load() }

// Issuer is the issuer string.
func (s *Server) Issuer() string { return s.c.Issuer }

func (s *Server) secure() bool { return strings.HasPrefix(s.c.Issuer, "https://") }

// Routes are the endpoints that programs call, by path. What is for people package web serves: Authorize, EnterUserCode,
// EndSession.
func (s *Server) Routes() map[string]http.Handler {
	routes := map[string]http.Handler{
		"/token":              s.endpoint(s.serveToken, http.MethodPost),
		"/par":                s.endpoint(s.servePushed, http.MethodPost),
		"/revoke":             s.endpoint(s.serveRevoke, http.MethodPost),
		"/introspect":         s.endpoint(s.serveIntrospect, http.MethodPost),
		"/userinfo":           s.endpoint(s.serveUserInfo, http.MethodGet, http.MethodPost),
		"/jwks":               s.endpoint(s.serveKeys, http.MethodGet),
		oauth.WellKnownServer: s.endpoint(s.serveMetadata, http.MethodGet),
		oauth.WellKnownOpenID: s.endpoint(s.serveOpenID, http.MethodGet),
	}
	if s.devices() {
		routes["/device_authorization"] = s.endpoint(s.serveDevice, http.MethodPost)
	}
	return routes
}

// endpoint bounds how often one source asks, and turns a handler's error into the answer of RFC 6749 §5.2.
func (s *Server) endpoint(h func(http.ResponseWriter, *http.Request) error, methods ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(methods, r.Method) && !(r.Method == http.MethodHead && slices.Contains(methods, http.MethodGet)) {
			allowed := strings.Join(methods, ", ")
			w.Header().Set("Allow", allowed)
			s.refuse(w, r, &oauth.Error{Status: 405, Code: "invalid_request", Reason: "method", Description: "this address takes " + allowed + " only"})
			return
		}
		var err error
		if s.rate.Allow(request.From(r.Context()), "endpoint", s.c.Limits.Address) {
			err = h(w, r)
		} else {
			err = s.tokenRefused(r, oauth.Params{}, tooMany())
		}
		if err != nil {
			s.refuse(w, r, err)
		}
	})
}

// tooMany is the answer beyond a rate. RFC 6585 §4.
func tooMany() *oauth.Error {
	return &oauth.Error{Status: 429, Code: "temporarily_unavailable", Reason: "quota", RetryAfter: 60, Description: "too many requests; try again in a minute"}
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	id := request.From(r.Context()).ID
	var known *oauth.Error
	if !errors.As(err, &known) {
		s.c.Slog.ErrorContext(r.Context(), "authorization server", "request", id, "path", r.URL.Path, "error", err)
		known = oauth.ServerError()
	}
	WriteError(w, known, id)
}
