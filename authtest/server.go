package authtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	doorward "github.com/doorward-mcp/doorward"
	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/provider"
	"github.com/doorward-mcp/doorward/registration"
	"github.com/doorward-mcp/doorward/seal"
	"github.com/doorward-mcp/doorward/store"
	"github.com/doorward-mcp/doorward/token"
)

// Server is a Doorward that runs on loopback until the test ends: the real authorization server, with a database of its own,
// that issues tokens for the resources of a test. Make it with New. It is safe for concurrent use.
//
// It lists three clients: App, a public one with the redirect http://127.0.0.1/callback; Worker, which gets tokens of its own
// (RFC 6749 §4.4); and Resource, which introspects. The secret of both is Secret. Any other may register.
type Server struct {
	Issuer string // its address, and iss of its tokens

	t         testing.TB
	resources []oauth.Resource
	in        *doorward.Installation
	keys      *store.DB
	handler   http.Handler
	http      *http.Client

	mu   sync.Mutex // guards what follows
	down bool
	slow time.Duration
}

// The clients that every Server lists.
const (
	App      = "the-app"
	Worker   = "the-worker"
	Resource = "the-resource"
	Secret   = "authtest-authtest-authtest"
)

// New starts an authorization server for the tokens of resources, whose identifiers are URIs. It ends with the test.
func New(t testing.TB, resources ...string) *Server {
	t.Helper()
	all := make([]oauth.Resource, len(resources))
	for i, uri := range resources {
		all[i] = oauth.Resource{URI: uri}
	}
	return NewWith(t, all...)
}

// NewWith is New for resources with scopes of their own.
func NewWith(t testing.TB, resources ...oauth.Resource) *Server {
	t.Helper()
	if len(resources) == 0 {
		t.Fatal("authtest: an authorization server for no resource")
	}
	s := &Server{t: t, resources: resources}
	listener := httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	address := listener.Listener.Addr().String()
	s.Issuer = "http://" + address
	if err := s.open(t.TempDir(), address); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() { s.in.Run(ctx); close(ran) }()
	listener.Start()
	s.http = listener.Client()
	t.Cleanup(func() {
		listener.Close()
		stop()
		<-ran
		if err := errors.Join(s.keys.Close(), s.in.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *Server) open(dir, address string) error {
	box, err := seal.OpenKeyFile(filepath.Join(dir, "key"))
	if err != nil {
		return err
	}
	c := config.Config{Policy: config.Policy{Word: config.ScopesOnly}, PublicURL: s.Issuer, Listen: address, Data: dir, Servers: map[string]config.Server{}, Registration: config.Registration{Policy: registration.Policy{Mode: registration.ModeOpen}}}
	var names []string
	for i, r := range s.resources {
		name := "server" + strconv.Itoa(i+1)
		names = append(names, name)
		c.Servers[name] = config.Server{Resource: r, Path: "/" + name, Demo: true} // nobody calls it there: the test's own server has the resource
	}
	c.Clients.Listed = []config.Client{
		{ID: App, Name: "The app", RedirectURIs: []string{"http://127.0.0.1/callback"}},
		{ID: Worker, Name: "The worker", GrantTypes: []string{"client_credentials"}, Secret: "${test:secret}", Reaches: names},
		{ID: Resource, Name: "The resource", GrantTypes: []string{"client_credentials"}, Secret: "${test:secret}", Serves: names},
	}
	lookup := func(kind, name string) (string, error) {
		if kind != "test" || name != "secret" {
			return "", fmt.Errorf("there is no ${%s:%s}", kind, name)
		}
		return Secret, nil
	}
	quiet := slog.New(slog.DiscardHandler)
	if s.in, err = doorward.Open(context.Background(), c, doorward.Environment{Box: box, Audit: audit.Slog(slog.DiscardHandler), Slog: quiet, Lookup: lookup}); err != nil {
		return err
	}
	s.handler = s.in.Handler
	if s.keys, err = store.Open(context.Background(), "sqlite:"+filepath.Join(dir, "doorward.db"), box); err != nil {
		return errors.Join(err, s.in.Close())
	}
	return nil
}

// At is the server as an issuer at a resource, by its keys: for guard.Config. A token that was taken back is good there until it
// expires, as it is in every program that asks nobody.
func (s *Server) At(resource string) token.Issuer { return guard.Issuer(s.Issuer, resource) }

// AskedAt is At by introspection in place of keys. What was taken back is refused; answers are kept for 30 s.
func (s *Server) AskedAt(resource string) token.Issuer {
	i := s.At(resource)
	i.Keys = nil
	i.Introspect = provider.NewIntrospection(provider.Endpoint{URL: s.Issuer + "/introspect", ClientID: Resource, Secret: token.NewSecret(Secret)}, 0).Ask
	return i
}

// Down has the server answer 503 to everything, its keys among it, or answer again.
func (s *Server) Down(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// Slow has every answer of the server wait for so long; zero: none does.
func (s *Server) Slow(by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slow = by
}

// Rotate gives the server another signing key, which signs from now on. What the others signed is good until it expires. Whoever
// has read the keys reads them again for a key that they do not know, at most every 10 s.
func (s *Server) Rotate() {
	s.t.Helper()
	if _, err := s.in.Admin().RotateKeys(context.Background(), struct{}{}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	down, slow := s.down, s.slow
	s.mu.Unlock()
	if slow > 0 {
		select {
		case <-time.After(slow):
		case <-r.Context().Done():
			return
		}
	}
	if down {
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	s.handler.ServeHTTP(w, r)
}
