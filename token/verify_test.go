package token_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

const (
	issuer   = "https://as.example"
	resource = "https://mcp.example/mcp"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func key(t testing.TB) token.Key {
	t.Helper()
	k, err := token.NewKey(noon.Add(-time.Hour), noon.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func ring(t testing.TB, keys ...token.Key) *token.Ring {
	t.Helper()
	r, err := token.NewRing(issuer, keys)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func verifier(r *token.Ring) *token.Verifier {
	return token.NewVerifier(token.Issuer{URL: issuer, Keys: token.Own(func() *token.Ring { return r }), Audiences: []string{"https://mcp.example/old", resource}, Groups: true})
}

// good are the claims of a good token; signed changes and signs them.
func good() map[string]any {
	return map[string]any{"iss": issuer, "sub": "alice", "aud": resource, "client_id": "c", "jti": "j", "scope": "b a", "iat": noon.Unix(), "exp": noon.Unix() + 600}
}

type change func(header map[jose.HeaderKey]any, claims map[string]any)

func claim(name string, value any) change {
	return func(_ map[jose.HeaderKey]any, c map[string]any) {
		if c[name] = value; value == nil {
			delete(c, name)
		}
	}
}

func typ(value string) change {
	return func(h map[jose.HeaderKey]any, _ map[string]any) { h["typ"] = value }
}

func signed(t testing.TB, alg jose.SignatureAlgorithm, private any, kid string, changes ...change) string {
	t.Helper()
	header, claims := map[jose.HeaderKey]any{"typ": token.TypAccess}, good()
	for _, c := range changes {
		c(header, claims)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: private, KeyID: kid}}, &jose.SignerOptions{ExtraHeaders: header})
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := s.Sign(b)
	if err != nil {
		t.Fatal(err)
	}
	text, err := raw.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func reasonOf(t testing.TB, err error) string {
	t.Helper()
	var e *oauth.Error
	if err != nil && !errors.As(err, &e) {
		t.Fatalf("%v is no *oauth.Error", err)
	}
	if e == nil {
		return ""
	}
	if e.Reason == "keys_unavailable" {
		if e.Status != 503 || e.RetryAfter == 0 {
			t.Errorf("%+v", e)
		}
	} else if e.Status != 401 || e.Code != "invalid_token" {
		t.Errorf("%+v", e)
	}
	return e.Reason
}

// RS-TOKEN-VALIDATE, RS-AUDIENCE, RS-AUDIENCE-MISSING, RS-ENFORCE-EXPIRY, RS-NO-FOREIGN-TOKENS, RFC 9068 §4; WIF-RS-BASELINE, because by
// which grant a token came, a workload's or a person's, makes no difference: each check
// refuses with a reason of its own, so that a test that passes for another reason is seen.
func TestVerify(t *testing.T) {
	k, other := key(t), key(t)
	v := verifier(ring(t, k))
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	es := func(changes ...change) string { return signed(t, jose.ES256, k.Private, k.ID, changes...) }
	whole := es()
	parts := strings.Split(whole, ".")
	for _, c := range []struct{ name, raw, want string }{
		{"good", whole, ""},
		{"good, one of several audiences", es(claim("aud", []string{"https://other.example", resource})), ""},
		{"good, a second configured audience", es(claim("aud", "https://mcp.example/old")), ""},
		{"good, the long typ", es(typ("application/at+JWT")), ""},
		{"good, within the leeway of exp", es(claim("exp", noon.Unix()-29)), ""},
		{"good, within the leeway of iat", es(claim("iat", noon.Unix()+30)), ""},
		{"good, fractions", es(claim("exp", float64(noon.Unix())+600.5)), ""},
		{"another audience", es(claim("aud", "https://other.example")), "audience"},
		{"the audience with a slash", es(claim("aud", resource+"/")), "audience"},
		{"the audience in upper case", es(claim("aud", strings.ToUpper(resource))), "audience"},
		{"the audience as a prefix", es(claim("aud", "https://mcp.example")), "audience"},
		{"no audience", es(claim("aud", nil)), "claims"},
		{"an empty list of audiences", es(claim("aud", []string{})), "claims"},
		{"another issuer", es(claim("iss", "https://evil.example")), "issuer"},
		{"the issuer with a slash", es(claim("iss", issuer+"/")), "issuer"},
		{"no issuer", es(claim("iss", nil)), "issuer"},
		{"expired", es(claim("exp", noon.Unix()-30)), "expired"},
		{"no expiry", es(claim("exp", nil)), "claims"},
		{"an expiry of text", es(claim("exp", "tomorrow")), "claims"},
		{"a negative expiry", es(claim("exp", -1)), "claims"},
		{"an expiry beyond all clocks", es(claim("exp", 1e300)), "claims"},
		{"issued in the future", es(claim("iat", noon.Unix()+31)), "not_yet"},
		{"not before later", es(claim("nbf", noon.Unix()+31)), "not_yet"},
		{"no issue time", es(claim("iat", nil)), "claims"},
		{"no subject", es(claim("sub", nil)), "claims"},
		{"no client", es(claim("client_id", nil)), "claims"},
		{"no jti", es(claim("jti", nil)), "claims"},
		{"bound to a key", es(claim("cnf", map[string]string{"jkt": "x"})), "bound"},
		{"an ID token", es(typ("JWT")), "type"},
		{"a caller assertion", es(typ(token.TypCaller)), "type"},
		{"no typ", signed(t, jose.ES256, k.Private, k.ID, func(h map[jose.HeaderKey]any, _ map[string]any) { delete(h, "typ") }), "type"},
		{"a foreign key under its own name", signed(t, jose.ES256, other.Private, other.ID), "key"},
		{"a foreign key under ours", signed(t, jose.ES256, other.Private, k.ID), "signature"},
		{"no kid", signed(t, jose.ES256, k.Private, ""), "key"},
		{"bound to a certificate", es(claim("cnf", map[string]string{"x5t#S256": "x"})), "bound_otherwise"},
		{"bound to a key and a certificate", es(claim("cnf", map[string]string{"jkt": "x", "x5t#S256": "y"})), "bound_otherwise"},
		{"bound in an unknown way", es(claim("cnf", map[string]string{"kid": "x"})), "bound_otherwise"},
		{"another algorithm", signed(t, jose.RS256, rsaKey, k.ID), "algorithm"},
		{"a curve that is not in use", signed(t, jose.ES384, p384, k.ID), "algorithm"},
		{"a shared secret", signed(t, jose.HS256, []byte(strings.Repeat("x", 32)), k.ID), "algorithm"},
		{"alg none", "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0." + parts[1] + ".", "algorithm"},
		{"no signature", parts[0] + "." + parts[1] + ".", "signature"},
		{"two parts", parts[0] + "." + parts[1], "malformed"},
		{"five parts", whole + ".a.b", "malformed"},
		{"padding", whole + "=", "algorithm"},
		{"text", "opaque", "malformed"},
		{"nothing", "", "malformed"},
		{"no JSON", "e30.bm90IGpzb24.x", "malformed"},
		{"too long", es(claim("x", strings.Repeat("x", 16<<10))), "too_long"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 2 { // the second time from the cache, where there is one
				got, err := v.Verify(t.Context(), noon, c.raw, "")
				if reason := reasonOf(t, err); reason != c.want {
					t.Errorf("reason %q, want %q", reason, c.want)
				}
				if err != nil && !cmp.Equal(got, token.Caller{}) {
					t.Errorf("refused, and yet %+v", got)
				}
			}
		})
	}
}

func TestAVerifierWithASharedSecretIsRefused(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("an issuer with HS256 was taken")
		}
	}()
	token.NewVerifier(token.Issuer{URL: issuer, Algorithms: []jose.SignatureAlgorithm{jose.ES256, jose.HS256}})
}

// The zero Issuer and an issuer without keys or audiences take nothing.
func TestAnIssuerThatIsNotWholeTakesNothing(t *testing.T) {
	k := key(t)
	own := token.Own(func() *token.Ring { return ring(t, k) })
	raw := signed(t, jose.ES256, k.Private, k.ID)
	for name, i := range map[string]token.Issuer{
		"no keys": {URL: issuer, Audiences: []string{resource}}, "no audiences": {URL: issuer, Keys: own}, "no address": {Keys: own, Audiences: []string{resource}},
	} {
		if c, err := token.NewVerifier(i).Verify(t.Context(), noon, raw, ""); err == nil {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if _, err := token.NewVerifier().Verify(t.Context(), noon, raw, ""); reasonOf(t, err) != "issuer" {
		t.Error(err)
	}
}

// Rule 7: a cache holds claims, never a verdict. What is found good once is judged again each time.
func TestACachedTokenIsJudgedAgain(t *testing.T) {
	k := key(t)
	now := ring(t, k)
	v := token.NewVerifier(token.Issuer{URL: issuer, Keys: token.Own(func() *token.Ring { return now }), Audiences: []string{resource}})
	raw := signed(t, jose.ES256, k.Private, k.ID)
	at := func(when time.Time, want string) {
		t.Helper()
		if _, err := v.Verify(t.Context(), when, raw, ""); reasonOf(t, err) != want {
			t.Errorf("at %s: %v, want %q", when.Format(time.TimeOnly), err, want)
		}
	}
	at(noon, "")
	at(noon.Add(10*time.Minute+token.Leeway), "expired")
	at(noon.Add(-time.Minute), "not_yet")
	now = ring(t)
	at(noon, "key")
	// Another key under the name of the one that signed is not the one that signed.
	imposter := key(t)
	imposter.ID = k.ID
	now = ring(t, imposter)
	at(noon, "key")
	k.Until = noon.Add(time.Minute)
	now = ring(t, k)
	at(noon, "")
	at(noon.Add(time.Minute), "key")
	now = nil
	at(noon, "key")
}

func TestKeysThatCannotBeReadAreNoRefusal(t *testing.T) {
	k := key(t)
	v := token.NewVerifier(token.Issuer{URL: issuer, Audiences: []string{resource}, Keys: func(context.Context, time.Time, string) (jose.JSONWebKey, error) {
		return jose.JSONWebKey{}, token.ErrUnavailable
	}})
	_, err := v.Verify(t.Context(), noon, signed(t, jose.ES256, k.Private, k.ID), "")
	if reasonOf(t, err) != "keys_unavailable" {
		t.Error(err)
	}
}

// What is not signed by a key of the ring is refused, and nothing makes the verifier fall over.
func FuzzVerify(f *testing.F) {
	k := key(f)
	v := verifier(ring(f, k))
	whole := signed(f, jose.ES256, k.Private, k.ID)
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add(strings.Replace(whole, ".", "..", 1))
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add(signed(f, jose.HS256, []byte(strings.Repeat("x", 32)), k.ID))
	f.Fuzz(func(t *testing.T, raw string) {
		c, err := v.Verify(t.Context(), noon, raw, "")
		if err == nil && raw != whole && (c.Subject != "alice" || !strings.HasPrefix(whole, raw[:strings.LastIndexByte(raw, '.')])) {
			t.Errorf("%q is taken as %+v", raw, c)
		}
		if err != nil {
			reasonOf(t, err)
		}
	})
}

// What verifying costs: a token that was seen before, and one that was not.
func BenchmarkVerify(b *testing.B) {
	k, rsaKey := key(b), rsaPair(b)
	for name, c := range map[string]struct {
		sign any
		alg  jose.SignatureAlgorithm
		pub  any
	}{"ES256": {k.Private, jose.ES256, k.Private.Public()}, "RS256": {rsaKey, jose.RS256, rsaKey.Public()}} {
		keys := func(context.Context, time.Time, string) (jose.JSONWebKey, error) {
			return jose.JSONWebKey{Key: c.pub, KeyID: "k", Algorithm: string(c.alg)}, nil
		}
		raw := make([]string, 2000)
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: c.alg, Key: jose.JSONWebKey{Key: c.sign, KeyID: "k"}}, (&jose.SignerOptions{}).WithType("at+jwt"))
		if err != nil {
			b.Fatal(err)
		}
		for i := range raw {
			claims := good()
			claims["jti"] = strconv.Itoa(i)
			text, err := json.Marshal(claims)
			if err != nil {
				b.Fatal(err)
			}
			signed, err := signer.Sign(text)
			if err != nil {
				b.Fatal(err)
			}
			if raw[i], err = signed.CompactSerialize(); err != nil {
				b.Fatal(err)
			}
		}
		fresh := func() *token.Verifier {
			return token.NewVerifier(token.Issuer{URL: issuer, Keys: keys, Audiences: []string{resource}})
		}
		verify := func(b *testing.B, v *token.Verifier, raw string) {
			if _, err := v.Verify(b.Context(), noon, raw, ""); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(name+"/kept", func(b *testing.B) {
			v := fresh()
			b.ReportAllocs()
			for b.Loop() {
				verify(b, v, raw[0])
			}
		})
		b.Run(name+"/cold", func(b *testing.B) {
			v, n := fresh(), 0
			b.ReportAllocs()
			for b.Loop() {
				if n == len(raw) {
					v, n = fresh(), 0
				}
				verify(b, v, raw[n])
				n++
			}
		})
	}
}

func rsaPair(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
