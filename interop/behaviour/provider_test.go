//go:build conformance

package behaviour

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"testing"
	"time"
)

const (
	exchanging = "urn:ietf:params:oauth:grant-type:token-exchange"
	idToken    = "urn:ietf:params:oauth:token-type:id_token"
	idJAG      = "urn:ietf:params:oauth:token-type:id-jag"
	jagType    = "oauth-id-jag+jwt"
)

// provide adds an identity provider to mux: metadata, keys, and the exchange of an ID token for an identity assertion.
// Its one person signed in before the tests began: the ID token of a client is that client's name.
func provide(mux *http.ServeMux, issuer string, k *key) {
	metadata := answers(map[string]any{"issuer": issuer, "jwks_uri": issuer + "/keys", "token_endpoint": issuer + "/token", "authorization_endpoint": issuer + "/authorize",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"ES256"}})
	mux.HandleFunc("GET /idp/.well-known/openid-configuration", metadata)
	mux.HandleFunc("GET /.well-known/openid-configuration/idp", metadata)
	mux.HandleFunc("GET /.well-known/oauth-authorization-server/idp", metadata)
	mux.HandleFunc("GET /idp/keys", answers(keySet(k)))
	mux.HandleFunc("POST /idp/token", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("grant_type") != exchanging || r.FormValue("requested_token_type") != idJAG || r.FormValue("subject_token_type") != idToken {
			w.WriteHeader(http.StatusBadRequest)
			answers(map[string]string{"error": "invalid_request"})(w, r)
			return
		}
		said := with{}
		if s := r.FormValue("scope"); s != "" {
			said["scope"] = s
		}
		answers(map[string]any{"issued_token_type": idJAG, "token_type": "N_A", "expires_in": 60,
			"access_token": jag(k, issuer, r.FormValue("subject_token"), r.FormValue("audience"), r.FormValue("resource"), said)})(w, r)
	})
}

// jag is an identity assertion about the provider's one person for a client. draft-ietf-oauth-identity-assertion-authz-grant §3.
func jag(k *key, issuer, client, audience, resource string, changed with) string {
	now := time.Now()
	claims := map[string]any{"iss": issuer, "sub": "ada", "aud": audience, "client_id": client, "resource": resource, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}
	return k.sign(change(claims, changed), map[string]any{"typ": jagType})
}

// vouched asks the identity provider for an assertion for a client of this authorization server, as the client must.
func vouched(t *testing.T, h *house, client string, f found) string {
	t.Helper()
	a := post(t, h.keys+"/idp/token", url.Values{"grant_type": {exchanging}, "requested_token_type": {idJAG}, "subject_token": {client}, "subject_token_type": {idToken},
		"audience": {f.Issuer}, "resource": {f.Resource}})
	if a.status != http.StatusOK {
		t.Fatalf("the identity provider answered %d %s", a.status, a.body)
	}
	return a.text("access_token")
}
