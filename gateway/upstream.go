package gateway

import (
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/doorward-mcp/doorward/guard"
)

// Transport is how upstreams over HTTP are spoken to: many idle connections, since one that is closed too early costs
// more than the call; no compression, since what comes back is passed on as it is.
func Transport() *http.Transport {
	return &http.Transport{
		DialContext:            settlingDialer((&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext),
		MaxIdleConns:           0,
		MaxIdleConnsPerHost:    1024,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		ExpectContinueTimeout:  time.Second,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10, // of 1xx answers and trailers too
		ForceAttemptHTTP2:      true,
		WriteBufferSize:        chunk,
		ReadBufferSize:         chunk,
	}
}

// forStreams is base with little room for each connection: a stream has one of its own, and mostly nothing to say.
func forStreams(base http.RoundTripper) http.RoundTripper {
	t, ok := base.(*http.Transport)
	if !ok {
		return base
	}
	t = t.Clone()
	t.WriteBufferSize, t.ReadBufferSize, t.MaxIdleConnsPerHost = morsel, morsel, 16
	t.IdleConnTimeout = 10 * time.Second // nobody closes them when the configuration changes
	return t
}

// lasts reports whether a request opens a stream: with GET, or as 2026-07-28 does.
func lasts(r *http.Request) bool {
	if r.Method == http.MethodGet {
		return true
	}
	method := r.Header["Mcp-Method"]
	return len(method) == 1 && method[0] == "subscriptions/listen"
}

// HTTP is an upstream at an address.
func HTTP(to *url.URL, base http.RoundTripper) Upstream {
	t := addressed{to, base}
	return func(guard.Call) http.RoundTripper { return t }
}

type addressed struct {
	to   *url.URL
	base http.RoundTripper
}

// RoundTrip is an http.RoundTripper's. The request is the gateway's own and made for this one use.
func (a addressed) RoundTrip(r *http.Request) (*http.Response, error) {
	r.URL, r.Host = a.to, a.to.Host
	return a.base.RoundTrip(r)
}
