// Package fetch is the one client for addresses that came from outside: documents whose address a stranger chose, and the endpoints that
// such documents name.
//
// It reads public https only, and what more is allowed is said by fields of [Client]. The address is judged when it is connected to,
// after the name was resolved, so that a name whose answer changes gains nothing. It follows no redirect unless told to, and judges each
// again; keeps no cookie and no connection; reads little, quickly, and only so often. It does not parse what it reads, keeps no copy,
// and reads neither environment nor configuration.
//
// How often is bounded for each host name, so that we are no weapon against one, and for all together, because whoever owns a zone
// has as many names as they like. A refused request fails at once with ErrBusy: waiting would hold the caller's request instead.
package fetch

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Defaults of a Client.
const (
	DefaultMaxBytes  = 64 << 10
	DefaultTimeout   = 5 * time.Second
	DefaultAtOnce    = 16
	DefaultPerHost   = 60
	DefaultPerMinute = 600
)

// Client judges the address when it connects. The zero Client reads public https only. It is safe for concurrent use; its fields are not
// to be changed after the first request. A role with other bounds has a Client of its own.
type Client struct {
	// Hosts are the hosts on private networks that the operator lists, each as host or host:port, without port for every port.
	// A listed host may have an address of RFC 1918, RFC 4193 or RFC 6598, still over https; a loopback address only if it is listed as
	// localhost or as a literal address. Link-local addresses, where clouds keep credentials, are never allowed.
	Hosts []string

	// RootCAs verify certificates; nil means the system's.
	RootCAs *x509.CertPool

	// InsecureLoopback makes loopback addresses count as public ones, over https and only with RootCAs. It is for tests.
	InsecureLoopback bool

	// Proxy gives the proxy for an address, nil for none; a nil func means none at all. The proxy is itself dialled under these rules:
	// on a private network it must stand in Hosts. Before a name is handed to the proxy it is resolved here, and refused if any of its
	// addresses is; the proxy resolves it again by its own lights, which is the operator's to trust. Loopback never goes through it.
	Proxy func(*url.URL) (*url.URL, error)

	MaxBytes  int64         // of a body that Get reads; zero means DefaultMaxBytes
	Timeout   time.Duration // for everything from resolving to the body's last byte; zero means DefaultTimeout
	Redirects int           // how many Get follows; zero means none
	JSON      bool          // Get refuses an answer whose media type is not JSON

	AtOnce    int // requests under way; more wait; zero means DefaultAtOnce
	PerHost   int // requests to one host in a minute; zero means DefaultPerHost, negative no bound
	PerMinute int // requests to all hosts in a minute; zero means DefaultPerMinute, negative no bound

	// Lookup resolves a name; nil means the system's resolver. It is a hook for tests: what it answers is judged all the same.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)

	// Now is the clock of freshness and bounds; nil means time.Now.
	Now func() time.Time

	loopback  bool // the chain began at a loopback address that was typed
	once      sync.Once
	transport *http.Transport
	limits    *limits
}

// From returns the Client for a chain of addresses that begins at the one which the user or operator typed. If that one is a loopback
// address (localhost or a literal one), the chain may go to loopback addresses written the same ways, also over http; otherwise From
// returns c. Both count against the same bounds. Never pass what came out of a document.
func (c *Client) From(typed string) *Client {
	u, err := url.Parse(typed)
	if err != nil || !isLoopbackHost(u.Hostname()) {
		return c
	}
	c.start()
	return &Client{
		Hosts: c.Hosts, RootCAs: c.RootCAs, InsecureLoopback: c.InsecureLoopback, Proxy: c.Proxy,
		MaxBytes: c.MaxBytes, Timeout: c.Timeout, Redirects: c.Redirects, JSON: c.JSON,
		AtOnce: c.AtOnce, PerHost: c.PerHost, PerMinute: c.PerMinute,
		Lookup: c.Lookup, Now: c.Now, loopback: true, limits: c.limits,
	}
}

// Get reads the document at address. fresh is when it must be read again by its own headers (RFC 9111): not later than now if it may not
// be kept, and the zero time if they say nothing. The caller clamps it. An answer other than 200 is a *StatusError; other errors wrap
// ErrAddress, ErrTooLarge, ErrTimeout, ErrBusy or ErrType, or say why the server could not be reached.
func (c *Client) Get(ctx context.Context, address string) (body []byte, fresh time.Time, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout(), ErrTimeout)
	defer cancel()

	began := c.now()
	for hop := 0; ; hop++ {
		res, err := c.get(ctx, address)
		if err != nil {
			return nil, time.Time{}, err
		}
		if next, ok := redirect(res); ok && hop < c.Redirects {
			res.Body.Close()
			address = next
			continue
		}
		body, err := c.read(ctx, res)
		if err != nil {
			return nil, time.Time{}, err
		}
		return body, freshUntil(res.Header, began), nil
	}
}

func (c *Client) get(ctx context.Context, address string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		// The error of url.Parse repeats the address with everything in it.
		return nil, fmt.Errorf("%w: it is not a URL", ErrAddress)
	}
	req.Header.Set("Accept", "application/json")
	return c.Do(req)
}

// redirect returns where an answer sends its reader. 304 and 300 do not.
func redirect(res *http.Response) (string, bool) {
	switch res.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		next, err := res.Location()
		if err == nil {
			return next.String(), true
		}
	}
	return "", false
}

func (c *Client) read(ctx context.Context, res *http.Response) ([]byte, error) {
	defer res.Body.Close()
	name := shown(res.Request.URL)
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("reading %s: %w", name, &StatusError{Code: res.StatusCode})
	}
	if c.JSON && !isJSON(res.Header.Get("Content-Type")) {
		return nil, fmt.Errorf("reading %s: %w: it is %.60q, not JSON", name, ErrType, res.Header.Get("Content-Type"))
	}
	limit := c.MaxBytes
	if limit == 0 {
		limit = DefaultMaxBytes
	}
	if res.ContentLength > limit {
		return nil, fmt.Errorf("reading %s: %w: it has %d bytes, %d are allowed", name, ErrTooLarge, res.ContentLength, limit)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, explain(ctx, err))
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("reading %s: %w: %d bytes are allowed", name, ErrTooLarge, limit)
	}
	return body, nil
}

// isJSON also accepts the structured suffix (RFC 6839 §3.1), which key sets use.
func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || strings.HasSuffix(media, "+json"))
}

func (c *Client) timeout() time.Duration {
	if c.Timeout == 0 {
		return DefaultTimeout
	}
	return c.Timeout
}

func (c *Client) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}
