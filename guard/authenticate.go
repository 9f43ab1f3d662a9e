package guard

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// The schemes under which a token may come. RFC 6750 §2.1, RFC 9449 §7.1.
const (
	schemeBearer = "Bearer"
	schemeDPoP   = "DPoP"
)

// authenticate makes a caller of the request's token, on every request, whatever session it belongs to. nonce is what the
// answer brings for the next proof; mostly empty.
func (g *Guard) authenticate(r *http.Request, now time.Time) (c token.Caller, nonce string, err error) {
	if g.c.InsecureOpen {
		return g.anybody(now), "", nil
	}
	c, p, err := g.verify(r, now)
	if err != nil {
		return token.Caller{}, "", g.challenge(r, err)
	}
	if c.Key == "" {
		return c, "", nil
	}
	// The last check: only callers with a good token make anybody remember something.
	if err := g.once(r.Context(), now, p); err != nil {
		return token.Caller{}, "", g.challenge(r, err)
	}
	return c, g.nextNonce(now, p), nil
}

// anybody calls a resource that is open: nobody is known, and everything that scopes can allow is allowed. A stream of theirs
// ends in a day.
func (g *Guard) anybody(now time.Time) token.Caller {
	return token.Caller{Principal: token.Principal{Subject: "anonymous"}, Resource: g.c.Resource.URI, Scopes: g.c.Resource.ScopeNames().Union(g.c.Resource.InitialScopes()),
		Issued: now, Expires: now.Add(24 * time.Hour)}
}

// verify is authenticate but for using up the proof.
func (g *Guard) verify(r *http.Request, now time.Time) (c token.Caller, p token.Possession, err error) {
	scheme, raw, err := credentials(r)
	if err != nil {
		return c, p, err
	}
	if g.c.Revocations != nil && now.Sub(g.c.Revocations.AsOf()) > g.c.Limits.News {
		return c, p, &oauth.Error{Status: 503, Code: "temporarily_unavailable", Reason: "no_news", RetryAfter: 1,
			Description: "it is not known which tokens have been taken back; try again"}
	}
	if scheme == schemeDPoP {
		if p, err = g.prove(r, now, raw); err != nil {
			return c, p, err
		}
	}
	if c, err = g.verifier.Verify(r.Context(), now, raw, p.Key); err != nil {
		return c, p, err
	}
	switch {
	case g.c.DPoP.Required && c.Key == "":
		return c, p, &oauth.Error{Status: 401, Code: "invalid_token", Reason: "unbound", Description: "this server takes only tokens that are bound to a key, with a proof"}
	case g.c.Revocations != nil && g.c.Revocations.Revoked(c):
		return c, p, revoked
	}
	return c, p, g.c.Authentication.check(now, c)
}

// credentials are the scheme and the token of the Authorization header. RFC 6750 §2.1; the query (§2.3) and the form body
// (§2.2) are no place for a token: they end up in logs, and OAuth 2.1 §5.1.1 forbids the query.
func credentials(r *http.Request) (scheme, raw string, err error) {
	if q, err := url.ParseQuery(r.URL.RawQuery); err != nil || q.Has("access_token") {
		return "", "", &oauth.Error{Status: 400, Code: "invalid_request", Reason: "token_in_query", Description: "the token belongs in the Authorization header and nowhere else"}
	}
	header := r.Header.Values("Authorization")
	if len(header) == 0 {
		return "", "", noToken
	}
	said, raw, _ := strings.Cut(header[0], " ")
	raw = strings.TrimSpace(raw)
	for _, scheme := range []string{schemeBearer, schemeDPoP} {
		if strings.EqualFold(said, scheme) && raw != "" && len(header) == 1 {
			return scheme, raw, nil
		}
	}
	return "", "", &oauth.Error{Status: 401, Code: "invalid_token", Reason: "authorization_header", Description: "the Authorization header is not one token under Bearer or DPoP"}
}

// revoked is the refusal of a token that was good.
var revoked = &oauth.Error{Status: 401, Code: "invalid_token", Reason: "revoked", Description: "the token has been taken back"}

// noToken is the refusal of a request without credentials. RFC 6750 §3: its challenge has no error code.
var noToken = &oauth.Error{Status: 401, Code: "invalid_token", Reason: "no_token", Description: "this address needs an access token"}
