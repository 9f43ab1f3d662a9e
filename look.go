package doorward

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/doorward-mcp/doorward/internal/fetch"
	"github.com/doorward-mcp/doorward/oauth"
)

// Finding is one thing that an outsider would get wrong, and what mends it.
type Finding struct{ At, Wrong, Mend string }

// Look looks at the installation from outside, through its public address, as a client that knows nothing would: what a proxy
// before it changes, hides or loses shows there and nowhere else. The error is that of an address that cannot be reached from
// here, which may be so by intention.
func (i *Installation) Look(ctx context.Context) (all []Finding, err error) {
	g := i.live.Load()
	u, err := url.Parse(g.c.PublicURL)
	if err != nil {
		return nil, err
	}
	o := outsider{g.c.PublicURL, i.e.Named([]string{u.Host}).From(g.c.PublicURL)}
	for _, name := range g.names() {
		s := g.c.Servers[name]
		if s.Open() || oauth.Origin(g.c.Resource(s).URI) != g.c.PublicURL {
			continue
		}
		found, err := o.server(ctx, g.c.Resource(s).URI, g.c.PublicURL+s.Path)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	found, err := o.issuer(ctx)
	all = append(all, found...)
	i.metrics.problems.Set(float64(len(all)))
	return all, err
}

// outsider knows the public address and nothing else.
type outsider struct {
	origin string
	client *fetch.Client
}

// answer is as much of a response as an outsider looks at.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (o outsider) ask(ctx context.Context, method, address, body string, header ...string) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for n := 0; n+1 < len(header); n += 2 {
		r.Header.Set(header[n], header[n+1])
	}
	res, err := o.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	return answer{res.StatusCode, res.Header, b}, errors.Join(err, res.Body.Close())
}

const probe = `{"jsonrpc":"2.0","id":1,"method":"ping"}`

// server goes the way of a client: no token, the challenge, the document that it names, a token that is none.
func (o outsider) server(ctx context.Context, resource, address string) (all []Finding, err error) {
	add := func(at, mend, wrong string, a ...any) { all = append(all, Finding{at, fmt.Sprintf(wrong, a...), mend}) }
	message := []string{"Content-Type", "application/json", "Accept", "application/json, text/event-stream"}
	first, err := o.ask(ctx, http.MethodPost, address, probe, message...)
	if err != nil {
		return nil, err
	}
	document := oauth.InsertWellKnown(oauth.WellKnownResource, resource)
	switch challenge := first.header.Get("WWW-Authenticate"); {
	case first.status >= 300 && first.status < 400:
		add(address, "let the proxy pass the path on as it is, without redirects", "it redirects (%d) to %s: a POST loses its body on the way", first.status, first.header.Get("Location"))
		return all, nil
	case first.status == http.StatusMisdirectedRequest:
		add(address, "let the proxy pass the Host header on, or send the public one", "the Host header that arrives is not that of public_url")
		return all, nil
	case first.status != http.StatusUnauthorized:
		add(address, "look at what answers there: the proxy, another server, or an error page", "it answers %d where it must answer 401", first.status)
		return all, nil
	case challenge == "":
		add(address, "let the proxy pass WWW-Authenticate on", "the 401 has lost its WWW-Authenticate header, without which no client finds the way")
	case !strings.Contains(challenge, `resource_metadata="`+document+`"`):
		add(address, "set public_url to the address that people use", "the challenge does not name %s", document)
	}
	second, err := o.ask(ctx, http.MethodPost, address, probe, append(message, "Authorization", "Bearer not-a-token")...)
	if err != nil {
		return nil, err
	}
	if second.status == http.StatusUnauthorized && !strings.Contains(second.header.Get("WWW-Authenticate"), `error="invalid_token"`) {
		add(address, "let the proxy pass Authorization on (Apache: CGIPassAuth; some gateways strip it)", "the Authorization header does not arrive")
	}
	if second.header.Get("X-Request-Id") == "" {
		add(address, "let the proxy pass X-Request-Id on", "the X-Request-Id header is lost on the way back, by which a request is found in the log")
	}
	var doc oauth.ProtectedResource
	if wrong, err := o.document(ctx, document, &doc); err != nil || wrong != "" {
		if err == nil {
			add(document, "let the proxy pass /.well-known/ on, also with a path behind it", "%s", wrong)
		}
		return all, err
	}
	if doc.Resource != resource {
		add(document, "set public_url to the address that people use", "it is the document of %s", doc.Resource)
	}
	return all, nil
}

// issuer holds the metadata of the authorization server against its address. RFC 8414 §3.3.
func (o outsider) issuer(ctx context.Context) (all []Finding, err error) {
	address := o.origin + oauth.WellKnownServer
	var m oauth.ServerMetadata
	wrong, err := o.document(ctx, address, &m)
	switch {
	case err != nil:
		return nil, err
	case wrong != "":
		return []Finding{{address, wrong, "let the proxy pass /.well-known/ on"}}, nil
	case m.Issuer != o.origin:
		return []Finding{{address, "it is the document of " + m.Issuer, "set public_url to the address that people use"}}, nil
	}
	return nil, nil
}

// document reads a JSON document, and says what is wrong with it.
func (o outsider) document(ctx context.Context, address string, into any) (wrong string, err error) {
	a, err := o.ask(ctx, http.MethodGet, address, "")
	switch {
	case err != nil:
		return "", err
	case a.status != http.StatusOK:
		return fmt.Sprintf("it answers %d where a document must be", a.status), nil
	case json.Unmarshal(a.body, into) != nil:
		return "it is not a JSON object", nil
	}
	return "", nil
}
