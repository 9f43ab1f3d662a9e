package guard

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// Authentication is how the person behind a token must have signed in. RFC 9470. The zero value asks for nothing. A token
// that does not say how or when is not good enough for one that asks, so tokens without a person are refused then.
type Authentication struct {
	MaxAge time.Duration `yaml:"max_age"`    // how long ago at most; zero: whenever. Whole seconds
	ACR    []string      `yaml:"acr_values"` // one of them; empty: any way. The one that is liked best stands first
}

// check has the caller signed in again if it must. RFC 9470 §3.
func (a Authentication) check(now time.Time, c token.Caller) error {
	switch {
	case len(a.ACR) > 0 && !slices.Contains(a.ACR, c.ACR):
		return insufficient("acr", "this server wants a person who signed in another way")
	case a.MaxAge > 0 && now.Sub(c.Authenticated) > a.MaxAge: // the zero time is long ago
		return insufficient("auth_time", "this server wants a person who signed in more recently")
	}
	return nil
}

const insufficientAuthentication = "insufficient_user_authentication"

func insufficient(reason, description string) error {
	return &oauth.Error{Status: http.StatusUnauthorized, Code: insufficientAuthentication, Reason: reason, Description: description}
}

// complete adds to the challenge of a rule what this server asks for of every sign-in, where the rule does not ask for more: a
// person who signs in as the rule says is not to be sent to sign in once more.
func (a Authentication) complete(c *oauth.Challenge) {
	if c.ACR == "" {
		c.ACR = strings.Join(a.ACR, " ")
	}
	if own := int(a.MaxAge / time.Second); own > 0 && (c.MaxAge == 0 || own < c.MaxAge) {
		c.MaxAge = own
	}
}

// demand adds to a challenge what a new sign-in must be: all that is asked for, so that one sign-in does.
func (a Authentication) demand(c *oauth.Challenge) {
	c.ACR, c.MaxAge = strings.Join(a.ACR, " "), int(a.MaxAge/time.Second)
}
