package config

import (
	"net"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/registration"
)

// Check says everything that is wrong with a value that no file gave, as an *Error without positions. Read checks the same.
func (c Config) Check() error {
	p := &problems{}
	words("", reflect.ValueOf(c), func(path, s string) {
		if wrong := checkWord(s); wrong != "" {
			p.add(path, "%s", wrong)
		}
	})
	check(p, c)
	return p.err("")
}

func check(p *problems, c Config) {
	k := checker{p, c, strings.HasPrefix(c.PublicURL, "http://")}
	k.publicURL()
	k.listen()
	k.database()
	for i, n := range c.TrustedProxies {
		if n.Bits() == 0 {
			k.add(nth("trusted_proxies", i), "%s is everybody: name the networks of your own proxies", n)
		}
	}
	k.operations()
	k.tracing()
	k.servers()
	k.issuers()
	k.foreignIssuers()
	k.clients()
	k.policy()
	k.audit()
	k.registration()
	k.lifetimes()
}

// checker holds a configuration against itself.
type checker struct {
	*problems
	c Config
	// loopback: the installation is on this machine alone, so what it names may be too.
	loopback bool
}

func (k checker) publicURL() {
	given := k.c.PublicURL
	if given == "" {
		k.add("public_url", "it is missing: the address that people and programs use, such as https://mcp.example.com")
		return
	}
	canonical, err := oauth.CanonicalResource(given)
	u, _ := url.Parse(given)
	switch {
	case err != nil || u == nil || u.Scheme != "https" && u.Scheme != "http":
		k.add("public_url", "it is not an https origin, such as https://mcp.example.com")
	case u.Path != "" || u.RawQuery != "" || u.ForceQuery:
		k.add("public_url", "it is an origin: scheme, host and port, without a path, a slash at the end, or a query")
	case canonical != given:
		k.add("public_url", "it must be written as %s: clients compare it letter for letter", canonical)
	case u.Scheme == "http" && !loopbackHost(u.Hostname()):
		k.add("public_url", "http is for loopback only: clients and people on other machines need https")
	case u.Scheme == "http" && k.c.TLS != nil:
		k.add("public_url", "it is http, but `tls` is given: write https")
	}
}

// listen holds where to listen against how: nothing goes over plain HTTP where other machines can come in.
func (k checker) listen() {
	listen := k.c.Listener()
	k.tls()
	host, port, err := net.SplitHostPort(listen)
	number, notNumber := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil || host == "" || notNumber != nil || strings.ContainsAny(host, " /@"):
		k.add("listen", "%s is not HOST:PORT, such as %s", printable(listen), DefaultListen)
		return
	case number == 0:
		k.add("listen", "clients hold the address, so the port must be a fixed one")
	case !loopbackHost(host) && k.c.TLS == nil:
		k.add("listen", "%s can be reached from other machines, where nothing may go over plain HTTP: give `tls`, or listen on loopback behind a proxy that has it", listen)
	}
	u, err := url.Parse(k.c.PublicURL)
	if err != nil || u.Scheme != "http" {
		return
	}
	if public := defaultPort(u); public != port {
		k.add("listen", "it has port %s, but public_url has port %s: without a proxy, which https is for, they are the same", port, public)
	}
}

func (k checker) operations() {
	given := k.c.Operations.Listen
	if given == "" {
		return
	}
	host, port, err := net.SplitHostPort(given)
	number, notNumber := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil || host == "" || notNumber != nil || number == 0:
		k.add("operations.listen", "%s is not HOST:PORT, such as 127.0.0.1:9090", printable(given))
	case given == k.c.Listener():
		k.add("operations.listen", "it is where everybody comes: metrics and reasons are for a listener of their own")
	}
}

func (k checker) tracing() {
	t := k.c.Tracing
	if t == nil {
		return
	}
	u, err := url.Parse(t.Endpoint)
	switch {
	case t.Endpoint == "":
		k.add("tracing.endpoint", "it is missing: where the collector takes spans, such as http://127.0.0.1:4318/v1/traces")
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		k.add("tracing.endpoint", "it is not an http or https address")
	case u.User != nil:
		k.add("tracing.endpoint", "it has a user name or password in it: give them in `headers`")
	}
	if t.Percent > 100 {
		k.add("tracing.percent", "it is at most 100")
	}
	k.headersAt("tracing.headers", t.Headers)
}

// tls holds that a certificate comes from one place.
func (k checker) tls() {
	t := k.c.TLS
	switch {
	case t == nil:
	case t.ACME != nil && (t.Certificate != "" || t.Key != ""):
		k.add("tls.acme", "a certificate is given too: which one is to be used?")
	case t.ACME != nil:
		k.acme(*t.ACME)
	case t.Certificate == "":
		k.add("tls.certificate", "it is missing: certificate and key go together")
	case t.Key == "":
		k.add("tls.key", "it is missing: certificate and key go together")
	}
}

func (k checker) acme(a ACME) {
	if !a.Terms {
		k.add("tls.acme.terms_accepted", "it is missing: read the authority's terms of service, and write true if you accept them")
	}
	if a.Directory != "" && k.safe(a.Directory) != "" {
		k.add("tls.acme.directory", "%s", k.safe(a.Directory))
	}
	u, err := url.Parse(k.c.PublicURL)
	if err == nil && u.Scheme == "https" && (u.Port() != "" || loopbackHost(u.Hostname()) && a.Directory == "" || net.ParseIP(u.Hostname()) != nil) {
		k.add("tls.acme", "public_url must be a host name without a port: authorities come to port 443 of it")
	}
}

func defaultPort(u *url.URL) string {
	if u.Port() != "" {
		return u.Port()
	}
	return map[string]string{"http": "80", "https": "443"}[u.Scheme]
}

func (k checker) database() {
	given := string(k.c.Database)
	if given == "" {
		return
	}
	if wrong := checkReferences(given); wrong != "" {
		k.add("database", "%s", wrong)
		return
	}
	if reference.FindString(given) == given { // what it leads to is judged when it is opened
		return
	}
	if path, ok := strings.CutPrefix(given, "sqlite:"); ok {
		if path == "" || strings.ContainsAny(path, "?#%") || filepath.Base(path) == "." {
			k.add("database", "sqlite: is followed by the path of a file")
		}
		return
	}
	// What stands for a secret has no character that an address could not have.
	u, err := url.Parse(reference.ReplaceAllString(given, "REFERENCE"))
	switch {
	case err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql":
		k.add("database", "it begins neither with sqlite: nor with postgres://, or is no address")
	case literal(u.User), u.Query().Get("password") != "" && u.Query().Get("password") != "REFERENCE":
		k.add("database", "a password stands here in the clear: write ${env:NAME} or ${file:PATH} in its place, and change the password")
	}
}

// literal reports whether a password stands in an address that is no reference.
func literal(u *url.Userinfo) bool {
	if u == nil {
		return false
	}
	password, _ := u.Password()
	return password != "" && password != "REFERENCE"
}

func (k checker) registration() {
	r := k.c.Registration
	modes := []registration.Mode{registration.ModeListed, registration.ModeReview, registration.ModeOpen}
	switch {
	case r.Mode == "":
		k.add("registration.mode", "it is missing: listed (the clients of this file only), review (a new client waits for an administrator) or open (everybody)")
	case !slices.Contains(modes, r.Mode):
		k.add("registration.mode", "there is no mode %s%s", printable(string(r.Mode)), meant(string(r.Mode), []string{"listed", "review", "open"}))
	}
	k.reference("registration.initial_access_token", r.InitialAccessToken)
	for i, issuer := range r.StatementIssuers {
		if at := under(nth("registration.software_statement_issuers", i), "jwks_uri"); issuer.JWKSURI != "" && k.safe(issuer.JWKSURI) != "" {
			k.add(at, "%s", k.safe(issuer.JWKSURI))
		}
	}
	// The role knows its own rules; each of its errors begins with the member.
	if joined, ok := r.Check().(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			key, text, _ := strings.Cut(err.Error(), ": ")
			k.add(under("registration", key), "%s", text)
		}
	}
}

// reference holds that a secret is a reference and nothing else.
func (k checker) reference(at string, s Secret) {
	if s == "" {
		return
	}
	if m := reference.FindString(string(s)); m != string(s) {
		k.add(at, "a secret stands here in the clear: write ${env:NAME} or ${file:PATH}, and make a new secret")
	} else if wrong := checkReferences(m); wrong != "" {
		k.add(at, "%s", wrong)
	}
}

func (k checker) lifetimes() {
	l := k.c.Lifetimes
	own, session := l.WithDefaults(), l.Login
	for _, d := range []struct {
		key         string
		given, most time.Duration
	}{
		{"access_token", l.Access, day}, {"code", l.Code, 10 * time.Minute}, {"refresh_grace", l.RefreshGrace, 5 * time.Minute},
		{"refresh_idle", l.RefreshIdle, 2 * 365 * day}, {"refresh_most", l.RefreshMost, 2 * 365 * day}, {"pending", l.Pending, time.Hour},
		{"device_code", l.Device, 30 * time.Minute}, {"consent", l.Consent, 2 * 365 * day}, {"session_idle", session.SessionIdle, 30 * day},
		{"session_most", session.SessionMost, 30 * day}, {"sign_in_link", session.Link, day},
	} {
		if d.given > d.most {
			k.add("lifetimes."+d.key, "%s is longer than is safe: at most %s", formatDuration(d.given), formatDuration(d.most))
		}
	}
	if own.RefreshIdle > own.RefreshMost {
		k.add("lifetimes.refresh_idle", "%s is longer than refresh_most, %s", formatDuration(own.RefreshIdle), formatDuration(own.RefreshMost))
	}
	if own.Access > own.RefreshMost {
		k.add("lifetimes.access_token", "%s is longer than refresh_most, %s", formatDuration(own.Access), formatDuration(own.RefreshMost))
	}
	if session.SessionIdle > 0 && session.SessionMost > 0 && session.SessionIdle > session.SessionMost {
		k.add("lifetimes.session_idle", "%s is longer than session_most, %s", formatDuration(session.SessionIdle), formatDuration(session.SessionMost))
	}
}
