package config

import (
	"net/netip"
	"net/url"
	"slices"

	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/login"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/registration"
	"github.com/doorward-mcp/doorward/stdio"
)

// Config is the whole of an installation's configuration. protect builds the same value that the file gives. A member that
// is zero is not given: its default is the role's.
type Config struct {
	PublicURL        string            `yaml:"public_url"`        // the origin that people and programs use; also the issuer
	Listen           string            `yaml:"listen"`            // HOST:PORT; empty: DefaultListen
	TrustedProxies   []netip.Prefix    `yaml:"trusted_proxies"`   // whose forwarded headers count; empty: nobody's
	TLS              *TLS              `yaml:"tls"`               // nil: plain HTTP, on loopback only
	Data             string            `yaml:"data"`              // the data directory; empty: one of the user's for each listener
	Database         Text              `yaml:"database"`          // empty: SQLite in the data directory
	Servers          map[string]Server `yaml:"servers"`           // :: name → server
	Clients          Clients           `yaml:"clients"`           // the operator's
	AssertionIssuers []AssertionIssuer `yaml:"assertion_issuers"` // whose assertions are taken; empty: nobody's
	Issuers          map[string]Issuer `yaml:"issuers"`           // :: name → whose access tokens servers take besides our own
	Policy           Policy            `yaml:"policy"`            // what decides a call besides the token
	Audit            Audit             `yaml:"audit"`             // how the audit log is kept
	Registration     Registration      `yaml:"registration"`
	Exchange         Exchange          `yaml:"exchange"`
	Limits           authserver.Limits `yaml:"limits"`
	Operations       Operations        `yaml:"operations"`
	Tracing          *Tracing          `yaml:"tracing"` // nil: no spans are made
	Lifetimes        Lifetimes         `yaml:"lifetimes"`

	// InsecureLoopbackDocuments is a PEM file of the certificate authority under which client ID metadata documents are
	// taken from loopback hosts too: a switch for tests. Empty: public addresses only.
	InsecureLoopbackDocuments string `yaml:"insecure_loopback_documents"`
}

// DefaultListen is where an installation listens that is not told otherwise.
const DefaultListen = "127.0.0.1:8080"

// Operations is where who runs the installation looks at it.
type Operations struct {
	Listen string `yaml:"listen"` // HOST:PORT of /healthz, /readyz and /metrics over plain HTTP, for a network of its own; empty: nowhere
}

// Tracing is where spans of calls go: a collector of OpenTelemetry that speaks OTLP over HTTP.
type Tracing struct {
	Endpoint string          `yaml:"endpoint"` // such as https://otel.example.com:4318/v1/traces
	Headers  map[string]Text `yaml:"headers"`  // for the collector, with references
	Percent  int             `yaml:"percent"`  // of calls whose client does not say itself whether it is traced; zero: 100
}

// TLS is a certificate chain and its key, as PEM files, or an authority that gives them out. One of the two.
type TLS struct {
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
	ACME        *ACME  `yaml:"acme"`
}

// ACME is an authority from which the certificate for the public address comes and is renewed. RFC 8555; the challenge is
// tls-alpn-01 (RFC 8737), so that the authority must reach the listener at port 443 of the public address.
type ACME struct {
	Directory string `yaml:"directory"`      // empty: Let's Encrypt's
	Email     string `yaml:"email"`          // whom the authority tells of trouble; empty: nobody
	Terms     bool   `yaml:"terms_accepted"` // of the authority, by the operator; false: nothing is asked of it
	Authority string `yaml:"authority"`      // a PEM file of who signs for the directory's own address; empty: the system's
}

// Server is one MCP server. Exactly one of URL, URLs, Command and Demo says what stands behind it.
type Server struct {
	oauth.Resource  `yaml:",inline"` // URI empty: the public address and the path
	Path            string           `yaml:"path"`
	Auth            string           `yaml:"auth"`        // empty: tokens; AuthNoneInsecure
	Required        oauth.Scopes     `yaml:"required"`    // what every operation needs; empty: what Initial is
	Needs           []policy.Need    `yaml:"needs"`       // what some operations need besides
	ToolSearch      []string         `yaml:"tool_search"` // tools whose results list tools, and are filtered as lists are
	URL             string           `yaml:"url"`
	Command         []string         `yaml:"command"`
	Environment     []string         `yaml:"environment"` // NAME to pass on, or NAME=value, in which references may stand
	Isolation       stdio.Isolation  `yaml:"isolation"`   // who shares a process of the command; empty: stdio.PerSession
	Process         Process          `yaml:"process"`     // of the command
	Demo            bool             `yaml:"demo"`
	UpstreamHeaders map[string]Text  `yaml:"upstream_headers"` // :: name → value
	Upstream        `yaml:",inline"`
	Limits          guard.Limits         `yaml:"limits"`
	DPoP            DPoP                 `yaml:"dpop"`
	Authentication  guard.Authentication `yaml:"authentication"`
	Issuers         []ServerIssuer       `yaml:"issuers"`     // whose tokens it takes; empty: our own
	GroupsFrom      string               `yaml:"groups_from"` // the one of Issuers whose groups count; empty: our own, if it is one
}

// Open reports whether everybody may call.
func (s Server) Open() bool { return s.Auth == AuthNoneInsecure }

// Needed says what each operation of a server needs.
func (s Server) Needed() policy.Scopes {
	all := oauth.NewScopes(s.Required...)
	if len(all) == 0 {
		all = s.InitialScopes()
	}
	return policy.NewScopes(all, s.Includes(), s.Needs...)
}

// DPoP is what a server asks of proofs of possession. RFC 9449. The zero DPoP takes bound and unbound tokens.
type DPoP struct {
	Required bool `yaml:"required"` // unbound tokens are refused
	Nonce    bool `yaml:"nonce"`    // a proof must have a nonce of ours, RFC 9449 §9
}

// Registration is who may come without being listed, and how often.
type Registration struct {
	registration.Policy `yaml:",inline"`
	Limits              registration.Limits `yaml:"limits"`
	InitialAccessToken  Secret              `yaml:"initial_access_token"` // RFC 7591 §3; empty: none is asked for
}

// Exchange is the rules of token exchange that can be turned off.
type Exchange struct {
	// InsecureWithoutConsent lets a listed client act for a person who never agreed to it.
	InsecureWithoutConsent bool `yaml:"insecure_without_consent"`
}

// Lifetimes are those of every role in one place; one that is zero is its role's default.
type Lifetimes struct {
	authserver.Lifetimes `yaml:",inline"`
	Login                login.Lifetimes `yaml:",inline"`
}

// Named are the hosts that the operator named as places of keys: they may lie on a private network.
func (c Config) Named() (hosts []string) {
	add := func(address string) {
		if u, err := url.Parse(address); err == nil && u.Host != "" && !slices.Contains(hosts, u.Host) {
			hosts = append(hosts, u.Host)
		}
	}
	for _, a := range c.AssertionIssuers {
		add(a.Issuer)
		add(a.JWKSURI)
	}
	for _, i := range c.Issuers {
		add(i.Issuer)
		add(i.JWKSURI)
	}
	for _, address := range c.KeyAddresses() {
		add(address)
	}
	return hosts
}

// KeyAddresses are where the keys of listed clients and of issuers of software statements lie.
func (c Config) KeyAddresses() (all []string) {
	for _, listed := range c.Clients.Listed {
		all = append(all, listed.JWKSURI)
	}
	for _, i := range c.Registration.StatementIssuers {
		all = append(all, i.JWKSURI)
	}
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}

// Listener is where to listen.
func (c Config) Listener() string {
	if c.Listen == "" {
		return DefaultListen
	}
	return c.Listen
}

// Resource is a server as the roles see it, its identifier filled in.
func (c Config) Resource(s Server) oauth.Resource {
	r := s.Resource
	if r.URI == "" {
		r.URI = c.PublicURL + s.Path
	}
	r.Initial = oauth.NewScopes(r.Initial...)
	return r
}
