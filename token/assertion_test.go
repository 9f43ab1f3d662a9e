package token_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

const idp = "https://idp.example"

// assertion is what the identity provider says to our issuer about alice; the changes make it another one.
func assertion(t testing.TB, alg jose.SignatureAlgorithm, private any, changes ...change) string {
	t.Helper()
	header := map[jose.HeaderKey]any{"typ": "JWT", "kid": "k"}
	claims := map[string]any{"iss": idp, "sub": "alice", "aud": issuer, "iat": noon.Unix(), "exp": noon.Unix() + 300, "jti": "a1", "client_id": "c", "resource": resource}
	for _, c := range changes {
		c(header, claims)
	}
	s := must(jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: private}, &jose.SignerOptions{ExtraHeaders: header}))
	return must(must(s.Sign(must(json.Marshal(claims)))).CompactSerialize())
}

// shows is a key set of one key under the name k.
func shows(public crypto.PublicKey) token.Keys {
	return must(token.FixedKeys(must(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: public, KeyID: "k"}}}))))
}

func assertionReason(t testing.TB, err error, code string) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var e *oauth.Error
	if !errors.As(err, &e) {
		t.Fatalf("%#v", err)
	}
	want := &oauth.Error{Status: 400, Code: "invalid_grant"}
	switch {
	case e.Reason == "keys_unavailable":
		want = &oauth.Error{Status: 503, Code: "temporarily_unavailable", RetryAfter: 5}
	case code == "invalid_client":
		want = &oauth.Error{Status: 401, Code: code}
	}
	if e.Status != want.Status || e.Code != want.Code || e.RetryAfter != want.RetryAfter {
		t.Errorf("%+v", e)
	}
	return e.Reason
}

// WIF-JWT-CLAIMS, EMA-JAG-TYP, EMA-JAG-CLAIMS, EMA-JAG-SHORT, RFC 7523 §3, RFC 8725: each check refuses with a reason of its own.
func TestReadAssertion(t *testing.T) {
	k, other := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	p384, rsaKey := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)), must(rsa.GenerateKey(rand.Reader, 2048))
	plain := token.Expected{Issuer: idp, Keys: shows(k.Public()), Audience: issuer}
	expect := func(change func(*token.Expected)) token.Expected {
		e := plain
		change(&e)
		return e
	}
	client := expect(func(e *token.Expected) { e.Code = "invalid_client" })
	jag := expect(func(e *token.Expected) { e.Typ = []string{"oauth-id-jag+jwt"} })
	es := func(changes ...change) string { return assertion(t, jose.ES256, k, changes...) }
	whole := es()
	parts := strings.Split(whole, ".")
	encoded := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	at := func(name string, seconds int64) change { return claim(name, noon.Unix()+seconds) }
	for _, c := range []struct {
		name, raw string
		e         token.Expected
		want      string
	}{
		{"good", whole, plain, ""},
		{"good, a client's", whole, client, ""},
		{"good, without typ", es(head("typ", nil)), plain, ""},
		{"good, without kid", es(head("kid", nil)), plain, ""},
		{"good, a list of one audience", es(claim("aud", []string{issuer})), plain, ""},
		{"good, any issuer", whole, expect(func(e *token.Expected) { e.Issuer = "" }), ""},
		{"good, an ID-JAG", es(typ("oauth-id-jag+jwt")), jag, ""},
		{"good, an ID-JAG with the long typ", es(typ("application/OAUTH-ID-JAG+jwt")), jag, ""},
		{"good, an hour", es(at("exp", 3600)), plain, ""},
		{"good, within the leeway of exp", es(at("iat", -60), at("exp", -29)), plain, ""},
		{"good, within the leeway of iat", es(at("iat", 30)), plain, ""},
		{"good, RS256", assertion(t, jose.RS256, rsaKey), expect(func(e *token.Expected) { e.Keys = shows(rsaKey.Public()) }), ""},
		{"good, PS256", assertion(t, jose.PS256, rsaKey), expect(func(e *token.Expected) { e.Keys = shows(rsaKey.Public()) }), ""},
		{"an assertion as an ID-JAG", whole, jag, "assertion_type"},
		{"no typ as an ID-JAG", es(head("typ", nil)), jag, "assertion_type"},
		{"an ID-JAG as an assertion", es(typ("oauth-id-jag+jwt")), plain, "assertion_type"},
		{"an access token", es(typ("at+jwt")), plain, "assertion_type"},
		{"a caller assertion", es(typ(token.TypCaller)), plain, "assertion_type"},
		{"a proof", es(typ("dpop+jwt")), plain, "assertion_type"},
		{"another kind", es(typ("logout+jwt")), plain, "assertion_type"},
		{"another issuer", es(claim("iss", "https://evil.example")), plain, "assertion_issuer"},
		{"the issuer with a slash", es(claim("iss", idp+"/")), plain, "assertion_issuer"},
		{"no issuer", es(claim("iss", nil)), plain, "assertion_issuer"},
		{"no issuer where any will do", es(claim("iss", nil)), expect(func(e *token.Expected) { e.Issuer = "" }), "assertion_claims"},
		{"another audience", es(claim("aud", "https://other.example")), plain, "assertion_audience"},
		{"the audience with a slash", es(claim("aud", issuer+"/")), plain, "assertion_audience"},
		{"the token endpoint as audience", es(claim("aud", issuer+"/token")), plain, "assertion_audience"},
		{"two audiences", es(claim("aud", []string{issuer, "https://other.example"})), plain, "assertion_audience"},
		{"no audience", es(claim("aud", nil)), plain, "assertion_audience"},
		{"an empty list of audiences", es(claim("aud", []string{})), plain, "assertion_audience"},
		{"an empty audience where none is expected", es(claim("aud", "")), expect(func(e *token.Expected) { e.Audience = "" }), "assertion_audience"},
		{"no subject", es(claim("sub", nil)), plain, "assertion_claims"},
		{"no jti", es(claim("jti", nil)), client, "assertion_claims"},
		{"a long jti", es(claim("jti", strings.Repeat("j", 257))), plain, "assertion_claims"},
		{"no expiry", es(claim("exp", nil)), plain, "assertion_claims"},
		{"no issue time", es(claim("iat", nil)), plain, "assertion_claims"},
		{"an expiry of text", es(claim("exp", "soon")), plain, "malformed_assertion"},
		{"expired", es(at("iat", -300), at("exp", -30)), client, "assertion_expired"},
		{"issued in the future", es(at("iat", 31)), plain, "assertion_not_yet"},
		{"not before later", es(at("nbf", 31)), plain, "assertion_not_yet"},
		{"good for over an hour", es(at("exp", 3601)), plain, "assertion_life"},
		{"good for a day, issued late in it", es(at("iat", -23*3600), at("exp", 3600)), plain, "assertion_life"},
		{"good for over five minutes where that is the most", es(at("exp", 301)), expect(func(e *token.Expected) { e.Most = 5 * time.Minute }), "assertion_life"},
		{"a foreign key under its name", assertion(t, jose.ES256, other), client, "assertion_signature"},
		{"a key that is not shown", es(head("kid", "l")), plain, "assertion_key"},
		{"a key of its own", assertion(t, jose.ES256, other, head("jwk", jose.JSONWebKey{Key: other.Public()})), plain, "assertion_signature"},
		{"no keys", whole, expect(func(e *token.Expected) { e.Keys = nil }), "assertion_key"},
		{"another algorithm than its key's", assertion(t, jose.ES384, p384), plain, "assertion_algorithm"},
		{"a shared secret", assertion(t, jose.HS256, []byte(strings.Repeat("x", 32))), plain, "assertion_algorithm"},
		{"the public key as a secret", assertion(t, jose.HS256, must(json.Marshal(jose.JSONWebKey{Key: k.Public()}))), plain, "assertion_algorithm"},
		{"alg none", encoded(`{"alg":"none"}`) + "." + parts[1] + ".", plain, "assertion_algorithm"},
		{"an extension", es(head("crit", []string{"x"}), head("x", 1)), plain, "assertion_algorithm"},
		{"no signature", parts[0] + "." + parts[1] + ".", plain, "assertion_signature"},
		{"a claim that stands twice", parts[0] + "." + encoded(`{"iss":"`+idp+`","sub":"a","sub":"b"}`) + "." + parts[2], plain, "malformed_assertion"},
		{"two parts", parts[0] + "." + parts[1], plain, "malformed_assertion"},
		{"nothing", "", client, "malformed_assertion"},
		{"too long", es(claim("more", strings.Repeat("x", 16<<10))), plain, "malformed_assertion"},
		{"the zero Expected", es(head("typ", nil)), token.Expected{}, "assertion_key"},
		{"keys out of reach", whole, expect(func(e *token.Expected) {
			e.Keys = func(context.Context, time.Time, string) (jose.JSONWebKey, error) {
				return jose.JSONWebKey{}, token.ErrUnavailable
			}
		}), "keys_unavailable"},
	} {
		got, err := token.ReadAssertion(t.Context(), noon, c.raw, c.e)
		if reason := assertionReason(t, err, c.e.Code); reason != c.want {
			t.Errorf("%s: reason %q, want %q", c.name, reason, c.want)
		}
		if (err == nil) != (got.Subject == "alice") {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// What an assertion says beside its frame is read by the caller, with the case of names.
func TestTheClaimsOfAnAssertion(t *testing.T) {
	k := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	got, err := token.ReadAssertion(t.Context(), noon, assertion(t, jose.ES256, k, claim("RESOURCE", "https://evil.example")), token.Expected{Issuer: idp, Keys: shows(k.Public()), Audience: issuer})
	if err != nil {
		t.Fatal(err)
	}
	var more struct {
		Client   string `json:"client_id"`
		Resource string `json:"resource"`
	}
	if err := got.Claims(&more); err != nil || more.Client != "c" || more.Resource != resource {
		t.Errorf("%+v, %v", more, err)
	}
	if got.Principal != (token.Principal{Issuer: idp, Subject: "alice"}) || got.ID != "a1" || !got.Issued.Equal(noon) || !got.Expires.Equal(noon.Add(5*time.Minute)) || !cmp.Equal(got.Audience, []string{issuer}) {
		t.Errorf("%+v", got)
	}
	var number struct {
		Client int `json:"client_id"`
	}
	if got.Claims(&number) == nil || (token.Assertion{}).Claims(&more) == nil {
		t.Error("claims of another shape are read")
	}
}

// Said tells whose keys to take and nothing that is verified: it does not look at the signature.
func TestSaid(t *testing.T) {
	k := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	raw := assertion(t, jose.ES256, k, typ("application/oauth-id-jag+JWT"))
	for _, text := range []string{raw, raw[:strings.LastIndexByte(raw, '.')+1]} {
		if kind, p, err := token.Said(text); err != nil || kind != "oauth-id-jag+jwt" || p != (token.Principal{Issuer: idp, Subject: "alice"}) {
			t.Errorf("%s, %+v, %v", kind, p, err)
		}
	}
	for _, text := range []string{"", "a.b", "a.b.c", raw + ".x", assertion(t, jose.ES256, k, claim("more", strings.Repeat("x", 16<<10)))} {
		var e *oauth.Error
		if kind, p, err := token.Said(text); !errors.As(err, &e) || e.Code != "invalid_request" || kind != "" || p != (token.Principal{}) {
			t.Errorf("%.20q: %s, %+v, %v", text, kind, p, err)
		}
	}
}

func FuzzSaid(f *testing.F) {
	k := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	f.Add(assertion(f, jose.ES256, k))
	f.Add("e30.e30.")
	f.Add("eyJ0eXAiOjF9.e30.")
	f.Fuzz(func(t *testing.T, raw string) {
		kind, p, err := token.Said(raw)
		if err != nil && (kind != "" || p != (token.Principal{})) || kind != strings.ToLower(kind) {
			t.Errorf("%q: %s, %+v, %v", raw, kind, p, err)
		}
	})
}

// No text makes an assertion but one that the issuer has signed.
func FuzzReadAssertion(f *testing.F) {
	k := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	whole, e := assertion(f, jose.ES256, k), token.Expected{Keys: shows(k.Public()), Audience: issuer}
	f.Add(whole)
	f.Add(strings.Replace(whole, ".", "..", 1))
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add(assertion(f, jose.HS256, []byte(strings.Repeat("x", 32))))
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := token.ReadAssertion(t.Context(), noon, raw, e)
		if err == nil && !strings.HasPrefix(raw, whole[:strings.LastIndexByte(whole, '.')]) {
			t.Errorf("%q is taken as %+v", raw, got)
		}
		if assertionReason(t, err, "") != "" && got.ID != "" {
			t.Errorf("%q: refused, and yet %+v", raw, got)
		}
	})
}
