package authserver_test

import (
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/oauth"
)

// DPOP-AS-BIND, DPOP-ALG, DPOP-AS-BOUND-CLIENT, RFC 9449 §5 and §8: proofs at the token endpoint.
func TestProofsAtTheTokenEndpoint(t *testing.T) {
	k := newKit(t)
	key, other := newSigner(t, "k"), newSigner(t, "o")
	k.add("app", oauth.Dynamic)
	k.add("bound", oauth.Dynamic, func(c *oauth.Client) { c.DPoPBound = true })
	k.add("ci", oauth.Listed, withSecret("client_credentials"), reaches(crm), func(c *oauth.Client) { c.DPoPBound = true })
	k.token(form("grant_type", "client_credentials"), basic("ci")...).wants(t, 400, "invalid_dpop_proof")
	code := k.code(asks("app"))
	for name, c := range map[string]struct {
		proof, code string
	}{
		"no nonce":        {k.proof(key, "/token", "nonce", nil), "use_dpop_nonce"},
		"a made-up nonce": {k.proof(key, "/token", "nonce", "x"), "use_dpop_nonce"},
		"another address": {k.proof(key, "/par"), "invalid_dpop_proof"},
		"another method":  {k.proof(key, "/token", "htm", "GET"), "invalid_dpop_proof"},
		"too old":         {k.proof(key, "/token", "iat", k.now.Add(-10*time.Minute).Unix()), "invalid_dpop_proof"},
		"no jti":          {k.proof(key, "/token", "jti", nil), "invalid_dpop_proof"},
		"a JWT":           {k.assertion(key, "app"), "invalid_dpop_proof"},
	} {
		got := k.token(redeem("app", code), "DPoP", c.proof)
		if got.Code != 400 || got.text("error") != c.code || (c.code == "use_dpop_nonce") != (got.Header().Get("DPoP-Nonce") != "") {
			t.Errorf("%s: %d %v %v", name, got.Code, got.body, got.Header())
		}
	}
	k.token(redeem("app", code), "DPoP", k.proof(key, "/token"), "DPoP", k.proof(key, "/token")).wants(t, 400, "invalid_dpop_proof")
	used := k.proof(key, "/token")
	got := k.token(redeem("app", code), "DPoP", used).wants(t, 200, "")
	cnf, _ := claims(t, got.text("access_token"))["cnf"].(map[string]any)
	if got.text("token_type") != "DPoP" || cnf["jkt"] == nil {
		t.Errorf("%v", got.body)
	}
	refresh := form("grant_type", "refresh_token", "client_id", "app", "refresh_token", got.text("refresh_token"))
	k.token(refresh, "DPoP", used).wants(t, 400, "invalid_dpop_proof")
	k.token(refresh).wants(t, 400, "invalid_grant")
	k.token(refresh, "DPoP", k.proof(other, "/token")).wants(t, 400, "invalid_grant")
	k.token(refresh, "DPoP", k.proof(key, "/token")).wants(t, 200, "")
	code = k.code(asks("bound"))
	k.token(redeem("bound", code)).wants(t, 400, "invalid_dpop_proof")
	k.token(redeem("bound", code), "DPoP", k.proof(key, "/token")).wants(t, 200, "")
}

// RFC 9449 §10: a code is bound to a key by dpop_jkt, or by the proof that came with the pushed request.
func TestCodesAreBoundToAKey(t *testing.T) {
	k := newKit(t)
	key, other := newSigner(t, "k"), newSigner(t, "o")
	k.add("app", oauth.Dynamic)
	pushed := k.send("POST", "/par", asks("app").Encode(), "DPoP", k.proof(key, "/par")).wants(t, 201, "")
	code := k.code(form("client_id", "app", "request_uri", pushed.text("request_uri")))
	k.token(redeem("app", code)).wants(t, 400, "invalid_grant")
	k.token(redeem("app", code), "DPoP", k.proof(other, "/token")).wants(t, 400, "invalid_grant")
	got := k.token(redeem("app", code), "DPoP", k.proof(key, "/token")).wants(t, 200, "")
	jkt := claims(t, got.text("access_token"))["cnf"].(map[string]any)["jkt"].(string)
	code = k.code(asks("app", "dpop_jkt", jkt))
	k.token(redeem("app", code), "DPoP", k.proof(other, "/token")).wants(t, 400, "invalid_grant")
	k.token(redeem("app", code), "DPoP", k.proof(key, "/token")).wants(t, 200, "")
	if _, err := k.allow(newBrowser(), asks("app", "dpop_jkt", "short"), ""); err == nil {
		t.Error("a dpop_jkt that is no thumbprint is taken")
	}
	k.send("POST", "/par", asks("app", "dpop_jkt", jkt).Encode(), "DPoP", k.proof(other, "/par")).wants(t, 400, "invalid_request")
}
