package token

import (
	"time"

	"github.com/doorward-mcp/doorward/oauth"
)

// Principal is issuer and subject, never one without the other: a subject is unique only under its issuer (RFC 7519 §4.1.2).
type Principal struct{ Issuer, Subject string }

// Caller is who calls, verified. Only a Verifier makes one that is not zero.
type Caller struct {
	Principal
	Client, Grant, ID string       // client_id, gid, jti; for tokens of other issuers what their Rule says, without Grant
	Resource          string       // the audience that matched, byte for byte
	Scopes            oauth.Scopes // what the token carries
	ACR               string       // how the person signed in; empty: not said
	Authenticated     time.Time    // when; zero: not said
	Issued, Expires   time.Time
	Chain             []Actor // current actor first; empty: the subject's own client
	Key               string  // thumbprint of the confirmation key; empty: a bearer token
	Groups            []string
	Task              *Task    // the one piece of work that it is for; nil: all that Scopes allow
	MayAct            string   // the client that may act for the subject, RFC 8693 §4.4; empty: none is named
	Hash              [32]byte // SHA-256 of the token's text: how records name it; zero: it is not known
	Foreign           bool     // of another issuer than our own authorization server, to whose names Client and ID belong
}

// End is when the token is of no more use, leeway left out: its own end, or that of its task if it is earlier.
func (c Caller) End() time.Time {
	if c.Task != nil && !c.Task.Expires.IsZero() && c.Task.Expires.Before(c.Expires) {
		return c.Task.Expires
	}
	return c.Expires
}

// Actor acts for the subject; How says how it is known.
type Actor struct {
	Principal
	Client, How string
}

// Claims are what a token will say: not verified, because it is we who say it.
type Claims Caller
