package token

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	strict "github.com/go-json-experiment/json"

	"github.com/doorward-mcp/doorward/oauth"
)

const (
	assertionID   = 256       // bytes of jti
	assertionLife = time.Hour // unless Expected.Most says otherwise
)

// Assertion is a JWT that somebody else signed about itself or about another, verified. RFC 7523 §3. Its ID was not looked
// up: whoever takes an assertion keeps issuer and ID until Expires and Leeway have passed, and takes them once.
type Assertion struct {
	Principal
	ID              string // jti
	Issued, Expires time.Time
	Audience        []string // exactly one

	body []byte
}

// Claims reads all claims into v by its json tags. Names count with their case.
func (a Assertion) Claims(v any) error {
	if err := strict.Unmarshal(a.body, v); err != nil {
		return fmt.Errorf("reading the claims of an assertion: %w", err)
	}
	return nil
}

// Expected is what an assertion must be.
type Expected struct {
	Issuer   string        // iss, byte for byte; empty: any, and the caller compares what ReadAssertion answers
	Keys     Keys          // of that issuer; nil: no assertion is good
	Typ      []string      // in lower case, without application/; empty: jwt or none at all, so none of the kinds that have a typ
	Audience string        // aud is this alone, byte for byte
	Code     string        // of the error: invalid_client, answered with 401, or invalid_grant; empty: invalid_grant
	Most     time.Duration // from iat to exp; zero: an hour
}

// assertionClaims are those that RFC 7523 §3 and the MCP extensions require, and nbf.
type assertionClaims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  audience `json:"aud"`
	Expires   seconds  `json:"exp"`
	NotBefore seconds  `json:"nbf"`
	Issued    seconds  `json:"iat"`
	ID        string   `json:"jti"`
}

// Said is what raw says about itself. Nothing in it is verified: it serves to choose whose keys to take. typ is in lower
// case and without application/. The error is an *oauth.Error with code invalid_request.
func Said(raw string) (typ string, p Principal, err error) {
	var c assertionClaims
	h, err := split(bounded(raw), &c)
	if err != nil {
		return "", Principal{}, oauth.InvalidRequest("malformed_assertion", "the assertion is not a JWT of at most 16 KiB")
	}
	return h.kind(), Principal{c.Issuer, c.Subject}, nil
}

// bounded is raw, or nothing if it is longer than a token may be.
func bounded(raw string) string {
	if len(raw) > maxToken {
		return ""
	}
	return raw
}

// ReadAssertion verifies raw. RFC 7523 §3, RFC 8725. The error is an *oauth.Error with the code of e and a reason for each
// check, or temporarily_unavailable (503) while the issuer's keys are out of reach. It does not judge who the subject is.
func ReadAssertion(ctx context.Context, now time.Time, raw string, e Expected) (Assertion, error) {
	var c assertionClaims
	h, err := split(bounded(raw), &c)
	if err != nil {
		return Assertion{}, e.bad("malformed_assertion", "the assertion is not a JWT of at most 16 KiB")
	}
	// RFC 8725 §3.11: what was signed as another kind of token is no assertion, whoever signed it.
	if len(e.Typ) == 0 && h.kind() != "" && h.kind() != "jwt" || len(e.Typ) > 0 && !slices.Contains(e.Typ, h.kind()) {
		return Assertion{}, e.bad("assertion_type", "the typ of the assertion is another one than is taken here")
	}
	if e.Issuer != "" && c.Issuer != e.Issuer {
		return Assertion{}, e.bad("assertion_issuer", "the assertion was issued by somebody else")
	}
	body, err := e.verify(ctx, now, raw, h)
	if err != nil {
		return Assertion{}, err
	}
	if err := e.check(now, c); err != nil {
		return Assertion{}, err
	}
	return Assertion{Principal{c.Issuer, c.Subject}, c.ID, c.Issued.time(), c.Expires.time(), c.Audience, body}, nil
}

// verify is RFC 7523 §3 item 9. Only Keys are asked for a key: what a header says about keys (jwk, jku, x5u, x5c) counts for nothing.
func (e Expected) verify(ctx context.Context, now time.Time, raw string, h header) ([]byte, error) {
	signed, err := jose.ParseSignedCompact(raw, algorithms())
	if err != nil || h.Critical != nil {
		return nil, e.bad("assertion_algorithm", "the assertion is not signed with an algorithm that is taken here, or demands an extension")
	}
	if e.Keys == nil {
		return nil, e.bad("assertion_key", "no key of the assertion's issuer is known")
	}
	key, err := e.Keys(ctx, now, signed.Signatures[0].Protected.KeyID)
	switch {
	case errors.Is(err, ErrNoKey):
		return nil, e.bad("assertion_key", "the assertion is signed with a key that its issuer does not show")
	case err != nil:
		return nil, unavailable("keys_unavailable", "the keys of the assertion's issuer cannot be read at the moment; try again")
	case !fits(h.Algorithm, key):
		return nil, e.bad("assertion_algorithm", "the algorithm of the assertion is not that of its key")
	}
	body, err := signed.Verify(key)
	if err != nil {
		return nil, e.bad("assertion_signature", "the signature of the assertion is wrong")
	}
	return body, nil
}

// check is RFC 7523 §3 items 1 to 7. All claims are required: without iat and jti neither a bound on its life nor taking
// it once is possible.
func (e Expected) check(now time.Time, c assertionClaims) error {
	most := e.Most
	if most == 0 {
		most = assertionLife
	}
	issued, expires := c.Issued.time(), c.Expires.time()
	switch {
	case c.Issuer == "" || c.Subject == "" || c.ID == "" || len(c.ID) > assertionID || c.Expires == 0 || c.Issued == 0:
		return e.bad("assertion_claims", "the assertion lacks one of iss, sub, aud, exp, iat and jti")
	// One audience alone: an assertion that is good in two places can be carried from one to the other.
	case len(c.Audience) != 1 || c.Audience[0] != e.Audience || e.Audience == "":
		return e.bad("assertion_audience", "the audience of the assertion must be this server's issuer identifier alone")
	case !now.Before(expires.Add(Leeway)):
		return e.bad("assertion_expired", "the assertion has expired")
	case now.Before(issued.Add(-Leeway)) || now.Before(c.NotBefore.time().Add(-Leeway)):
		return e.bad("assertion_not_yet", "the assertion is not good yet; is a clock wrong?")
	case expires.Sub(issued) > most: // and issued is not after now, so that exp is no further away either
		return e.bad("assertion_life", fmt.Sprintf("the assertion is good for longer than %s", most))
	}
	return nil
}

func (e Expected) bad(reason, description string) *oauth.Error {
	if e.Code == "invalid_client" {
		return oauth.InvalidClient(reason, description)
	}
	return oauth.InvalidGrant(reason, description)
}
