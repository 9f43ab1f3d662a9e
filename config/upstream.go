package config

import (
	"net/url"

	"github.com/doorward-mcp/doorward/gateway"
	"github.com/doorward-mcp/doorward/provider"
)

// Upstream is how what stands behind a server is reached over HTTP, and what it gets instead of the caller's token.
type Upstream struct {
	URLs         []string           `yaml:"urls"`         // equal ones, in place of one URL
	Balance      string             `yaml:"balance"`      // empty: gateway.LeastBusy
	Health       gateway.Health     `yaml:"health"`       // of several
	Transport    string             `yaml:"transport"`    // empty: TransportHTTP
	TLS          *UpstreamTLS       `yaml:"upstream_tls"` // nil: the system's authorities, and no certificate of ours
	Credential   UpstreamCredential `yaml:"upstream_credential"`
	CallerHeader string             `yaml:"caller_header"` // CallerOff leaves it out
}

// UpstreamTLS is whom we believe to be the upstream, and as whom it knows us: PEM files.
type UpstreamTLS struct {
	CA          string `yaml:"ca"`          // authorities that are believed, and no others; empty: the system's
	Certificate string `yaml:"certificate"` // ours; empty: none
	Key         string `yaml:"key"`
	ServerName  string `yaml:"server_name"` // the name in its certificate; empty: the host of its address
}

// UpstreamCredential is a token that is asked for at an authorization server. At most one member is given; none: the
// upstream gets upstream_headers and nothing else.
type UpstreamCredential struct {
	ClientCredentials *TokenEndpoint `yaml:"client_credentials"` // RFC 6749 §4.4
	Exchange          *TokenExchange `yaml:"exchange"`
}

// TokenEndpoint is where a token is asked for, as whom, and for what.
type TokenEndpoint struct {
	URL        string            `yaml:"token_endpoint"`
	ClientID   string            `yaml:"client_id"`
	Secret     Secret            `yaml:"client_secret"`
	Method     string            `yaml:"method"` // empty: provider.MethodBasic
	Audience   []string          `yaml:"audience"`
	Resource   []string          `yaml:"resource"` // RFC 8707
	Scopes     []string          `yaml:"scopes"`
	Parameters map[string]string `yaml:"parameters"` // what this server asks for besides
	CA         string            `yaml:"ca"`         // authorities that are believed there; empty: the system's
}

// TokenExchange is an exchange of an assertion of ours about the caller. RFC 8693; RFC 7523 §2.1.
type TokenExchange struct {
	TokenEndpoint     `yaml:",inline"`
	Grant             string `yaml:"grant"`              // empty: GrantTokenExchange
	AssertionAudience string `yaml:"assertion_audience"` // whom the assertion is meant for; empty: the token endpoint
	SubjectTokenType  string `yaml:"subject_token_type"` // empty: provider.TypeJWT
	Issuer            string `yaml:"callers_of"`         // the issuer whose callers are exchanged; empty: this installation
}

// Addresses are where the server's upstreams are: none for a command or the demo.
func (s Server) Addresses() []string {
	if s.URL != "" {
		return []string{s.URL}
	}
	return s.URLs
}

// Wanted is what a token is asked for.
func (t TokenEndpoint) Wanted() provider.Wanted {
	return provider.Wanted{Audiences: t.Audience, Resources: t.Resource, Scopes: t.Scopes, Parameters: t.Parameters}
}

// in is u with relative paths as they are seen from the file's directory.
func (u Upstream) in(from func(*string)) Upstream {
	if u.TLS != nil {
		files := *u.TLS
		from(&files.CA)
		from(&files.Certificate)
		from(&files.Key)
		u.TLS = &files
	}
	endpoint := func(t *TokenEndpoint) {
		from(&t.CA)
		t.Secret = Secret(Text(t.Secret).in(from))
	}
	if u.Credential.ClientCredentials != nil {
		own := *u.Credential.ClientCredentials
		endpoint(&own)
		u.Credential.ClientCredentials = &own
	}
	if u.Credential.Exchange != nil {
		exchange := *u.Credential.Exchange
		endpoint(&exchange.TokenEndpoint)
		u.Credential.Exchange = &exchange
	}
	return u
}

// over reports whether an address is one that nobody on the way can read: https, or this machine.
func over(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http" && loopbackHost(u.Hostname()))
}
