package config

import (
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/grant"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/login"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/registration"
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
	Policy           string            `yaml:"policy"`            // scopes-only
	Registration     Registration      `yaml:"registration"`
	Exchange         Exchange          `yaml:"exchange"`
	Limits           authserver.Limits `yaml:"limits"`
	Lifetimes        Lifetimes         `yaml:"lifetimes"`

	// InsecureLoopbackDocuments is a PEM file of the certificate authority under which client ID metadata documents are
	// taken from loopback hosts too: a switch for tests. Empty: public addresses only.
	InsecureLoopbackDocuments string `yaml:"insecure_loopback_documents"`
}

// DefaultListen is where an installation listens that is not told otherwise.
const DefaultListen = "127.0.0.1:8080"

// TLS is a certificate chain and its key, as PEM files.
type TLS struct {
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
}

// Server is one MCP server. Exactly one of URL, Command and Demo says what stands behind it.
type Server struct {
	oauth.Resource  `yaml:",inline"`     // URI empty: the public address and the path
	Path            string               `yaml:"path"`
	URL             string               `yaml:"url"`
	Command         []string             `yaml:"command"`
	Environment     []string             `yaml:"environment"` // NAME to pass on, or NAME=value
	Demo            bool                 `yaml:"demo"`
	UpstreamHeaders map[string]Text      `yaml:"upstream_headers"` // :: name → value
	Limits          guard.Limits         `yaml:"limits"`
	DPoP            DPoP                 `yaml:"dpop"`
	Authentication  guard.Authentication `yaml:"authentication"`
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
	grant.Lifetimes `yaml:",inline"`
	Login           login.Lifetimes `yaml:",inline"`
	Pending         time.Duration   `yaml:"pending"`     // how long an authorization request waits for a person: 10 min
	Device          time.Duration   `yaml:"device_code"` // 10 min
	Consent         time.Duration   `yaml:"consent"`     // how long it is remembered: 90 d
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
