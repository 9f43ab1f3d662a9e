package token

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	strict "github.com/go-json-experiment/json"
	"github.com/maypok86/otter/v2"

	"github.com/doorward-mcp/doorward/oauth"
)

const (
	maxToken = 16 << 10 // bytes of a token that are looked at
	maxKept  = 64 << 20 // bytes of memory for verified tokens, about
)

// Issuer is one issuer whose access tokens a resource takes, and what counts as one of its access tokens.
type Issuer struct {
	URL        string                    // iss, byte for byte
	Keys       Keys                      // nil, without Introspect: no token of it is good
	Audiences  []string                  // one of them must be in aud, byte for byte; empty: no token of it is good
	Typ        string                    // the typ of its access tokens; empty: TypAccess
	Algorithms []jose.SignatureAlgorithm // empty: ES256 and RS256; never none and never a symmetric one
	Rule       *Rule                     // nil: our own authorization server, whose tokens have every claim that RFC 9068 and we know
	Groups     bool                      // the groups in its tokens count: at most one issuer's do, for their names say not whose they are

	// Introspect asks the issuer about a token in place of Keys, RFC 7662: it gives the whole answer, which is kept for 30 s, or
	// an error if there is none. It is asked about tokens that name the issuer, and about those that name nobody and begin
	// with Prefix.
	Introspect func(ctx context.Context, raw string) ([]byte, error)
	Prefix     string
}

// Verifier verifies for one resource. It keeps the claims of tokens whose signature was good, never a verdict:
// times, issuer, audience and key are looked at again on every call. It is safe for concurrent use.
type Verifier struct {
	issuers map[string]*Issuer               // :: iss → issuer
	opaque  []*Issuer                        // those that can be asked about tokens which name nobody
	kept    *otter.Cache[[32]byte, *genuine] // :: SHA-256 of the token → what it says

	mu    sync.Mutex           // guards asked; nobody holds it while asking
	asked map[[32]byte]*asking // :: SHA-256 of the token → the question about it that goes on
}

// genuine is a token whose signature was good, or what its issuer said of it.
type genuine struct {
	caller    Caller // Resource not yet set
	audiences []string
	notBefore time.Time
	key       jose.JSONWebKey
	size      uint32
	until     time.Time // when the issuer must be asked again; zero: its keys are what counts
	refused   error     // why it is no good, as far as the issuer was asked; nil: it is
}

// NewVerifier verifies tokens of issuers. An Issuer that asks for an algorithm with a shared secret panics: whoever
// verifies could then also mint. So does one with both Keys and Introspect, because which of them counts nobody could see.
func NewVerifier(issuers ...Issuer) *Verifier {
	v := &Verifier{issuers: map[string]*Issuer{}, asked: map[[32]byte]*asking{}}
	for _, i := range issuers {
		if i.Typ == "" {
			i.Typ = TypAccess
		}
		if len(i.Algorithms) == 0 {
			i.Algorithms = []jose.SignatureAlgorithm{jose.ES256, jose.RS256}
		}
		if slices.ContainsFunc(i.Algorithms, func(a jose.SignatureAlgorithm) bool { return strings.HasPrefix(string(a), "HS") }) {
			panic("token: an issuer with a symmetric algorithm")
		}
		if i.Introspect != nil {
			if i.Keys != nil {
				panic("token: an issuer with keys and introspection")
			}
			if i.Rule == nil {
				i.Rule = &Rule{}
			}
			v.opaque = append(v.opaque, &i)
		}
		v.issuers[i.URL] = &i
	}
	v.kept = otter.Must(&otter.Options[[32]byte, *genuine]{
		MaximumWeight: maxKept,
		Weigher:       func(_ [32]byte, g *genuine) uint32 { return g.size },
	})
	return v
}

// Verify makes a Caller of a token that came with a call. key is the thumbprint that was proved with it, Possession.Key;
// empty: it came as a bearer token. The error is an *oauth.Error: invalid_token with a reason of its own for each
// check, or temporarily_unavailable (503) while the issuer's keys, or the issuer that must be asked, are out of reach.
func (v *Verifier) Verify(ctx context.Context, now time.Time, raw, key string) (Caller, error) {
	c, err := v.Inspect(ctx, now, raw)
	if err != nil {
		return Caller{}, err
	}
	switch {
	case c.Key == key:
		return c, nil
	case key == "":
		// RFC 9449 §7.2: a bound token sent as a bearer token is perhaps a stolen one.
		return Caller{}, invalid("bound", "the token is bound to a key and was sent as a bearer token")
	case c.Key == "":
		// RFC 9449 §7.1: the DPoP scheme is for bound tokens.
		return Caller{}, invalid("unbound", "the token is bound to no key and was sent with the DPoP scheme")
	}
	return Caller{}, invalid("other_key", "the token is bound to another key than the one that was proved")
}

// Inspect is Verify without possession: who holds a key is not asked. It is for tokens that are talked about, as in
// introspection, revocation and exchange, and never for one that opens something. Its errors are those of Verify.
func (v *Verifier) Inspect(ctx context.Context, now time.Time, raw string) (Caller, error) {
	if len(raw) > maxToken {
		return Caller{}, invalid("too_long", "the token is longer than 16 KiB")
	}
	sum := sha256.Sum256([]byte(raw))
	g, ok := v.kept.GetIfPresent(sum)
	if !ok || !g.until.IsZero() && !now.Before(g.until) {
		var err error
		if g, err = v.find(ctx, now, sum, raw); err != nil {
			return Caller{}, err
		}
	}
	c, err := v.judge(ctx, now, g)
	if err == nil {
		c.Hash = sum
	}
	return c, err
}

// find reads a token that is not known, or asks its issuer about it.
func (v *Verifier) find(ctx context.Context, now time.Time, sum [32]byte, raw string) (*genuine, error) {
	i, err := v.issuer(raw)
	if err != nil {
		return nil, err
	}
	if i.Introspect != nil {
		return v.ask(ctx, now, i, sum, raw)
	}
	g, err := v.read(ctx, now, i, raw)
	if err == nil {
		v.kept.Set(sum, g)
	}
	return g, err
}

// read checks the signature and what never changes.
func (v *Verifier) read(ctx context.Context, now time.Time, i *Issuer, raw string) (*genuine, error) {
	signed, err := jose.ParseSignedCompact(raw, i.Algorithms)
	if err != nil {
		return nil, invalid("algorithm", "the token is not signed with an algorithm that its issuer uses")
	}
	header := signed.Signatures[0].Protected
	// RFC 9068 §4: typ is at+jwt or application/at+jwt; an ID token or a caller assertion is no access token.
	if !i.takes(header) {
		return nil, invalid("type", "the token is not an access token: its typ is not "+strings.Join(i.types(), " or "))
	}
	key, err := v.key(ctx, now, i, header.KeyID)
	if err != nil {
		return nil, err
	}
	if !fits(header.Algorithm, key) {
		return nil, invalid("algorithm", "the token's algorithm is not that of its key")
	}
	body, err := signed.Verify(key)
	if err != nil {
		return nil, invalid("signature", "the token's signature is wrong")
	}
	if i.Rule != nil {
		return i.read(body, key, len(raw))
	}
	var p payload
	if err := strict.Unmarshal(body, &p); err != nil || p.Issuer != i.URL {
		return nil, invalid("claims", "the token's claims cannot be read")
	}
	if !i.Groups {
		p.Groups = nil
	}
	return p.genuine(key, len(raw))
}

// read reads the claims of a token of another issuer whose signature was good.
func (i *Issuer) read(body []byte, key jose.JSONWebKey, size int) (*genuine, error) {
	c, err := readForeign(body)
	if err != nil || c.first(nil, "iss") != i.URL {
		return nil, invalid("claims", "the token's claims cannot be read")
	}
	g, err := i.genuine(c, size)
	if err != nil {
		return nil, err
	}
	if g.caller.Issued.IsZero() { // what was taken back before it was issued is not known then
		return nil, invalid("claims", "the token does not say when it was issued")
	}
	g.key = key
	return g, nil
}

// issuer finds who says to have issued raw, or who can be asked about it.
func (v *Verifier) issuer(raw string) (*Issuer, error) {
	said, signed, err := says(raw)
	if said != "" {
		i, ok := v.issuers[said]
		if !ok || i.Keys == nil && i.Introspect == nil {
			return nil, invalid("issuer", "the token was issued by somebody else")
		}
		return i, nil
	}
	if err != nil && (signed || !sendable(raw)) {
		return nil, invalid("malformed", "the token is not a JWT that can be read")
	}
	for _, i := range v.opaque {
		if strings.HasPrefix(raw, i.Prefix) {
			return i, nil
		}
	}
	if err != nil {
		return nil, invalid("malformed", "the token is not a JWT")
	}
	return nil, invalid("issuer", "the token does not say who issued it")
}

func (v *Verifier) key(ctx context.Context, now time.Time, i *Issuer, kid string) (jose.JSONWebKey, error) {
	key, err := i.Keys(ctx, now, kid)
	switch {
	case err == nil:
		return key, nil
	case errors.Is(err, ErrNoKey):
		return key, invalid("key", "the token is signed with a key that its issuer does not show")
	}
	return key, unavailable("keys_unavailable", "the keys of the token's issuer cannot be read at the moment; try again")
}

func unavailable(reason, description string) *oauth.Error {
	return &oauth.Error{Status: 503, Code: "temporarily_unavailable", Reason: reason, RetryAfter: 5, Description: description}
}

func (p payload) genuine(key jose.JSONWebKey, size int) (*genuine, error) {
	// RFC 9068 §2.2: iss, exp, aud, sub, client_id, iat and jti are required.
	if p.Subject == "" || p.Client == "" || p.Expires == 0 || p.Issued == 0 || p.ID == "" || len(p.Audience) == 0 {
		return nil, invalid("claims", "the token lacks a claim that RFC 9068 requires")
	}
	// A task that cannot be read would leave the token wider than its task.
	task, err := taskOf(p.Task)
	if err != nil {
		return nil, invalid("task", "the task in the token cannot be read")
	}
	c := Caller{
		Principal: Principal{p.Issuer, p.Subject}, Client: p.Client, Grant: p.Grant, ID: p.ID,
		Scopes: oauth.NewScopes(strings.Fields(p.Scope)...), ACR: p.ACR, Authenticated: p.Authenticated.time(),
		Issued: p.Issued.time(), Expires: p.Expires.time(), Groups: p.Groups, Task: task, MayAct: p.MayAct.client(p.Issuer),
	}
	for a := p.Act; a != nil; a = a.Act {
		c.Chain = append(c.Chain, Actor{Principal{a.Issuer, a.Subject}, a.Client, a.How})
	}
	if p.Confirmation != nil {
		if c.Key, err = p.Confirmation.key(); err != nil {
			return nil, err
		}
	}
	return &genuine{caller: c, audiences: p.Audience, notBefore: p.NotBefore.time(), key: key, size: uint32(size) + 512}, nil
}

// key is the thumbprint of the key that a token is bound to. RFC 8705 §3: one that is bound to a certificate, or in a way
// that is not known here, is good for nobody, because nobody proves that here.
func (c confirmation) key() (string, error) {
	if c.Thumbprint == "" || c.X5T != "" {
		return "", invalid("bound_otherwise", "the token is bound in a way that is not taken here")
	}
	return c.Thumbprint, nil
}

// client is the client that may act, if the claim names a client of the token's own issuer and nobody else.
func (m *mayAct) client(issuer string) string {
	if m == nil || m.Issuer != "" && m.Issuer != issuer || m.Subject != "" && m.Subject != m.Client {
		return ""
	}
	return m.Client
}

// judge runs the checks whose answer may be another one each time.
func (v *Verifier) judge(ctx context.Context, now time.Time, g *genuine) (Caller, error) {
	if g.refused != nil {
		return Caller{}, g.refused
	}
	i, ok := v.issuers[g.caller.Principal.Issuer]
	if !ok {
		return Caller{}, invalid("issuer", "the token was issued by somebody else")
	}
	if g.until.IsZero() {
		key, err := v.key(ctx, now, i, g.key.KeyID)
		if err != nil {
			return Caller{}, err
		}
		if !sameKey(key, g.key) {
			return Caller{}, invalid("key", "the token is signed with a key that its issuer does not show")
		}
	}
	c := g.caller
	if c.Resource, ok = match(i.Audiences, g.audiences); !ok {
		return Caller{}, invalid("audience", "the token was issued for another resource")
	}
	switch {
	case !now.Before(c.End().Add(Leeway)):
		return Caller{}, invalid("expired", "the token has expired")
	case now.Before(g.notBefore.Add(-Leeway)) || now.Before(c.Issued.Add(-Leeway)):
		return Caller{}, invalid("not_yet", "the token is not good yet; is a clock wrong?")
	}
	return c, nil
}

// sameKey reports whether an issuer still shows the key under which a token was found good, not another by its name.
func sameKey(a, b jose.JSONWebKey) bool {
	if one, ok := a.Key.(*ecdsa.PublicKey); ok {
		if other, ok := b.Key.(*ecdsa.PublicKey); ok && one == other { // mostly: comparing the numbers takes memory
			return true
		}
	}
	k, ok := a.Key.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b.Key)
}

// match is byte for byte: no spelling is forgiven in aud.
func match(want, have []string) (string, bool) {
	for _, w := range want {
		if slices.Contains(have, w) {
			return w, true
		}
	}
	return "", false
}

func invalid(reason, description string) *oauth.Error {
	return &oauth.Error{Status: 401, Code: "invalid_token", Reason: reason, Description: description}
}
