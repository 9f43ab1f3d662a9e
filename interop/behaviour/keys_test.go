//go:build conformance

package behaviour

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"testing"
	"time"
)

// A key signs with ES256 and shows its public half as RFC 7517 has it.
type key struct {
	t       *testing.T
	private *ecdsa.PrivateKey
	id      string
}

func newKey(t *testing.T) *key {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &key{t, private, rand.Text()}
}

func text(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// public is the key with its id, use and algorithm.
func (k *key) public() map[string]string {
	jwk := k.bare()
	jwk["kid"], jwk["use"], jwk["alg"] = k.id, "sig", "ES256"
	return jwk
}

// bare is the key and nothing else, as a proof carries it.
func (k *key) bare() map[string]string {
	point, err := k.private.PublicKey.Bytes() // 4, x, y
	if err != nil {
		k.t.Fatal(err)
	}
	return map[string]string{"kty": "EC", "crv": "P-256", "x": text(point[1:33]), "y": text(point[33:])}
}

// sign makes a JWT of claims, with more in its header. RFC 7515 §3.1, RFC 7518 §3.4.
func (k *key) sign(claims, more map[string]any) string {
	header := map[string]any{"alg": "ES256", "kid": k.id}
	maps.Copy(header, more)
	said := part(k.t, header) + "." + part(k.t, claims)
	hash := sha256.Sum256([]byte(said))
	r, s, err := ecdsa.Sign(rand.Reader, k.private, hash[:])
	if err != nil {
		k.t.Fatal(err)
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return said + "." + text(signature[:])
}

func part(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text(b)
}

// with are claims that replace others; nil leaves one out.
type with map[string]any

// assertion is good for a minute from now unless changed says otherwise. RFC 7523 §3.
func (k *key) assertion(issuer, subject, audience string, changed with) string {
	now := time.Now()
	return k.sign(change(map[string]any{"iss": issuer, "sub": subject, "aud": audience, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}, changed), nil)
}

func change(claims map[string]any, changed with) map[string]any {
	for name, value := range changed {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	return claims
}

// proof is a DPoP proof for a request with a token; both nonce and access may be empty. RFC 9449 §4.2.
func (k *key) proof(method, address, nonce, access string, changed with) string {
	claims := map[string]any{"jti": rand.Text(), "htm": method, "htu": address, "iat": time.Now().Unix()}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	if access != "" {
		hash := sha256.Sum256([]byte(access))
		claims["ath"] = text(hash[:])
	}
	header := map[string]any{"typ": "dpop+jwt", "jwk": k.bare()}
	return k.sign(change(claims, changed), header)
}

// expired are the claims of an assertion that was good until a little more than any leeway ago.
func expired() with {
	then := time.Now().Add(-10 * time.Minute)
	return with{"iat": then.Unix(), "exp": then.Add(time.Minute).Unix()}
}
