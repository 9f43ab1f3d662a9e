package config

import (
	"maps"
	"slices"

	"github.com/doorward-mcp/doorward/provider"
)

// Issuer is an authorization server that is not ours, whose access tokens servers take.
type Issuer struct {
	Issuer          string         `yaml:"issuer"`        // iss of its tokens, byte for byte
	Profile         string         `yaml:"profile"`       // one of provider.Names; empty: it does as RFC 9068 says
	JWKSURI         string         `yaml:"jwks_uri"`      // empty: what its metadata says
	Introspection   *Introspection `yaml:"introspection"` // in place of keys; nil: its tokens are verified by keys
	provider.Tokens `yaml:",inline"`
}

// Introspection is where an issuer is asked about its tokens, RFC 7662, and who asks.
type Introspection struct {
	Endpoint string `yaml:"endpoint"`
	ClientID string `yaml:"client_id"`
	Secret   Secret `yaml:"client_secret"`
	Method   string `yaml:"method"`       // empty: client_secret_basic
	Prefix   string `yaml:"token_prefix"` // with which tokens begin that name no issuer; empty: with anything
}

// ServerIssuer is an issuer at one server.
type ServerIssuer struct {
	Name          string `yaml:"name"` // of Config.Issuers, or OwnIssuer
	provider.Here `yaml:",inline"`
}

// Accepts is what counts as an access token of an issuer: what its profile says, and what the file says besides.
func (i Issuer) Accepts() provider.Tokens {
	p, _ := provider.Named(i.Profile)
	return p.With(i.Tokens)
}

// Owned reports whether our own authorization server issues tokens for s.
func (s Server) Owned() bool {
	return !s.Open() && (len(s.Issuers) == 0 || slices.ContainsFunc(s.Issuers, func(i ServerIssuer) bool { return i.Name == OwnIssuer }))
}

// GroupIssuer is the name of the issuer whose groups count at s: the one that is named, else OwnIssuer if it is one of s's.
// Empty: nobody's do.
func (s Server) GroupIssuer() string {
	if s.GroupsFrom == "" && s.Owned() {
		return OwnIssuer
	}
	return s.GroupsFrom
}

// AuthorizationServers are the issuers of a server's tokens, in the order of the file.
func (c Config) AuthorizationServers(s Server) (all []string) {
	if len(s.Issuers) == 0 && s.Owned() {
		return []string{c.PublicURL}
	}
	for _, i := range s.Issuers {
		if i.Name == OwnIssuer {
			all = append(all, c.PublicURL)
		} else {
			all = append(all, c.Issuers[i.Name].Issuer)
		}
	}
	return all
}

// AskedAs are the names under which clients ask for the scopes of s: those of the first of its issuers, unless it is ours, or
// ours is another one of them. :: scope → name there
func (s Server) AskedAs() map[string]string {
	if s.Owned() || len(s.Issuers) == 0 {
		return nil
	}
	return s.Issuers[0].Names()
}

// Warnings are what works and may not be meant, each with the member that it is about.
func (c Config) Warnings() (all []Problem) {
	for _, name := range slices.Sorted(maps.Keys(c.Servers)) {
		if s := c.Servers[name]; !s.Open() && !s.Owned() {
			all = append(all, Problem{Path: under(under("servers", name), "issuers"), Text: "clients of MCP 2025-03-26 look for the authorization server at " + c.PublicURL +
				" and find Doorward's own, which issues no tokens for this server: only newer clients can use it. One origin serves those clients for servers of one authorization server only: " +
				"add `- name: own`, or give this server an origin without Doorward's"})
		}
	}
	return all
}
