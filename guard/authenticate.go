package guard

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// authenticate makes a caller of the request's token, on every request, whatever session it belongs to.
func (g *Guard) authenticate(r *http.Request, now time.Time) (token.Caller, error) {
	raw, err := bearer(r)
	if err != nil {
		return token.Caller{}, g.challenge(r, err)
	}
	if g.c.Revocations != nil && now.Sub(g.c.Revocations.AsOf()) > g.c.Limits.News {
		return token.Caller{}, &oauth.Error{Status: 503, Code: "temporarily_unavailable", Reason: "no_news", RetryAfter: 1,
			Description: "it is not known which tokens have been taken back; try again"}
	}
	c, err := g.verifier.Verify(r.Context(), now, raw)
	if err != nil {
		return token.Caller{}, g.challenge(r, err)
	}
	if g.c.Revocations != nil && g.c.Revocations.Revoked(c) {
		return token.Caller{}, g.challenge(r, &oauth.Error{Status: 401, Code: "invalid_token", Reason: "revoked", Description: "the token has been taken back"})
	}
	return c, nil
}

// bearer is the token of the Authorization header. RFC 6750 §2.1; the query (§2.3) and the form body (§2.2) are no
// place for a token: they end up in logs, and OAuth 2.1 §5.1.1 forbids the query.
func bearer(r *http.Request) (string, error) {
	if q, err := url.ParseQuery(r.URL.RawQuery); err != nil || q.Has("access_token") {
		return "", &oauth.Error{Status: 400, Code: "invalid_request", Reason: "token_in_query", Description: "the token belongs in the Authorization header and nowhere else"}
	}
	header := r.Header.Values("Authorization")
	if len(header) == 0 {
		return "", noToken
	}
	scheme, raw, ok := strings.Cut(header[0], " ")
	if len(header) > 1 || !ok || !strings.EqualFold(scheme, "Bearer") || strings.TrimSpace(raw) == "" {
		return "", &oauth.Error{Status: 401, Code: "invalid_token", Reason: "authorization_header", Description: "the Authorization header is not one bearer token"}
	}
	return strings.TrimSpace(raw), nil
}

// noToken is the refusal of a request without credentials. RFC 6750 §3: its challenge has no error code.
var noToken = &oauth.Error{Status: 401, Code: "invalid_token", Reason: "no_token", Description: "this address needs an access token"}

// challenge says what a new token would need: RFC 6750 §3, RFC 9728 §5.1. An error that no token would mend has none.
func (g *Guard) challenge(r *http.Request, err error) error {
	var known *oauth.Error
	if !errors.As(err, &known) || known.Status == 503 {
		return err
	}
	answer := *known
	answer.Challenge = &oauth.Challenge{ResourceMetadata: g.metadataURL(r), Scope: g.c.Resource.InitialScopes()}
	if known != noToken {
		answer.Challenge.Error, answer.Challenge.Description = known.Code, known.Description
	}
	return &answer
}
