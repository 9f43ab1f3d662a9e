package config

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/gateway"
	"github.com/doorward-mcp/doorward/provider"
)

// upstream holds what reaches a server's upstream against itself.
func (k checker) upstream(at string, s Server) {
	k.addresses(at, s)
	k.health(under(at, "health"), s.Health)
	k.choice(under(at, "balance"), s.Balance, gateway.LeastBusy, gateway.RoundRobin)
	k.choice(under(at, "transport"), s.Transport, TransportHTTP, TransportSSE)
	k.choice(under(at, "caller_header"), s.CallerHeader, "on", CallerOff)
	k.upstreamTLS(at, s)
	k.credential(at, s)
	if len(s.Addresses()) > 0 {
		return
	}
	for _, given := range []struct {
		key string
		is  bool
	}{{"transport", s.Transport != ""}, {"balance", s.Balance != ""}, {"health", s.Health != gateway.Health{}}, {"upstream_tls", s.TLS != nil},
		{"upstream_credential", s.Credential != UpstreamCredential{}}} {
		if given.is {
			k.add(under(at, given.key), "it is for an upstream at an address, and the server has neither `url` nor `urls`")
		}
	}
}

func (k checker) addresses(at string, s Server) {
	if s.URL != "" {
		k.address(under(at, "url"), s.URL)
	}
	for i, address := range s.URLs {
		here := nth(under(at, "urls"), i)
		k.address(here, address)
		if slices.Index(s.URLs, address) < i {
			k.add(here, "it stands here a second time")
		}
	}
	if len(s.URLs) > gateway.MaxUpstreams {
		k.add(under(at, "urls"), "at most %d", gateway.MaxUpstreams)
	}
	if s.URL != "" && len(s.URLs) > 0 {
		k.add(under(at, "urls"), "give `url` for one upstream or `urls` for several equal ones, not both")
	}
}

func (k checker) address(at, address string) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Fragment != "":
		k.add(at, "it is not an http or https address")
	case u.User != nil: // it would stand in the caller header's audience
		k.add(at, "it has a user name or password in it: give them as an upstream header, Authorization: ${env:KEY}")
	}
}

func (k checker) health(at string, h gateway.Health) {
	full := h.WithDefaults()
	switch {
	case h.Path != "" && (!strings.HasPrefix(h.Path, "/") || strings.ContainsAny(h.Path, "?# ")):
		k.add(under(at, "path"), "it is a path such as /healthz")
	case h.Path != "" && h.TCP:
		k.add(under(at, "tcp"), "a `path` is given: whoever answers there has taken a connection")
	}
	if full.Interval < time.Second {
		k.add(under(at, "interval"), "at least 1s: it is asked of every upstream")
	}
	if full.Timeout > full.Interval {
		k.add(under(at, "timeout"), "%s is longer than the interval, %s", formatDuration(full.Timeout), formatDuration(full.Interval))
	}
	if full.EjectFor > full.EjectMost {
		k.add(under(at, "eject_for"), "%s is longer than eject_most, %s", formatDuration(full.EjectFor), formatDuration(full.EjectMost))
	}
	for key, n := range map[string]int{"fall": full.Fall, "rise": full.Rise, "eject_after": full.EjectAfter} {
		if n < 1 || n > 1000 {
			k.add(under(at, key), "1 to 1000")
		}
	}
	for key, d := range map[string]time.Duration{"interval": h.Interval, "timeout": h.Timeout, "eject_for": h.EjectFor, "eject_most": h.EjectMost} {
		if d < 0 || d > day {
			k.add(under(at, key), "at most 1d")
		}
	}
}

func (k checker) choice(at, given string, known ...string) {
	if given != "" && !slices.Contains(known, given) {
		k.add(at, "there is no %s: %s", printable(given), strings.Join(known, " or ")+meant(given, known))
	}
}

func (k checker) upstreamTLS(at string, s Server) {
	if s.TLS == nil {
		return
	}
	at = under(at, "upstream_tls")
	if (s.TLS.Certificate == "") != (s.TLS.Key == "") {
		k.add(at, "certificate and key go together")
	}
	for _, address := range s.Addresses() {
		if u, err := url.Parse(address); err == nil && u.Scheme == "http" {
			k.add(at, "%s is http, where nothing of this counts", printable(address))
		}
	}
}

func (k checker) credential(at string, s Server) {
	c := s.Credential
	at = under(at, "upstream_credential")
	if c.ClientCredentials == nil && c.Exchange == nil {
		return
	}
	if c.ClientCredentials != nil && c.Exchange != nil {
		k.add(at, "it is one of client_credentials and exchange, not both")
	}
	for name := range s.UpstreamHeaders {
		if strings.EqualFold(name, "Authorization") {
			k.add(at, "upstream_headers has an Authorization already: which of the two does the upstream get?")
		}
	}
	for _, address := range s.Addresses() {
		if !over(address) {
			k.add(at, "%s is http, where anybody on the way can read the token: write https", printable(address))
		}
	}
	if c.ClientCredentials != nil {
		k.tokenEndpoint(under(at, "client_credentials"), *c.ClientCredentials)
	}
	if c.Exchange != nil {
		k.exchange(under(at, "exchange"), s, *c.Exchange)
	}
}

// grants are the parameters that say what is asked for, and as whom: nobody else's to set.
var grants = []string{"grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type", "subject_token", "subject_token_type",
	"actor_token", "actor_token_type", "assertion", "requested_token_type", "audience", "resource", "scope"}

func (k checker) tokenEndpoint(at string, t TokenEndpoint) {
	u, err := url.Parse(t.URL)
	switch here := under(at, "token_endpoint"); {
	case t.URL == "":
		k.add(here, "it is missing: where is the token asked for?")
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || !over(t.URL):
		k.add(here, "it is not an https address without user, password and fragment; http is for this machine alone")
	}
	if t.ClientID == "" {
		k.add(under(at, "client_id"), "it is missing: as whom is the token asked for?")
	}
	k.choice(under(at, "method"), t.Method, provider.MethodBasic, provider.MethodPost, provider.MethodNone)
	k.reference(under(at, "client_secret"), t.Secret)
	switch {
	case t.Method == provider.MethodNone && t.Secret != "":
		k.add(under(at, "client_secret"), "the method is none, so it would never be sent")
	case t.Method != provider.MethodNone && t.Secret == "":
		k.add(under(at, "client_secret"), "it is missing: write ${env:NAME} or ${file:PATH}, or `method: none` for a public client")
	}
	for i, scope := range t.Scopes {
		if !scopeName.MatchString(scope) {
			k.add(nth(under(at, "scopes"), i), "a scope is a word of printable characters without quotes and backslashes")
		}
	}
	for name := range t.Parameters {
		switch here := under(under(at, "parameters"), name); {
		case slices.Contains(grants, name):
			k.add(here, "%s is not yours to set here", name)
		case secretive.MatchString(name):
			k.add(here, "a secret seems to stand here in the clear")
		}
	}
}

func (k checker) exchange(at string, s Server, x TokenExchange) {
	k.tokenEndpoint(at, x.TokenEndpoint)
	k.choice(under(at, "grant"), x.Grant, GrantTokenExchange, GrantJWTBearer)
	if x.SubjectTokenType != "" && x.Grant == GrantJWTBearer {
		k.add(under(at, "subject_token_type"), "the grant jwt-bearer has none")
	}
	if x.SubjectTokenType != "" && !strings.Contains(x.SubjectTokenType, ":") {
		k.add(under(at, "subject_token_type"), "it is an address or a urn, RFC 8693 section 3")
	}
	if s.Open() {
		k.add(at, "the server is open to everybody, so there is nobody for whom a token could be exchanged")
	}
}
