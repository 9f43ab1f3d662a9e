package authserver

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
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
	Aliases   map[string]string // :: another spelling of an origin → the configured one; loopback only
	Lifetimes grant.Lifetimes
	Pending   time.Duration                                              // how long a request waits for a person; 0: 10 min
	Consent   time.Duration                                              // how long consent is remembered; 0: 90 d
	Client    func(ctx context.Context, id string) (oauth.Client, error) // registration.Registry has it
	Approved  func(r *http.Request, client string) bool                  // did this browser's person approve the client before? nil: no
	Cookie    func(purpose string) string                                // the name of a cookie, with the instance in it
	Log       *audit.Log
	Slog      *slog.Logger // what went wrong on our side; nil: slog.Default
	Store
}

// Server is an authorization server. It is safe for concurrent use.
type Server struct {
	c     Config
	steps []Step
	ring  atomic.Pointer[token.Ring]
	own   *token.Verifier // of our tokens, whatever resource they are for
	rate  *request.Rates
}

// New makes a Server without keys and steps: LoadKeys and Begin come before the first request.
func New(c Config) *Server {
	c.Lifetimes = c.Lifetimes.WithDefaults()
	if c.Pending == 0 {
		c.Pending = 10 * time.Minute
	}
	if c.Consent == 0 {
		c.Consent = 90 * 24 * time.Hour
	}
	if c.Slog == nil {
		c.Slog = slog.Default()
	}
	if c.Approved == nil {
		c.Approved = func(*http.Request, string) bool { return false }
	}
	var audiences []string
	for _, r := range c.Resources {
		audiences = append(audiences, r.URI)
	}
	s := &Server{c: c, rate: request.NewRates()}
	s.own = token.NewVerifier(token.Issuer{URL: c.Issuer, Keys: token.Own(s.Ring), Audiences: audiences})
	return s
}

// Begin sets the steps between a request and its code, in order.
func (s *Server) Begin(steps ...Step) { s.steps = steps }

// Ring is our keys as they are now; nil before LoadKeys.
func (s *Server) Ring() *token.Ring { return s.ring.Load() }

// Issuer is the issuer string.
func (s *Server) Issuer() string { return s.c.Issuer }

func (s *Server) secure() bool { return strings.HasPrefix(s.c.Issuer, "https://") }

// Routes are the endpoints that programs call, by path. Authorize is for people: package web serves it.
func (s *Server) Routes() map[string]http.Handler {
	return map[string]http.Handler{
		"/token":              s.endpoint(s.serveToken, http.MethodPost),
		"/revoke":             s.endpoint(s.serveRevoke, http.MethodPost),
		"/jwks":               s.endpoint(s.serveKeys, http.MethodGet),
		oauth.WellKnownServer: s.endpoint(s.serveMetadata, http.MethodGet),
		oauth.WellKnownOpenID: s.endpoint(s.serveMetadata, http.MethodGet),
	}
}

// endpoint turns a handler's error into the answer of RFC 6749 §5.2.
func (s *Server) endpoint(h func(http.ResponseWriter, *http.Request) error, method string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method && !(method == http.MethodGet && r.Method == http.MethodHead) {
			w.Header().Set("Allow", method)
			s.refuse(w, r, &oauth.Error{Status: 405, Code: "invalid_request", Reason: "method", Description: "this address takes " + method + " only"})
			return
		}
		if err := h(w, r); err != nil {
			s.refuse(w, r, err)
		}
	})
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
