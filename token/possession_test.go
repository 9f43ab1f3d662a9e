package token_test

import (
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/doorward-mcp/doorward/token"
)

// DPOP-RS-NO-DOWNGRADE, RFC 9449 §7.1 and §7.2: a token is good in the one way for which it was issued, also when its claims are kept.
func TestPossession(t *testing.T) {
	k := key(t)
	v := verifier(ring(t, k))
	bound := signed(t, jose.ES256, k.Private, k.ID, claim("cnf", map[string]string{"jkt": "print"}))
	free := signed(t, jose.ES256, k.Private, k.ID)
	for range 2 {
		for _, c := range []struct{ name, raw, key, want string }{
			{"bound, with its key", bound, "print", ""}, {"bound, as a bearer token", bound, "", "bound"}, {"bound, with another key", bound, "other", "other_key"},
			{"free, as a bearer token", free, "", ""}, {"free, with a key", free, "print", "unbound"},
		} {
			got, err := v.Verify(t.Context(), noon, c.raw, c.key)
			if reasonOf(t, err) != c.want || (err == nil) != (got.Subject == "alice") {
				t.Errorf("%s: %+v, %v, want %q", c.name, got, err, c.want)
			}
		}
		for _, raw := range []string{bound, free} {
			if got, err := v.Inspect(t.Context(), noon, raw); err != nil || (raw == bound) != (got.Key == "print") {
				t.Errorf("inspected: %+v, %v", got, err)
			}
		}
	}
	// RFC 8705 §3: what is bound to a certificate, or in a way that nobody here knows, is good in no way.
	for _, cnf := range []map[string]string{{"x5t#S256": "x"}, {"jkt": "print", "x5t#S256": "x"}, {"kid": "x"}, {}} {
		raw := signed(t, jose.ES256, k.Private, k.ID, claim("cnf", cnf))
		for _, proved := range []string{"", "print", "x"} {
			if _, err := v.Verify(t.Context(), noon, raw, proved); reasonOf(t, err) != "bound_otherwise" {
				t.Errorf("%v with %q: %v", cnf, proved, err)
			}
		}
		if _, err := v.Inspect(t.Context(), noon, raw); reasonOf(t, err) != "bound_otherwise" {
			t.Errorf("%v inspected: %v", cnf, err)
		}
	}
}

// RFC 8693 §4.4: may_act names a client of the same issuer, or nobody.
func TestMayAct(t *testing.T) {
	k := key(t)
	v := verifier(ring(t, k))
	for _, c := range []struct {
		claim map[string]string
		want  string
	}{
		{map[string]string{"client_id": "d", "sub": "d"}, "d"}, {map[string]string{"client_id": "d"}, "d"}, {map[string]string{"client_id": "d", "iss": issuer}, "d"},
		{map[string]string{"sub": "d"}, ""}, {map[string]string{"client_id": "d", "sub": "e"}, ""}, {map[string]string{"client_id": "d", "sub": "d", "iss": idp}, ""}, {map[string]string{}, ""},
	} {
		got, err := v.Inspect(t.Context(), noon, signed(t, jose.ES256, k.Private, k.ID, claim("may_act", c.claim)))
		if err != nil || got.MayAct != c.want {
			t.Errorf("%v: %q, %v", c.claim, got.MayAct, err)
		}
	}
	if got := verifierOf(t, token.Claims(full())); got.MayAct != "d" {
		t.Errorf("minted: %q", got.MayAct)
	}
}

// verifierOf is what is verified of claims that were minted.
func verifierOf(t *testing.T, c token.Claims) token.Caller {
	t.Helper()
	r := ring(t, key(t))
	return must(verifier(r).Inspect(t.Context(), noon, must(r.Access(noon, c))))
}
