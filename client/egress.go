package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	json "github.com/go-json-experiment/json"

	"github.com/doorward-mcp/doorward/internal/fetch"
)

const (
	maxDocument  = 256 << 10 // bytes of a metadata document or of an answer of an endpoint
	maxRedirects = 2         // of a metadata document; an endpoint's are never followed
	callTime     = 20 * time.Second
)

// How reading a document ends without one. A server that says it has none is different from one that is broken: only
// the first may lead to the defaults of 2025-03-26.
var (
	errNoDocument = errors.New("there is no document")
	errNotJSON    = errors.New("the answer is not JSON")
)

// egress reaches the addresses that came out of documents. Loopback addresses are allowed only when the server that a
// person typed is one.
type egress struct {
	fetch    *fetch.Client
	typed    *url.URL
	local    bool
	revision string
}

func newEgress(typed *url.URL, o Options) *egress {
	hosts := o.Hosts
	if !loopback(typed) {
		hosts = append([]string{typed.Host}, hosts...) // typed by the person: no document chose it
	}
	c := &fetch.Client{Hosts: hosts, RootCAs: o.RootCAs, Proxy: o.Proxy, Timeout: callTime}
	return &egress{c.From(typed.String()), typed, loopback(typed), o.Revision}
}

// loopback reports whether u is written as an address of this machine.
func loopback(u *url.URL) bool {
	if strings.EqualFold(u.Hostname(), "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return err == nil && addr.IsLoopback()
}

// signInAllowed refuses to send a token where anybody on the way can read it. RFC 6750 §5.3.
func (e *egress) signInAllowed() error {
	if e.typed.Scheme != "https" && !e.local {
		return fmt.Errorf("the server's address %s is not https: a token sent there could be read on the way", e.typed.Redacted())
	}
	return nil
}

// endpoint judges an address that metadata gives for the browser or for a request. RFC 6749 §3.1: no fragment; RFC 9700
// §2.6: https. Where the name leads is judged when it is connected to.
func (e *egress) endpoint(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "" || strings.ContainsFunc(address, unprintable):
		return fmt.Errorf("%q is not an absolute address", printable(address, 300))
	case u.User != nil || strings.Contains(address, "#"):
		return fmt.Errorf("%q has a user name or a fragment", printable(address, 300))
	case u.Scheme == "https", u.Scheme == "http" && e.local && loopback(u):
		return nil
	}
	return fmt.Errorf("%q is not https", printable(address, 300))
}

func unprintable(r rune) bool { return r <= 0x20 || r >= 0x7f }

// document reads a JSON document into v: each name once, exactly as it is spelled (RFC 8259 §4), unknown ones ignored.
func (e *egress) document(ctx context.Context, address string, v any) error {
	for range maxRedirects + 1 {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return fmt.Errorf("%q is not an address", printable(address, 300))
		}
		// MCP 2025-03-26, Server Metadata Discovery: servers may answer by revision.
		r.Header.Set("MCP-Protocol-Version", e.revision)
		resp, err := e.send(r)
		if err != nil {
			return err
		}
		if next, err := resp.Location(); err == nil && resp.StatusCode/100 == 3 {
			drain(resp)
			address = next.String()
			continue
		}
		return readDocument(address, resp, v)
	}
	return fmt.Errorf("%s redirects more than %d times", printable(address, 300), maxRedirects)
}

func readDocument(address string, resp *http.Response, v any) error {
	body, err := readAnswer(resp)
	name := printable(address, 300)
	switch {
	case err != nil:
		return fmt.Errorf("reading %s: %w", name, err)
	case resp.StatusCode >= 400 && resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests:
		return fmt.Errorf("%s: %w: status %d", name, errNoDocument, resp.StatusCode)
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("%s answered with status %d", name, resp.StatusCode)
	case !isJSON(resp.Header):
		return fmt.Errorf("%s: %w but %q", name, errNotJSON, printable(resp.Header.Get("Content-Type"), 60))
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("%s is not the document that it should be: %s", name, printable(err.Error(), 200))
	}
	return nil
}

// send makes one request under the rules of fetch, which follows no redirect.
func (e *egress) send(r *http.Request) (*http.Response, error) {
	r.Header.Set("Accept", "application/json")
	return e.fetch.Do(r)
}

// readAnswer reads and closes the body, within its bound.
func readAnswer(resp *http.Response) ([]byte, error) {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if err == nil && len(body) > maxDocument {
		err = fmt.Errorf("the answer has more than %d bytes", maxDocument)
	}
	return body, err
}

func isJSON(h http.Header) bool {
	media, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && (media == "application/json" || strings.HasSuffix(media, "+json"))
}
