package grant

import (
	"crypto/sha256"
	"crypto/subtle"
	"time"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// Code is a presented authorization code or device code, who presents it, and what is asked for.
type Code struct {
	Raw      token.Secret
	Client   string
	Device   bool   // it was presented as a device code
	Redirect string // empty: not sent, as OAuth 2.1 §4.1.3 has it
	Verifier string
	Wanted
}

// Hash is the name under which the store finds the grant of a code.
func (c Code) Hash() [32]byte { return sha256.Sum256([]byte(c.Raw.Reveal())) }

// Redeem is the exchange of a code. The first right redemption is Good, the second is Stolen; one by another client, with
// another redirect address or with a wrong verifier consumes nothing and revokes nothing, else whoever sees a code could
// sign others out. RFC 6749 §4.1.2 and §4.1.3, RFC 7636 §4.6, RFC 9700 §4.5.
func (g Grant) Redeem(now time.Time, c Code) (Grant, Verdict) {
	hash := c.Hash()
	right := subtle.ConstantTimeCompare(hash[:], g.CodeHash[:]) == 1 && g.Client == c.Client && g.Device == c.Device
	if !g.Device {
		right = right && (c.Redirect == "" || g.Redirect == c.Redirect) && oauth.Verifies(c.Verifier, g.Challenge)
	}
	switch {
	case !right, !g.Revoked.IsZero(), g.ended(now):
		return g, Refused
	case !g.Redeemed.IsZero():
		g.Revoked = now
		return g, Stolen
	case !now.Before(g.CodeUntil), g.CodeKey != "" && g.CodeKey != c.Key: // RFC 9449 §10
		return g, Refused
	}
	if v := g.check(c.Wanted); v != Good {
		return g, v
	}
	g.Redeemed, g.Rotated, g.Generation = now, now, 1
	if !g.Confidential {
		g.Key = c.Key // RFC 9449 §5: refresh tokens of public clients are bound; the others have credentials
	}
	return g, Good
}

// ended reports whether the task that the grant is for is over.
func (g Grant) ended(now time.Time) bool {
	return g.Task != nil && !g.Task.Expires.IsZero() && !now.Before(g.Task.Expires)
}
