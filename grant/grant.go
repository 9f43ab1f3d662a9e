package grant

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"time"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// Grant is one completed authorization: one row.
type Grant struct {
	ID           string // 16 random bytes, base64url
	Subject      token.Principal
	Client       string
	Confidential bool // the client authenticates itself
	Resources    []string
	Scopes       oauth.Scopes
	ACR          string
	Groups       []string
	Signed       time.Time   // when the person signed in
	Key          string      // thumbprint to which refresh tokens are bound; empty: to none
	Name         string      // the person's, for an OpenID client
	Nonce        string      // of the authorization request, for the ID token
	Task         *token.Task // what it is narrowed to; nil: nothing but Scopes
	Bound        bool        // the client registered for tokens that are bound to a key

	CodeHash  [32]byte // SHA-256 of the code
	Device    bool     // the code is a device code: it has neither redirect address nor challenge
	CodeKey   string   // thumbprint to which the code is bound, RFC 9449 §10; empty: to none
	Redirect  string   // as it stood in the authorization request
	Challenge string   // S256
	CodeUntil time.Time
	Redeemed  time.Time // zero: not yet

	Epoch      uint32
	Generation uint32 // the newest that was given; 0 before the code is redeemed
	Rotated    time.Time
	Secret     []byte    // of the MAC; the store seals it
	IdleUntil  time.Time // no refresh after this
	Until      time.Time // no refresh after this, however busy

	Revoked time.Time // zero: it stands
}

// Approved is what a completed authorization request says.
type Approved struct {
	Subject      token.Principal
	Client       string
	Confidential bool
	Redirect     string
	Challenge    string
	Resources    []string
	Scopes       oauth.Scopes
	ACR          string
	Groups       []string
	Signed       time.Time
	Name, Nonce  string
	Task         *token.Task
	Bound        bool
	CodeKey      string
	Device       *Device // nil: the code goes to the redirect address
}

// Device is the code that a device holds already, and how long it is good.
type Device struct {
	CodeHash [32]byte
	Until    time.Time
}

// New makes a grant and its code. The code is nowhere but in the answer: the grant holds its hash. A grant for a device has
// the device's code and makes none.
func New(now time.Time, a Approved, l Lifetimes) (Grant, token.Secret) {
	code := "dwc_" + rand.Text()
	b := make([]byte, 16+4+32)
	rand.Read(b)
	g := Grant{
		ID: base64.RawURLEncoding.EncodeToString(b[:16]), Epoch: binary.BigEndian.Uint32(b[16:20]), Secret: b[20:],
		Subject: a.Subject, Client: a.Client, Confidential: a.Confidential, Redirect: a.Redirect, Challenge: a.Challenge,
		Resources: slices.Clone(a.Resources), Scopes: a.Scopes, ACR: a.ACR, Groups: a.Groups, Signed: a.Signed,
		Name: a.Name, Nonce: a.Nonce, Task: a.Task, Bound: a.Bound, CodeKey: a.CodeKey,
		CodeHash: sha256.Sum256([]byte(code)), CodeUntil: now.Add(l.Code),
		IdleUntil: now.Add(l.RefreshIdle), Until: now.Add(l.RefreshMost),
	}
	if a.Device != nil {
		g.Device, g.CodeHash, g.CodeUntil = true, a.Device.CodeHash, a.Device.Until
		return g, token.Secret{}
	}
	return g, token.NewSecret(code)
}

// Name is what a grant is found by: its id, or the hash of its code. Exactly one is set.
type Name struct {
	ID   string
	Code [32]byte
}

// Verdict is what was presented means. The zero Verdict is invalid_grant, and the grant stands as it was.
type Verdict int

// The verdicts.
const (
	Refused Verdict = iota
	Good
	Again       // generation n once more, inside the grace window; the grant stands as it was
	Stolen      // somebody has what another used: the grant that comes with it is revoked and must be written
	Alarm       // a generation or epoch that we never gave; the grant stands as it was
	WrongTarget // the resource is not in the grant; nothing is consumed
	WrongScope  // the scope is not in the grant; nothing is consumed
)

// String is the verdict as logs name it.
func (v Verdict) String() string {
	return [...]string{"refused", "good", "again", "stolen", "alarm", "wrong_target", "wrong_scope"}[v]
}

// Wanted is what a token request asks for within its grant. Empty members ask for all that there is.
type Wanted struct {
	Resource string
	Scopes   oauth.Scopes
	Key      string      // thumbprint of the key that was proved, to which the token is bound; empty: a bearer token
	Task     *token.Task // nil: the grant's own; another one must lie within it, which the caller has seen to
}

// check says whether the grant holds what is wanted. RFC 8707 §2.2, RFC 6749 §6.
func (g Grant) check(w Wanted) Verdict {
	switch {
	case w.Resource != "" && !slices.Contains(g.Resources, w.Resource),
		w.Resource == "" && len(g.Resources) != 1:
		return WrongTarget
	case !g.Scopes.Covers(w.Scopes):
		return WrongScope
	}
	return Good
}

// Claims are what an access token for what is wanted will say. Call it with a grant that was Good for w.
func (g Grant) Claims(now time.Time, w Wanted, l Lifetimes) token.Claims {
	c := token.Claims{
		Principal: g.Subject, Client: g.Client, Grant: g.ID, ID: rand.Text(), Resource: w.Resource, Scopes: w.Scopes,
		ACR: g.ACR, Groups: g.Groups, Authenticated: g.Signed, Issued: now, Expires: now.Add(l.Access), Key: w.Key,
		Task: g.Task,
	}
	if c.Resource == "" {
		c.Resource = g.Resources[0]
	}
	if len(c.Scopes) == 0 {
		c.Scopes = g.Scopes
	}
	c.Scopes = c.Scopes.Without(oauth.OfflineAccess) // it means nothing to a resource
	if w.Task != nil {
		c.Task = w.Task
	}
	if c.Task != nil && !c.Task.Expires.IsZero() && c.Task.Expires.Before(c.Expires) {
		c.Expires = c.Task.Expires
	}
	return c
}
