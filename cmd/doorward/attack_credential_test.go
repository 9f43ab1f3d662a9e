package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/doorward-mcp/doorward/token"
)

// elsewhere is somebody else's authorization server: it keeps what it is asked, and gives numbered tokens.
type elsewhere struct {
	*httptest.Server
	mu    sync.Mutex
	asked []received
	says  http.HandlerFunc // nil: a token
}

func elsewhereOf(t testing.TB) *elsewhere {
	e := &elsewhere{}
	e.Server = httptest.NewServer(e)
	t.Cleanup(e.Close)
	return e
}

func (e *elsewhere) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	e.mu.Lock()
	e.asked = append(e.asked, received{r.Method, r.Header.Clone(), r.URL.RawQuery, string(body)})
	n, says := len(e.asked), e.says
	e.mu.Unlock()
	if says != nil {
		says(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"access_token":"given-%d","token_type":"Bearer","expires_in":300,"issued_token_type":"urn:ietf:params:oauth:token-type:access_token"}`, n)
}

func (e *elsewhere) all() []received {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.asked)
}

func (e *elsewhere) answers(h http.HandlerFunc) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.says = h
}

// behindMany serves a file whose servers are named and given as flow mappings without their path.
func behindMany(t testing.TB, servers map[string]string) *server {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte(gatewaySecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := strings.Split(plainFile, "  mcp:\n")[0]
	for name, of := range servers {
		text += "  " + name + ": {path: /" + name + ", " + strings.ReplaceAll(of, "$DIR", dir) + "}\n"
	}
	return protectFile(t, text)
}

// at is the server with the resource of one of several.
func (f *forger) at(name string) (s *server, access string) {
	one := *f.s
	one.t = f.t
	if uri, ok := f.s.ready.Resources[name]; ok {
		one.ready.Resource = uri
	}
	return &one, f.minted(time.Now(), func(c *token.Claims) { c.Resource = one.ready.Resource })
}

// credentialOf is a server with a token of e.
func credentialOf(kind, up string, e *elsewhere, more string) string {
	return "url: '" + up + "', upstream_credential: {" + kind + ": {token_endpoint: '" + e.URL + "/token', client_id: doorward, client_secret: '${file:$DIR/secret}'" + more + "}}"
}

const gatewaySecret = "the-secret-of-the-gateway"

// RS-NO-PASSTHROUGH, rule 4: a token that came in goes out nowhere, whatever stands behind and whatever it gets in its place: neither whole
// nor its signature, in no header, cookie, query, body or log.
func TestAttackOnTheCallersToken(t *testing.T) {
	up, e := upstreamOf(t, nil), elsewhereOf(t)
	s := behindMany(t, map[string]string{
		"single":   "url: '" + up.URL + "/mcp'",
		"pool":     "urls: ['" + up.URL + "/a', '" + up.URL + "/b'], health: {path: /healthz, interval: 1s, timeout: 1s}",
		"headers":  "url: '" + up.URL + "', upstream_headers: {X-Api-Key: '${file:$DIR/secret}'}",
		"own":      credentialOf("client_credentials", up.URL, e, ""),
		"swap":     credentialOf("exchange", up.URL, e, ", audience: [backend]"),
		"bearer":   credentialOf("exchange", up.URL, e, ", grant: jwt-bearer, method: client_secret_post"),
		"silent":   "url: '" + up.URL + "', caller_header: off",
		"old":      "url: '" + up.URL + "', transport: sse",
		"command":  "command: [stdioserver]",
		"unheard":  "url: 'http://127.0.0.1:1/'",
		"unspoken": credentialOf("exchange", up.URL, &elsewhere{Server: &httptest.Server{URL: "http://127.0.0.1:1"}}, ""),
	})
	f := newForger(t, s)
	for _, name := range []string{"single", "pool", "headers", "own", "swap", "bearer", "silent", "old", "command", "unheard", "unspoken"} {
		as(t, s, name, func(t *testing.T) {
			one, access := f.at(name)
			one.t = t
			before := len(up.all())
			header := []string{"Cookie", "session=" + access, "X-Forwarded-Access-Token", access, "Doorward-Caller", access, "Proxy-Authorization", "Bearer " + access, "X-Auth-Request-Access-Token", access}
			one.call(access, "environment", "{}", header...)
			one.ready.Resource += "?access_token=x&leak=" + url.QueryEscape(access[:20])
			one.call(access, "environment", "{}", header...)
			if got := len(up.all()) - before; got == 0 && !slices.Contains([]string{"command", "unheard", "unspoken", "old"}, name) {
				t.Error("nothing has reached the upstream")
			}
			signature := access[strings.LastIndexByte(access, '.')+1:]
			for what, seen := range map[string]any{"the upstream": up.all(), "the token endpoint": e.all(), "the log": s.stderr.String(), "the record": s.audited()} {
				if strings.Contains(fmt.Sprint(seen), signature) {
					t.Errorf("%s has the caller's token", what)
				}
			}
		})
	}
	for _, r := range up.all() {
		if len(r.Header["Cookie"])+len(r.Header["Proxy-Authorization"])+len(r.Header["X-Forwarded-Access-Token"]) > 0 || r.Query != "" {
			t.Errorf("%+v", r)
		}
	}
}

// What an upstream gets: its own token, renewed when it is refused, and beside it who calls, unless that is off.
func TestUpstreamCredentials(t *testing.T) {
	var good sync.Map // :: Authorization → it is taken
	up := upstreamOf(t, func(w http.ResponseWriter, r *http.Request) {
		if _, ok := good.Load(r.Header.Get("Authorization")); !ok {
			w.Header().Set("WWW-Authenticate", "Bearer")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{}}`)
	})
	e := elsewhereOf(t)
	s := behindMany(t, map[string]string{
		"own":  credentialOf("client_credentials", up.URL, e, ", scopes: [a, b], resource: ['https://r.example'], parameters: {tenant: main}"),
		"swap": credentialOf("exchange", up.URL, e, ", audience: [backend], assertion_audience: 'https://idp.example'") + ", caller_header: off",
	})
	f := newForger(t, s)
	form := func(t *testing.T, r received) url.Values {
		t.Helper()
		v, err := url.ParseQuery(r.Body)
		user, password, _ := (&http.Request{Header: r.Header}).BasicAuth()
		if err != nil || user != "doorward" || password != gatewaySecret {
			t.Fatalf("%+v: %v", r, err)
		}
		return v
	}
	as(t, s, "client credentials", func(t *testing.T) {
		one, access := f.at("own")
		one.t = t
		good.Store("Bearer given-1", true)
		for range 3 {
			if a := one.call(access, "whoami", "{}"); a.StatusCode != 200 {
				t.Fatalf("%s %s", a.Status, a.body)
			}
		}
		v := form(t, e.all()[0])
		if len(e.all()) != 1 || v.Get("grant_type") != "client_credentials" || v.Get("scope") != "a b" || v.Get("resource") != "https://r.example" || v.Get("tenant") != "main" {
			t.Errorf("asked %d times, %v", len(e.all()), v)
		}
		if up.all()[0].Header.Get("Doorward-Caller") == "" {
			t.Error("the upstream is not told who calls")
		}
		good.Delete("Bearer given-1")
		good.Store("Bearer given-2", true)
		if a := one.call(access, "whoami", "{}"); a.StatusCode != 200 || len(e.all()) != 2 {
			t.Errorf("after one renewal: %s, asked %d times", a.Status, len(e.all()))
		}
		good.Delete("Bearer given-2")
		for range 3 {
			if a := one.call(access, "whoami", "{}"); a.StatusCode != 502 || a.faulty(t) != "upstream.unauthorized" || a.Header.Get("WWW-Authenticate") != "" {
				t.Errorf("%s %s", a.Status, a.body)
			}
		}
		if len(e.all()) != 2 {
			t.Errorf("an upstream that refuses everything made us ask %d times", len(e.all()))
		}
	})
	as(t, s, "exchange", func(t *testing.T) {
		one, access := f.at("swap")
		one.t = t
		n := len(e.all())
		good.Store(fmt.Sprintf("Bearer given-%d", n+1), true)
		for range 3 {
			if a := one.call(access, "whoami", "{}"); a.StatusCode != 200 {
				t.Fatalf("%s %s", a.Status, a.body)
			}
		}
		v := form(t, e.all()[n])
		subject := s.verified(t, v.Get("subject_token"), "doorward-caller+jwt")
		if len(e.all()) != n+1 || v.Get("audience") != "backend" || v.Get("subject_token_type") != "urn:ietf:params:oauth:token-type:jwt" || subject["sub"] != "alice" ||
			subject["aud"] != "https://idp.example" || subject["iss"] != s.ready.Issuer || subject["exp"].(float64)-subject["iat"].(float64) != 60 {
			t.Errorf("%v\n%v", v, subject)
		}
		if last := up.all()[len(up.all())-1]; last.Header.Get("Doorward-Caller") != "" {
			t.Error("the caller header is off")
		}
		one.refuses("the subject token as ours", v.Get("subject_token"))
		bob := f.minted(time.Now(), func(c *token.Claims) { c.Resource, c.Subject = one.ready.Resource, "bob" })
		if a := one.call(bob, "whoami", "{}"); a.StatusCode != 502 || len(e.all()) < n+2 {
			t.Errorf("bob had alice's token: %s", a.Status)
		}
		e.answers(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			_, _ = io.WriteString(w, `{"error":"invalid_grant","error_description":"the-secret-of-the-gateway"}`)
		})
		carol := f.minted(time.Now(), func(c *token.Claims) { c.Resource, c.Subject = one.ready.Resource, "carol" })
		if a := one.call(carol, "whoami", "{}"); a.StatusCode != 502 || a.faulty(t) != "upstream.credential" || strings.Contains(a.body, "secret") {
			t.Errorf("%s %s", a.Status, a.body)
		}
		e.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
		dave := f.minted(time.Now(), func(c *token.Claims) { c.Resource, c.Subject = one.ready.Resource, "dave" })
		if a := one.call(dave, "whoami", "{}"); a.StatusCode != 503 || a.faulty(t) != "upstream.credential" || a.Header.Get("Retry-After") == "" {
			t.Errorf("%s %s", a.Status, a.body)
		}
	})
	if strings.Contains(s.stderr.String(), gatewaySecret) || strings.Contains(s.stderr.String(), "given-") {
		t.Errorf("the log has a secret\n%s", s.stderr)
	}
}

// bearerOf sends a token with every request.
type bearerOf struct{ token string }

func (b bearerOf) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return http.DefaultTransport.RoundTrip(r)
}

// Over a pool, over TLS with an authority and a certificate of our own, a session stays where it began; when its upstream
// ends, its client is told that there is no such session, and begins another.
func TestAPoolBehindTLS(t *testing.T) {
	authority, key := certificate(t)
	sdk := mcp.NewServer(&mcp.Implementation{Name: "pooled", Version: "1"}, nil)
	mcp.AddTool(sdk, &mcp.Tool{Name: "hello"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		return said("hello"), nil, nil
	})
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return sdk }, nil)
	one, two := mutualTLS(t, authority, key, handler), mutualTLS(t, authority, key, mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return sdk }, nil))
	s := behindMany(t, map[string]string{"pool": fmt.Sprintf("urls: ['%s', '%s'], balance: round-robin, health: {tcp: true, interval: 1s, timeout: 1s, fall: 1}, upstream_tls: {ca: '%s', certificate: '%s', key: '%s', server_name: localhost}", one.URL, two.URL, authority, authority, key),
		"stranger": fmt.Sprintf("url: '%s'", one.URL), "nameless": fmt.Sprintf("url: '%s', upstream_tls: {ca: '%s'}", one.URL, authority)})
	f := newForger(t, s)
	at, access := f.at("pool")
	c := &http.Client{Transport: bearerOf{access}}
	begin := func() *mcp.ClientSession {
		t.Helper()
		session, err := mcp.NewClient(&mcp.Implementation{Name: "c", Version: "1"}, nil).Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: at.ready.Resource, HTTPClient: c, MaxRetries: -1}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return session
	}
	hello := func(session *mcp.ClientSession) error {
		_, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "hello"})
		return err
	}
	var sessions []*mcp.ClientSession
	for n := range 4 {
		if n == 2 { // what a client asks before it begins a session has a turn, too
			at.call(access, "hello", "{}")
		}
		sessions = append(sessions, begin())
	}
	for range 5 {
		for n, session := range sessions {
			if err := hello(session); err != nil {
				t.Errorf("session %d: %v", n, err)
			}
		}
	}
	for _, name := range []string{"stranger", "nameless"} {
		other, access := f.at(name)
		// Who has no certificate learns so after the handshake (RFC 8446 §4.4.2.4), or finds the connection closed before.
		a := other.call(access, "hello", "{}")
		if code := a.faulty(t); a.StatusCode != 502 || code != "upstream.tls" && (name == "stranger" || code != "upstream.broken") {
			t.Errorf("%s: %s %s", name, a.Status, a.body)
		}
	}
	one.CloseClientConnections()
	_ = one.Listener.Close()
	eventually(t, "one is left out", func() bool { return strings.Contains(s.stderr.String(), "is not well") })
	lost := 0
	for _, session := range sessions {
		if err := hello(session); err != nil {
			lost++
		}
	}
	if lost == 0 || lost == len(sessions) {
		t.Errorf("%d of %d sessions were with the one that ended", lost, len(sessions))
	}
	for range 4 {
		if err := hello(begin()); err != nil {
			t.Error(err)
		}
	}
	for _, session := range sessions {
		_ = session.Close()
	}
}

func mutualTLS(t testing.TB, cert, key string, h http.Handler) *httptest.Server {
	t.Helper()
	pair, roots := pairOf(t, cert, key)
	up := httptest.NewUnstartedServer(h)
	up.TLS = pair
	up.TLS.ClientCAs = roots
	up.EnableHTTP2 = true
	up.Config.ErrorLog = log.New(io.Discard, "", 0)
	up.StartTLS()
	t.Cleanup(func() { up.CloseClientConnections(); up.Close() })
	return up
}

// pairOf asks for a certificate of its own authority.
func pairOf(t testing.TB, cert, key string) (*tls.Config, *x509.CertPool) {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12}, roots
}
