package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// The typ of each kind that we mint, the type of the one kind of authorization_details that may be in it, and times.
const (
	TypAccess   = "at+jwt"              // RFC 9068 §2.1
	TypCaller   = "doorward-caller+jwt" // tells an upstream who calls; never a bearer token
	TypIdentity = "JWT"                 // an ID token, whose typ OpenID leaves open and libraries expect to be this
	TaskType    = "doorward_task"

	CallerLifetime = time.Minute      // how long a caller assertion is good
	Leeway         = 30 * time.Second // how far apart two clocks may be
)

// payload is the JSON of every token that we mint or read. RFC 9068 §2.2; gid, the grant, is ours.
type payload struct {
	Issuer        string          `json:"iss"`
	Subject       string          `json:"sub"`
	Audience      audience        `json:"aud"`
	Expires       seconds         `json:"exp"`
	NotBefore     seconds         `json:"nbf,omitzero"`
	Issued        seconds         `json:"iat"`
	ID            string          `json:"jti,omitempty"`
	Client        string          `json:"client_id,omitempty"`
	Scope         string          `json:"scope,omitempty"`
	Authenticated seconds         `json:"auth_time,omitzero"`
	ACR           string          `json:"acr,omitempty"`
	Grant         string          `json:"gid,omitempty"`
	Groups        []string        `json:"groups,omitempty"`
	Act           *act            `json:"act,omitempty"`
	Confirmation  *confirmation   `json:"cnf,omitempty"`
	Task          json.RawMessage `json:"authorization_details,omitempty"`
	MayAct        *mayAct         `json:"may_act,omitempty"`
}

// act is the actor claim, the current actor outermost. RFC 8693 §4.1; client_id and how are ours.
type act struct {
	Issuer  string `json:"iss,omitempty"`
	Subject string `json:"sub"`
	Client  string `json:"client_id,omitempty"`
	How     string `json:"how,omitempty"`
	Act     *act   `json:"act,omitempty"`
}

// mayAct is the client that may act for the subject. RFC 8693 §4.4. A client of ours is its own subject.
type mayAct struct {
	Issuer  string `json:"iss,omitempty"`
	Subject string `json:"sub"`
	Client  string `json:"client_id,omitempty"`
}

type confirmation struct {
	Thumbprint string `json:"jkt,omitempty"`      // RFC 9449 §6
	X5T        string `json:"x5t#S256,omitempty"` // RFC 8705 §3.1
}

// audience is one string or an array of them. RFC 7519 §4.1.3.
type audience []string

func (a audience) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0])
	}
	return json.Marshal([]string(a))
}

func (a *audience) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		*a = make(audience, 1)
		return json.Unmarshal(b, &(*a)[0])
	}
	return json.Unmarshal(b, (*[]string)(a))
}

// seconds is a NumericDate; a fraction is cut. RFC 7519 §2. Zero: absent.
type seconds int64

func (s *seconds) UnmarshalJSON(b []byte) error {
	var f float64
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	if f < 0 || f > 1<<40 {
		return errors.New("a time that no clock can show")
	}
	*s = seconds(f)
	return nil
}

func (s seconds) time() time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(int64(s), 0).UTC()
}

func toSeconds(t time.Time) seconds {
	if t.IsZero() {
		return 0
	}
	return seconds(t.Unix())
}

// ErrNoSigner is the error of minting with a ring none of whose keys is in use.
var ErrNoSigner = errors.New("no signing key is in use")

// Access mints an access token for c.Resource that is good from now until c.Expires. RFC 9068.
func (r *Ring) Access(now time.Time, c Claims) (string, error) {
	p := describe(Caller(c))
	p.Issuer, p.Audience, p.Issued = r.issuer, audience{c.Resource}, toSeconds(now)
	return r.sign(now, TypAccess, p)
}

// Caller mints the assertion that tells an upstream who calls. Its audience is the upstream, its life CallerLifetime,
// and it has no jti, no grant and no key: nothing in it can be turned back into a token, and who carries it is not who
// proved the key. The subject's own issuer stands in idp, because iss is the one who vouches: us.
func (r *Ring) Caller(now time.Time, upstream string, c Caller) (string, error) {
	p := describe(c)
	p.ID, p.Grant, p.Confirmation, p.MayAct = "", "", nil, nil
	p.Issuer, p.Audience, p.Issued, p.Expires = r.issuer, audience{upstream}, toSeconds(now), toSeconds(now.Add(CallerLifetime))
	return r.sign(now, TypCaller, struct {
		payload
		SubjectIssuer string `json:"idp"`
	}{p, c.Principal.Issuer})
}

func describe(c Caller) payload {
	p := payload{
		Subject: c.Subject, Expires: toSeconds(c.Expires), ID: c.ID, Client: c.Client, Scope: c.Scopes.String(),
		Authenticated: toSeconds(c.Authenticated), ACR: c.ACR, Grant: c.Grant, Groups: c.Groups, Task: c.Task.Details(),
	}
	for _, a := range slices.Backward(c.Chain) {
		p.Act = &act{a.Issuer, a.Subject, a.Client, a.How, p.Act}
	}
	if c.Key != "" {
		p.Confirmation = &confirmation{Thumbprint: c.Key}
	}
	if c.MayAct != "" {
		p.MayAct = &mayAct{Subject: c.MayAct, Client: c.MayAct}
	}
	return p
}

func (r *Ring) sign(now time.Time, typ string, claims any) (string, error) {
	k, ok := r.signing(now)
	if !ok {
		return "", ErrNoSigner
	}
	b, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encoding the claims of a %s: %w", typ, err)
	}
	signed, err := k.signers[typ].Sign(b)
	if err != nil {
		return "", fmt.Errorf("signing a %s: %w", typ, err)
	}
	return signed.CompactSerialize()
}
