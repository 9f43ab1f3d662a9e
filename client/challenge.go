package client

import (
	"net/http"
	"strings"

	"github.com/doorward-mcp/doorward/oauth"
)

const maxScope = 4096 // characters of a challenge's scope

// challenge picks the Bearer challenge of a refusal. A 401 without any challenge is one of 2025-03-26; one that only
// wants other schemes is not ours to answer.
func challenge(h http.Header) (oauth.Challenge, bool) {
	values := h.Values("WWW-Authenticate")
	// An AWS API Gateway renames the header.
	values = append(values, h.Values("X-Amzn-Remapped-Www-Authenticate")...)
	all := oauth.ParseChallenges(values)
	if len(all) == 0 {
		return oauth.Challenge{}, true
	}
	best, found := oauth.Challenge{}, false
	for _, c := range all {
		// Schemes are compared without case. RFC 9110 §11.1.
		if strings.EqualFold(c.Scheme, "Bearer") && (!found || best.ResourceMetadata == "" && c.ResourceMetadata != "") {
			best, found = c, true
		}
	}
	// The scope goes into our request: what RFC 6749 §3.3 does not allow there is not taken over.
	text := best.Scope.String()
	if scopes, err := oauth.ParseScopes(text); err == nil && len(text) <= maxScope {
		best.Scope = scopes
	} else {
		best.Scope = nil
	}
	return best, found
}
