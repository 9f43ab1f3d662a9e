package doorward

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/internal/crash"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
)

// routes is the whole list of addresses of an origin.
type routes struct {
	hosts   map[string]string       // :: Host that is answered → origin that documents name
	open    map[string]http.Handler // :: path → what programs of any web origin may call
	servers map[string]protected    // :: path → server
	pages   map[string]http.Handler // :: pattern → page
	now     func() time.Time
	trusted []netip.Prefix
	log     *audit.Log
}

// protected is a server as the routes see it.
type protected interface {
	http.Handler
	AllowsOrigin(origin string) bool
}

// check refuses a server at an address that is another part's: a configuration that nobody checked could have one.
func (t routes) check() error {
	pages := t.paths()
	for pattern := range t.pages {
		_, path, ok := strings.Cut(pattern, " ")
		if !ok {
			path = pattern
		}
		pages[path] = true
	}
	for path := range t.servers {
		if t.open[path] != nil || pages[path] || config.Reserved(path) {
			return fmt.Errorf("a server cannot have the path %s: it is an address of Doorward's own", path)
		}
	}
	return nil
}

// handler puts them in order: who asks and when, Host, CORS, the address.
func (t routes) handler() http.Handler {
	mux := http.NewServeMux()
	for path, h := range t.open {
		mux.Handle(path, cors(h, func(string) bool { return true }, true))
	}
	for path, s := range t.servers {
		h := cors(s, s.AllowsOrigin, false)
		mux.Handle(path, h)
		mux.Handle(path+"/{$}", h) // people write a slash at the end, and a redirect would lose the body of a POST
	}
	for pattern, h := range t.pages {
		mux.Handle(pattern, h)
	}
	// A page has no CORS, whatever the method: pages of other origins have no business with it.
	for path := range t.paths() {
		mux.Handle(path, http.HandlerFunc(notFound))
	}
	// Everything else is a JSON 404, for programs that read what they get (and HTML is what breaks them).
	mux.Handle("/", cors(http.HandlerFunc(notFound), func(string) bool { return true }, true))
	return paceStreams(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = request.Begin(r, t.now, t.trusted)
		w.Header().Set("X-Request-Id", request.From(r.Context()).ID)
		hasten(w, r, bodyTime)
		if _, ok := t.hosts[r.Host]; !ok {
			// A page that rebinds its own name to this address still sends its own name.
			t.misdirected(w, r)
			return
		}
		mux.ServeHTTP(w, r)
		crash.Point("before the answer is sent")
	}), readWithin)
}

// paths are those of pages that take some methods only.
func (t routes) paths() map[string]bool {
	all := map[string]bool{}
	for pattern := range t.pages {
		if method, path, ok := strings.Cut(pattern, " "); ok && method != "" {
			all[path] = true
		}
	}
	return all
}

// misdirected refuses a request that is for somebody else.
func (t routes) misdirected(w http.ResponseWriter, r *http.Request) {
	info := request.From(r.Context())
	e := &oauth.Error{Status: http.StatusMisdirectedRequest, Code: "invalid_request", Reason: "host", Description: "this server is not known under that name; --public-url says which name it has"}
	if _, err := t.log.Refused(r.Context(), audit.Record{Code: audit.RequestRefused, Now: info.Now, Request: info.ID, Client: info.Client, Verdict: policy.Deny.String(), Reason: e.Reason}); err != nil {
		e = oauth.ServerError()
	}
	authserver.WriteError(w, e, info.ID)
}

func notFound(w http.ResponseWriter, r *http.Request) {
	authserver.WriteError(w, &oauth.Error{Status: http.StatusNotFound, Code: "not_found", Reason: "path", Description: "there is nothing at this address"}, request.From(r.Context()).ID)
}

// The headers that pages of other origins may send and read. What stands in the list of MCP clients' needs is all here:
// without WWW-Authenticate a page cannot even learn that it must sign in.
const (
	allowedHeaders = "authorization, content-type, accept, last-event-id, mcp-protocol-version, mcp-session-id, mcp-method, mcp-name, dpop"
	exposedHeaders = "www-authenticate, mcp-session-id, mcp-protocol-version, dpop-nonce, retry-after, doorward-receipt, x-request-id"
)

// cors stands outside everything, so that refusals can be read too. anyone: no credentials are involved, * will do.
func cors(next http.Handler, allows func(origin string) bool, anyone bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, origin := w.Header(), r.Header.Get("Origin")
		switch {
		case anyone:
			h.Set("Access-Control-Allow-Origin", "*")
		case origin != "" && allows(origin):
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Vary", "Origin")
		default:
			h.Set("Vary", "Origin")
		}
		h.Set("Access-Control-Expose-Headers", exposedHeaders)
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS")
			h.Set("Access-Control-Allow-Headers", allowedHeaders+parameters(r))
			h.Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// parameters are the Mcp-Param- headers that a preflight asks for: their names are the tools' own.
func parameters(r *http.Request) string {
	var b strings.Builder
	for name := range strings.SplitSeq(r.Header.Get("Access-Control-Request-Headers"), ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		if strings.HasPrefix(name, "mcp-param-") && !strings.ContainsFunc(name, notToken) {
			b.WriteString(", " + name)
		}
	}
	return b.String()
}

func notToken(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.')
}
