package guard

import (
	"net/http"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
)

// rank orders decisions that are not Allow by how far the call is from being allowed: of a batch the one that is furthest names
// the refusal. Scopes are asked for at once, a sign-in takes a person, an account or an approval somebody else, and a denial
// has no remedy.
func rank(d policy.Decision) int {
	switch l := d.Lacking; {
	case d.Verdict != policy.Challenge, !l.Token() && l.Account == "" && !l.Approval:
		return hopeless
	case l.Approval:
		return 4
	case l.Account != "":
		return 3
	case signsIn(l):
		return 2
	}
	return 1
}

// hopeless is the rank of a decision that nothing which could be asked for changes.
const hopeless = 5

// signsIn reports whether the person must sign in again.
func signsIn(l policy.Lacking) bool { return l.ACR != "" || l.MaxAge > 0 }

// denied is the answer to a decision that is not Allow: in the words of the rule's title, never in its text. It has a challenge
// only where a new token is all that is lacking.
func (g *Guard) denied(r *http.Request, c Call, d policy.Decision) *oauth.Error {
	e := &oauth.Error{Status: http.StatusForbidden, Code: "access_denied", Reason: d.Code, Description: d.Title}
	if e.Description == "" {
		e.Description = "the rules of this server do not allow this"
	}
	if d.Verdict != policy.Challenge || !d.Lacking.Token() {
		return e
	}
	// MCP 2026-07-28, Scope Challenge Handling: everything that this operation lacks at once; the client accumulates.
	// Clients of older revisions do not, so for them what they have stands there too. Nor does one that has the person sign in
	// again: it begins anew with the scopes of the challenge, and one sign-in must do.
	e.Code = "insufficient_scope"
	e.Challenge = &oauth.Challenge{ResourceMetadata: g.metadataURL(r), ACR: d.Lacking.ACR, MaxAge: d.Lacking.MaxAge}
	scopes := d.Lacking.Scopes
	if signsIn(d.Lacking) {
		e.Status, e.Code = http.StatusUnauthorized, insufficientAuthentication
		g.c.Authentication.complete(e.Challenge)
	}
	if signsIn(d.Lacking) || c.Message.Revision != mcp.V20260728 {
		scopes = scopes.Union(c.Caller.Scopes)
	}
	e.Challenge.Error, e.Challenge.Description, e.Challenge.Scope = e.Code, e.Description, g.asked(scopes)
	return e
}
