package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"

	"github.com/maypok86/otter/v2"
	"go.opentelemetry.io/otel/trace"

	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/seal"
)

// Config is one server behind the gateway.
type Config struct {
	guard.Config              // the same resource, decider, log and limits that a Go server gives
	Upstream     Upstream     // where calls go
	Credential   Credential   // nil: the upstream gets nothing
	Renew        Renew        // nil: a credential that the upstream refuses is not asked for again
	Box          *seal.Box    // seals session ids for whom they belong to; nil: they pass as they are
	SSE          bool         // the upstream speaks HTTP+SSE of 2024-11-05, to clients of the same; it needs a Box
	Tasks        *Tasks       // nil: tasks are of this Server alone, and nobody's after it
	Tracer       trace.Tracer // nil: no spans are made
	ToolSearch   []string     // names of tools whose results list tools, and are filtered as lists are
	Redacts      bool         // the Decider may ask for redactions: on a stream, no answer is passed on of which it is not known what was asked. False: so from the first redaction on
}

// Upstream is where calls go: an address, or a process. The request that it gets has no address of its own.
type Upstream func(guard.Call) http.RoundTripper

// Credential sets what the upstream gets instead of the caller's token.
type Credential func(ctx context.Context, c guard.Call, h http.Header) error

// Renew forgets the credential in sent, which the upstream refused, and reports whether another can be had.
type Renew func(c guard.Call, sent http.Header) bool

// Server is one MCP server, protected. It is safe for concurrent use.
type Server struct {
	c     Config
	guard *guard.Guard

	redacting *atomic.Bool                       // something was taken out of an answer of this server
	hashes    *otter.Cache[[32]byte, definition] // :: hash of a definition as it was written → what records need of it
	shown     *shown
}

// New refuses what guard.New refuses.
func New(c Config) (*Server, error) {
	g, err := guard.New(c.Config)
	if err != nil {
		return nil, err
	}
	if c.SSE && c.Box == nil {
		return nil, errors.New("gateway: an upstream of HTTP+SSE without a key to seal its addresses")
	}
	if c.Tasks == nil {
		c.Tasks = NewTasks()
	}
	if c.Slog == nil {
		c.Slog = slog.Default()
	}
	s := &Server{c: c, guard: g, redacting: c.Tasks.redacting(c.Resource.URI), hashes: newHashes(), shown: newShown()}
	if c.Redacts {
		s.redacting.Store(true)
	}
	return s, nil
}

// Guard is what lets callers in: for addresses beside the server that the same callers use.
func (s *Server) Guard() *guard.Guard { return s.guard }

// Metadata serves the document of RFC 9728.
func (s *Server) Metadata() http.Handler { return s.guard.Metadata() }

// AllowsOrigin reports whether pages of a web origin may call.
func (s *Server) AllowsOrigin(origin string) bool { return s.guard.AllowsOrigin(origin) }

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.c.SSE {
		r = withoutOld(r)
	}
	if err := s.serve(w, r); err != nil {
		announce(w.Header(), err)
		s.guard.Refuse(w, r, err)
	}
}
