//go:build conformance

package behaviour

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/interop/installation"
)

func now() int64 { return time.Now().Unix() }

// A prover proves that it has a key, with the nonces that each place gave it. RFC 9449 §8, §9.
type prover struct {
	*key
	nonces map[string]string // :: address → the newest nonce
}

// header is a DPoP header for a request to address, with a token if there is one.
func (p prover) header(method, address, access string, changed with) []string {
	return []string{"DPoP", p.proof(method, address, p.nonces[address], access, changed)}
}

// again sends a request, and once more if all that it lacked was a nonce.
func (p prover) again(t *testing.T, address string, send func() answer) answer {
	t.Helper()
	a := send()
	if a.code() == "use_dpop_nonce" {
		p.nonces[address] = a.header.Get("DPoP-Nonce")
		a = send()
	}
	return a
}

// bound calls a server with a token and a proof.
func (p prover) bound(t *testing.T, resource, access string, changed with) answer {
	t.Helper()
	return call(t, resource, append([]string{"Authorization", "DPoP " + access}, p.header("POST", resource, access, changed)...)...)
}

// TestDPoP is RFC 9449 at the token endpoint and at a server that takes nothing else.
func TestDPoP(t *testing.T) {
	h := open(t)
	who := installation.SignedIn(t, h.Installation)
	f := discover(t, h.at("/vault"))
	mine, thief := prover{newKey(t), map[string]string{}}, prover{newKey(t), map[string]string{}}
	form := redeeming(f, authorize(t, who, f, request("native", f.Resource)).Get("code"))
	var access, refresh string
	t.Run("behaves", func(t *testing.T) {
		offers(t, f.Algorithms, "ES256")
		if !f.DPoPRequired {
			t.Error("the metadata does not say that the server wants bound tokens")
		}
		a := mine.again(t, f.Token, func() answer { return post(t, f.Token, form, mine.header("POST", f.Token, "", nil)...) })
		if access, refresh = a.token(t), a.text("refresh_token"); a.text("token_type") != "DPoP" {
			t.Errorf("the token is of type %q", a.text("token_type"))
		}
		mine.again(t, f.Resource, func() answer { return mine.bound(t, f.Resource, access, nil) }).answered(t, somebody, "native")
	})
	if access == "" {
		t.FailNow()
	}
	thief.nonces = mine.nonces // nonces are of the place, not of the key
	t.Run("replays its proof at the server", func(t *testing.T) {
		header := append([]string{"Authorization", "DPoP " + access}, mine.header("POST", f.Resource, access, nil)...)
		call(t, f.Resource, header...).answered(t, somebody, "native")
		call(t, f.Resource, header...).refused(t, http.StatusUnauthorized, "invalid_dpop_proof")
	})
	calling := func(p prover, token string, changed with) func(t *testing.T) answer {
		return func(t *testing.T) answer { return p.bound(t, f.Resource, token, changed) }
	}
	refuses(t,
		row{"has no nonce", func(t *testing.T) answer { return prover{mine.key, nil}.bound(t, f.Resource, access, nil) }, 401, "use_dpop_nonce", ""},
		row{"makes its own nonce", calling(mine, access, with{"nonce": "mine"}), 401, "use_dpop_nonce", ""},
		row{"proves another address", calling(mine, access, with{"htu": h.at("/crm")}), 401, "invalid_dpop_proof", "another address"},
		row{"proves the address of somebody else", calling(mine, access, with{"htu": "https://other.example/vault"}), 401, "invalid_dpop_proof", "another address"},
		row{"proves another method", calling(mine, access, with{"htm": "GET"}), 401, "invalid_dpop_proof", "another method"},
		row{"proves another token", calling(mine, access, with{"ath": text(make([]byte, 32))}), 401, "invalid_dpop_proof", "another access token"},
		row{"proves no token", calling(mine, access, with{"ath": nil}), 401, "invalid_dpop_proof", "another access token"},
		row{"proves it an hour ago", calling(mine, access, with{"iat": now() - 3600}), 401, "invalid_dpop_proof", "older"},
		row{"proves it with an hour to go", calling(mine, access, with{"iat": now() + 3600}), 401, "invalid_dpop_proof", "not good yet"},
		row{"gives its proof no id", calling(mine, access, with{"jti": nil}), 401, "invalid_dpop_proof", "jti"},
		row{"stole the token", calling(thief, access, nil), 401, "invalid_token", "another key"},
		row{"sends no proof", func(t *testing.T) answer { return call(t, f.Resource, "Authorization", "DPoP "+access) }, 401, "invalid_dpop_proof", "no DPoP header"},
		row{"sends two proofs", func(t *testing.T) answer {
			return call(t, f.Resource, append(append([]string{"Authorization", "DPoP " + access}, mine.header("POST", f.Resource, access, nil)...), mine.header("POST", f.Resource, access, nil)...)...)
		}, 401, "invalid_dpop_proof", "more than one"},
		row{"sends a bound token as a bearer", func(t *testing.T) answer { return call(t, f.Resource, bearer(access)...) }, 401, "invalid_token", "sent as a bearer"},
		row{"passes its token to another server", func(t *testing.T) answer { return mine.bound(t, h.at("/crm"), access, nil) }, 401, "invalid_token", "another resource"},
		row{"has an unbound token and a proof", func(t *testing.T) answer {
			got := post(t, f.Token, redeeming(f, authorize(t, who, f, request("native", f.Resource)).Get("code")))
			return mine.bound(t, f.Resource, got.token(t), nil)
		}, 401, "invalid_token", "bound to no key"},
		row{"has an unbound token and none", func(t *testing.T) answer {
			got := post(t, f.Token, redeeming(f, authorize(t, who, f, request("native", f.Resource)).Get("code")))
			return call(t, f.Resource, bearer(got.token(t))...)
		}, 401, "invalid_token", "only tokens that are bound"},
	)
	atToken(t, h, f, mine, thief, refresh)
	calling(mine, access, nil)(t).answered(t, somebody, "native") // none of it spoiled the token
}

// atToken are the same mistakes where tokens are made: a refused proof spends no refresh token.
func atToken(t *testing.T, h *house, f found, mine, thief prover, refresh string) {
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {"native"}, "refresh_token": {refresh}}
	asks := func(p prover, changed with) func(t *testing.T) answer {
		return asked(f, form, p.header("POST", f.Token, "", changed)...)
	}
	refuses(t,
		row{"refreshes without a nonce", asks(prover{mine.key, nil}, nil), 400, "use_dpop_nonce", ""},
		row{"refreshes with a proof for another address", asks(mine, with{"htu": f.Resource}), 400, "invalid_dpop_proof", "another address"},
		row{"refreshes with a proof of another method", asks(mine, with{"htm": "GET"}), 400, "invalid_dpop_proof", "another method"},
		row{"refreshes with an old proof", asks(mine, with{"iat": now() - 3600}), 400, "invalid_dpop_proof", "older"},
		row{"stole the refresh token", asks(thief, nil), 400, "invalid_grant", ""},
		row{"refreshes without a proof", asked(f, form), 400, "invalid_grant", ""},
	)
	t.Run("replays its proof", func(t *testing.T) {
		proof := mine.header("POST", f.Token, "", nil)
		machine := func() url.Values {
			return url.Values{"grant_type": {"client_credentials"}, "resource": {f.Resource}, "client_assertion_type": {byAssertion},
				"client_assertion": {h.nightly.assertion("nightly", "nightly", f.Issuer, nil)}}
		}
		got := post(t, f.Token, machine(), proof...)
		mine.bound(t, f.Resource, got.token(t), nil).answered(t, "nightly", "nightly")
		post(t, f.Token, machine(), proof...).refused(t, http.StatusBadRequest, "invalid_dpop_proof")
	})
	t.Run("refreshes as it should", func(t *testing.T) { asks(mine, nil)(t).token(t) })
}
