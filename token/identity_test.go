package token_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

func whoSignedIn() token.IDToken {
	return token.IDToken{Subject: "alice", Client: "c", Nonce: "n", ACR: "urn:x", Name: "Alice", AccessToken: "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y",
		Authenticated: noon.Add(-time.Hour), Expires: noon.Add(10 * time.Minute)}
}

// OpenID Connect Core 1.0 §2, as another implementation reads it; at_hash is that of the example in its appendix A.3.
func TestAnIDToken(t *testing.T) {
	k := key(t)
	raw := must(ring(t, k).Identity(noon, whoSignedIn()))
	header, claims := decoded(t, raw)
	if diff := cmp.Diff(map[string]any{"alg": "ES256", "typ": "JWT", "kid": k.ID}, header); diff != "" {
		t.Errorf("header (-want +got)\n%s", diff)
	}
	want := map[string]any{"iss": issuer, "sub": "alice", "aud": "c", "exp": float64(noon.Unix() + 600), "iat": float64(noon.Unix()), "auth_time": float64(noon.Unix() - 3600),
		"acr": "urn:x", "nonce": "n", "name": "Alice", "preferred_username": "Alice", "at_hash": "77QmUPtjPfzWtF2AnpK9RQ"}
	if diff := cmp.Diff(want, claims); diff != "" {
		t.Errorf("claims (-want +got)\n%s", diff)
	}
	_, claims = decoded(t, must(ring(t, k).Identity(noon, token.IDToken{Subject: "alice", Client: "c", Expires: noon.Add(time.Minute)})))
	if len(claims) != 5 {
		t.Errorf("more than was said: %v", claims)
	}
}

// RFC 8725 §3.11: who signed in is no permission. An ID token is taken for no access token, even for a client whose id is a resource.
func TestAnIDTokenIsNoAccessToken(t *testing.T) {
	r := ring(t, key(t))
	i := whoSignedIn()
	i.Client = resource
	if _, err := verifier(r).Verify(t.Context(), noon, must(r.Identity(noon, i)), ""); reasonOf(t, err) != "type" {
		t.Error(err)
	}
}

// OpenID Connect RP-Initiated Logout 1.0 §2: a hint is an ID token of ours, however old, and nothing else.
func TestReadIdentity(t *testing.T) {
	k, other := key(t), key(t)
	r := ring(t, k)
	raw := must(r.Identity(noon, whoSignedIn()))
	want := whoSignedIn()
	want.AccessToken = ""
	for _, later := range []time.Duration{0, 1000 * time.Hour} {
		got, err := r.ReadIdentity(noon.Add(later), raw)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s later: %v (-want +got)\n%s", later, err, diff)
		}
	}
	i := func(changes ...change) string {
		return signed(t, jose.ES256, k.Private, k.ID, append([]change{typ("JWT"), claim("aud", "c")}, changes...)...)
	}
	if _, err := r.ReadIdentity(noon, i()); err != nil {
		t.Fatal(err)
	}
	gone := k
	gone.Until = noon
	for name, c := range map[string]struct {
		r   *token.Ring
		raw string
	}{
		"an access token": {r, must(r.Access(noon, full()))}, "a caller assertion": {r, must(r.Caller(noon, "c", token.Caller(full())))},
		"another issuer's": {r, i(claim("iss", idp))}, "no subject": {r, i(claim("sub", nil))}, "two audiences": {r, i(claim("aud", []string{"c", "d"}))}, "no audience": {r, i(claim("aud", nil))},
		"a foreign key": {r, signed(t, jose.ES256, other.Private, k.ID, typ("JWT"))}, "a key that is shown no more": {ring(t, gone), raw}, "a shared secret": {r, signed(t, jose.HS256, []byte(strings.Repeat("x", 32)), k.ID, typ("JWT"))},
		"an extension": {r, i(head("crit", []string{"x"}), head("x", 1))}, // which go-jose refuses
		"text":         {r, "hint"}, "nothing": {r, ""}, "cut": {r, raw[:len(raw)-2]}, "too long": {r, i(claim("more", strings.Repeat("x", 16<<10)))},
	} {
		var e *oauth.Error
		if got, err := c.r.ReadIdentity(noon, c.raw); !errors.As(err, &e) || e.Code != "invalid_request" || got != (token.IDToken{}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
