//go:build conformance

package conformance

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/doorward-mcp/doorward/interop/installation"
)

// A forwarder stands between the suite, which knows of no tokens in server mode, and the gateway. It sends each request
// without the bearer first, which must be refused, and then with it.
type forwarder struct {
	gateway *url.URL
	tokens  *installation.Tokens
	own     string // its host and port, which the suite takes for the server's

	mu      sync.Mutex // guards the rest
	judged  []string   // ids of the requests that came with the bearer, as the gateway names them
	strange int        // requests that were refused before anybody's token was looked at, with the bearer or without it
	faults  []string   // what was let in without one, not challenged, or not named
}

// forward starts a forwarder before an installation and gives the address that the suite is given.
func forward(t *testing.T, i installation.Installation) (*forwarder, string) {
	t.Helper()
	gateway, err := url.Parse(i.Resource)
	if err != nil {
		t.Fatal(err)
	}
	f := &forwarder{gateway: gateway, tokens: installation.Authorize(t, i)}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	f.own = strings.TrimPrefix(s.URL, "http://")
	return f, s.URL + gateway.Path
}

func (f *forwarder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	f.without(r, body)
	token, err := f.tokens.Get(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	res, err := f.send(r, body, token)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer res.Body.Close()
	f.with(r, res)
	for name, values := range res.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(res.StatusCode)
	stream(w, res.Body)
}

// with notes the answer to a request with the bearer.
func (f *forwarder) with(r *http.Request, res *http.Response) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := res.Header.Get("X-Request-Id")
	switch {
	case f.foreign(r) && (res.StatusCode == http.StatusForbidden || res.StatusCode == http.StatusMisdirectedRequest):
		f.strange++
	case id == "":
		f.faults = append(f.faults, fmt.Sprintf("%s with a token: %d without X-Request-Id", r.Method, res.StatusCode))
	default:
		f.judged = append(f.judged, id)
	}
}

// without sends the request with no token and notes what is wrong with the answer.
func (f *forwarder) without(r *http.Request, body []byte) {
	fault := ""
	res, err := f.send(r, body, "")
	if err != nil {
		fault = err.Error()
	} else {
		res.Body.Close()
		challenge := res.Header.Get("WWW-Authenticate")
		switch {
		case f.foreign(r) && (res.StatusCode == http.StatusForbidden || res.StatusCode == http.StatusMisdirectedRequest):
		case res.StatusCode != http.StatusUnauthorized:
			fault = fmt.Sprintf("%s %.200s without a token: %d", r.Method, body, res.StatusCode)
		case !strings.HasPrefix(challenge, "Bearer ") || !strings.Contains(challenge, "resource_metadata="):
			fault = fmt.Sprintf("%s %.200s without a token: challenged with %q", r.Method, body, challenge)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.strange++
	if fault != "" {
		f.faults = append(f.faults, fault)
	}
}

// foreign says whether a request claims another Host or comes from another web origin: it is refused before anybody asks
// for a token.
func (f *forwarder) foreign(r *http.Request) bool {
	return f.host(r) != f.gateway.Host || r.Header.Get("Origin") != "" && f.origin(r) != "http://"+f.gateway.Host
}

// check fails the test for what the forwarder saw.
func (f *forwarder) check(t *testing.T) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.judged) == 0 {
		t.Error("no request came through the forwarder")
	}
	for _, fault := range f.faults {
		t.Error(fault)
	}
}

// send sends the request on to the gateway as the suite made it, but for the forwarder's own name and the token.
func (f *forwarder) send(r *http.Request, body []byte, token string) (*http.Response, error) {
	to := *f.gateway
	to.Path, to.RawQuery = r.URL.Path, r.URL.RawQuery
	next, err := http.NewRequestWithContext(r.Context(), r.Method, to.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	next.Header = r.Header.Clone()
	next.Host = f.host(r)
	if r.Header.Get("Origin") != "" {
		next.Header.Set("Origin", f.origin(r))
	}
	next.Header.Del("Authorization")
	if token != "" {
		next.Header.Set("Authorization", "Bearer "+token)
	}
	return http.DefaultTransport.RoundTrip(next)
}

// host and origin give what the suite sent; the forwarder's own name, which the suite takes for the server's, becomes
// the gateway's, in the spelling of loopback that the suite used.
func (f *forwarder) host(r *http.Request) string {
	return strings.Replace(r.Host, f.own, f.gateway.Host, 1)
}

func (f *forwarder) origin(r *http.Request) string {
	return strings.Replace(r.Header.Get("Origin"), f.own, f.gateway.Host, 1)
}

// stream hands on each piece as it comes: the answer may be an event stream. One that is broken off is broken off here too.
func stream(w http.ResponseWriter, from io.Reader) {
	out := http.NewResponseController(w)
	out.Flush()
	piece := make([]byte, 32<<10)
	for {
		n, err := from.Read(piece)
		if n > 0 {
			if _, err := w.Write(piece[:n]); err != nil {
				return
			}
			out.Flush()
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}
