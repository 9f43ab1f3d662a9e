package guard

import (
	"errors"
	"net/http"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// challenge says what a new token would need: RFC 6750 §3, RFC 9728 §5.1. An error that no token would mend has none.
func (g *Guard) challenge(r *http.Request, err error) error {
	var known *oauth.Error
	if !errors.As(err, &known) || known.Status == http.StatusServiceUnavailable {
		return err
	}
	answer := *known
	answer.Challenge = &oauth.Challenge{ResourceMetadata: g.metadataURL(r), Scope: g.asked(g.c.Resource.InitialScopes())}
	if known != noToken {
		answer.Challenge.Error, answer.Challenge.Description = known.Code, known.Description
	}
	if known.Code == insufficientAuthentication {
		g.c.Authentication.demand(answer.Challenge)
	}
	return &answer
}

// challenges are the WWW-Authenticate values of a refusal: one for each scheme under which a better try could come, Bearer
// first. RFC 9449 §7.1: the one for DPoP names the algorithms, and what is wrong with a proof concerns that scheme alone.
func (g *Guard) challenges(r *http.Request, e *oauth.Error) []string {
	bearer, dpop := *e.Challenge, *e.Challenge
	dpop.Scheme, dpop.Algorithms = schemeDPoP, token.Algorithms()
	switch {
	case g.c.DPoP.Required, e.Code == "invalid_dpop_proof", e.Code == useNonce:
		return []string{dpop.String()}
	case e.HTTPStatus() == http.StatusUnauthorized:
		return []string{bearer.String(), dpop.String()}
	}
	if scheme, _, err := credentials(r); err == nil && scheme == schemeDPoP {
		return []string{dpop.String()}
	}
	return []string{bearer.String()}
}
