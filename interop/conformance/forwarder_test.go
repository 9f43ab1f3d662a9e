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
)

// A forwarder stands between the suite, which knows of no tokens in server mode, and the gateway. It sends each request
// without the bearer first, which must be refused, and then with it.
type forwarder struct {
	gateway *url.URL
	tokens  *tokens
	own     string // its host and port, which the suite takes for the server's

	mu     sync.Mutex // guards the rest
	judged int        // requests that were let in with the bearer
	faults []string   // what was let in without one, or not challenged
}

// forward starts a forwarder before an installation and gives the address that the suite is given.
func forward(t *testing.T, i installation) (*forwarder, string) {
	t.Helper()
	gateway, err := url.Parse(i.Resource)
	if err != nil {
		t.Fatal(err)
	}
	f := &forwarder{gateway: gateway, tokens: authorize(t, i)}
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
	if fault := f.without(r, body); fault != "" {
		f.mu.Lock()
		f.faults = append(f.faults, fault)
		f.mu.Unlock()
	}
	token, err := f.tokens.get(r.Context())
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
	if res.StatusCode/100 == 2 {
		f.mu.Lock()
		f.judged++
		f.mu.Unlock()
	}
	for name, values := range res.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(res.StatusCode)
	stream(w, res.Body)
}

// without sends the request with no token and says what is wrong with the answer.
func (f *forwarder) without(r *http.Request, body []byte) string {
	res, err := f.send(r, body, "")
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	// A foreign Host or Origin is refused before anybody asks for a token.
	foreign := f.host(r) != f.gateway.Host || r.Header.Get("Origin") != "" && f.origin(r) != "http://"+f.gateway.Host
	switch challenge := res.Header.Get("WWW-Authenticate"); {
	case foreign && res.StatusCode/100 == 4:
		return ""
	case res.StatusCode != http.StatusUnauthorized:
		return fmt.Sprintf("%s %.200s without a token: %d", r.Method, body, res.StatusCode)
	case !strings.HasPrefix(challenge, "Bearer ") || !strings.Contains(challenge, "resource_metadata="):
		return fmt.Sprintf("%s %.200s without a token: challenged with %q", r.Method, body, challenge)
	}
	return ""
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

// stream hands on each piece as it comes: the answer may be an event stream.
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
		if err != nil {
			return
		}
	}
}
