package provider

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/token"
)

// How a client says who it is. RFC 6749 §2.3.1; OpenID Connect Core §9.
const (
	MethodBasic = "client_secret_basic" // also what the empty Method is
	MethodPost  = "client_secret_post"
	MethodNone  = "none" // a public client: the name alone
)

const (
	maxAnswer = 256 << 10
	atMost    = 10 * time.Second // for a whole exchange
)

// The kinds of what can go wrong at an endpoint. What it says itself, in a status and a body, is no error.
var (
	ErrUnreachable = errors.New("it cannot be reached")
	ErrAnswer      = errors.New("its answer cannot be used")
)

// Endpoint is an address that takes a form from an authenticated client. The zero Endpoint reaches nothing.
type Endpoint struct {
	URL, ClientID string
	Secret        token.Secret
	Method        string       // empty: MethodBasic
	HTTP          *http.Client // its transport and time limit are used, its cookies and redirects are not; nil: one with the system's authorities
}

// Post sends the form, which it does not change, and gives the answer, whatever its status. The error is ErrUnreachable,
// ErrAnswer, the context's, or that of an Endpoint that is not whole.
func (e Endpoint) Post(ctx context.Context, form url.Values) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	r, err := e.request(ctx, form)
	if err != nil {
		return 0, nil, err
	}
	return send(e.HTTP, r)
}

// send gives the answer to r, whatever its status.
func send(with *http.Client, r *http.Request) (status int, body []byte, err error) {
	res, err := client(with).Do(r)
	if err != nil {
		return 0, nil, fmt.Errorf("asking %s: %w: %w", shown(r.URL), ErrUnreachable, plain(err))
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 && res.StatusCode < 400 { // a credential goes nowhere but where the operator said
		return 0, nil, fmt.Errorf("asking %s: %w: it is a redirect (%d), which is not followed", shown(r.URL), ErrAnswer, res.StatusCode)
	}
	body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return 0, nil, fmt.Errorf("reading the answer of %s: %w: %w", shown(r.URL), ErrUnreachable, plain(err))
	case len(body) > maxAnswer:
		return 0, nil, fmt.Errorf("reading the answer of %s: %w: it is longer than %d bytes", shown(r.URL), ErrAnswer, maxAnswer)
	}
	return res.StatusCode, body, nil
}

// request authenticates the client. RFC 6749 §2.3: one method in each request.
func (e Endpoint) request(ctx context.Context, form url.Values) (*http.Request, error) {
	u, err := url.Parse(e.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, errors.New("an endpoint without an http or https address")
	}
	if e.ClientID == "" {
		return nil, fmt.Errorf("asking %s: there is no client id to ask with", shown(u))
	}
	sent := maps.Clone(form)
	if sent == nil {
		sent = url.Values{}
	}
	sent.Del("client_id")
	sent.Del("client_secret")
	switch e.Method {
	case MethodBasic, "":
	case MethodPost:
		sent.Set("client_id", e.ClientID)
		sent.Set("client_secret", e.Secret.Reveal())
	case MethodNone:
		sent.Set("client_id", e.ClientID)
	default:
		return nil, fmt.Errorf("asking %s: there is no way to authenticate called %.40q", shown(u), e.Method)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL, strings.NewReader(sent.Encode()))
	if err != nil {
		return nil, errors.New("an endpoint without an http or https address")
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json") // some answer with a form unless told (RFC 6749 §5.1 asks for JSON)
	if e.Method == MethodBasic || e.Method == "" {
		// RFC 6749 §2.3.1: both are encoded as in a form before they are joined.
		r.SetBasicAuth(url.QueryEscape(e.ClientID), url.QueryEscape(e.Secret.Reveal()))
	}
	return r, nil
}

func client(with *http.Client) *http.Client {
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if with != nil {
		c.Transport, c.Timeout = with.Transport, with.Timeout
	}
	return c
}

// shown is as much of an address as an error may say: a query could hold a key.
func shown(u *url.URL) string { return u.Scheme + "://" + u.Host + u.EscapedPath() }

// plain is an error without the address that net/http puts before it.
func plain(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}
