//go:build conformance

package behaviour

import (
	"net/http"
	"net/url"
	"testing"
)

// TestWorkloadIdentity is a program whose platform says which one it is: RFC 7523 §2.1, with no credential of its own.
func TestWorkloadIdentity(t *testing.T) {
	h := open(t)
	f := discover(t, h.at("/crm"))
	platform := h.keys + "/platform"
	given := func(changed with) url.Values {
		return url.Values{"grant_type": {bearing}, "resource": {f.Resource}, "assertion": {h.platform.assertion(platform, "deploy", f.Issuer, changed)}}
	}
	t.Run("behaves", func(t *testing.T) {
		offers(t, f.Grants, bearing)
		a := post(t, f.Token, plus(given(nil), "scope", f.Scope))
		call(t, f.Resource, bearer(a.token(t))...).answered(t, "deploy", "deploy")
	})
	t.Run("ignores the scope that it got", func(t *testing.T) {
		a := post(t, f.Token, plus(given(with{"sub": "reader"}), "scope", "mcp crm:read"))
		if a.token(t); a.text("scope") != "crm:read" {
			t.Fatalf("it has the scope %q", a.text("scope"))
		}
		call(t, f.Resource, bearer(a.token(t))...).refused(t, http.StatusForbidden, "insufficient_scope")
	})
	t.Run("says in its assertion what scope it wants", func(t *testing.T) {
		a := post(t, f.Token, given(with{"sub": "reader", "scope": "mcp"}))
		if a.token(t); a.text("scope") != "crm:read" {
			t.Errorf("it has the scope %q: whoever controls the platform's claims does not control the scope", a.text("scope"))
		}
	})
	t.Run("comes again with the assertion that its platform has given it for an hour", func(t *testing.T) {
		form := given(nil)
		post(t, f.Token, form).token(t)
		post(t, f.Token, form).token(t)
	})
	t.Run("passes its token to another server", func(t *testing.T) {
		call(t, h.at("/files"), bearer(post(t, f.Token, given(nil)).token(t))...).refused(t, http.StatusUnauthorized, "invalid_token")
	})
	t.Run("passes its assertion to the server", func(t *testing.T) {
		call(t, f.Resource, bearer(given(nil).Get("assertion"))...).refused(t, http.StatusUnauthorized, "invalid_token")
	})
	refuses(t,
		row{"names the token endpoint as audience", asked(f, given(with{"aud": f.Token})), 400, "invalid_grant", "audience"},
		row{"names another audience", asked(f, given(with{"aud": "https://other.example"})), 400, "invalid_grant", "audience"},
		row{"names two audiences", asked(f, given(with{"aud": []string{f.Issuer, f.Resource}})), 400, "invalid_grant", "audience"},
		row{"has an expired assertion", asked(f, given(expired())), 400, "invalid_grant", "expired"},
		row{"has an assertion without an id", asked(f, given(with{"jti": nil})), 400, "invalid_grant", "lacks"},
		row{"has an assertion that is good for a year", asked(f, given(with{"exp": 365*24*3600 + now()})), 400, "invalid_grant", "longer"},
		row{"signs with another key", asked(f, plus(given(nil), "assertion", h.nightly.assertion(platform, "deploy", f.Issuer, nil))), 400, "invalid_grant", "key that its issuer does not show"},
		row{"is of a platform that nobody trusts", asked(f, given(with{"iss": "https://platform.example"})), 400, "invalid_grant", "not trusted"},
		row{"is a workload that nobody listed", asked(f, given(with{"sub": "somebody"})), 400, "invalid_grant", "another workload"},
		row{"says to be another workload's client", asked(f, plus(given(nil), "client_id", "reader")), 400, "invalid_grant", "another workload"},
		row{"leaves the resource out, having two", asked(f, plus(given(nil), "resource", "")), 400, "invalid_target", "must name the server"},
		row{"names a server of somebody else", asked(f, plus(given(nil), "resource", "https://other.example/mcp")), 400, "invalid_target", "no server here"},
		row{"names a server that it may not reach", asked(f, plus(given(nil), "resource", h.at("/vault"))), 400, "invalid_target", "may not get tokens for that server"},
		row{"asks only for scope that it may not have", asked(f, plus(given(with{"sub": "reader"}), "scope", "mcp")), 400, "invalid_scope", "may have none"},
		row{"falls back to its platform's word as its own", asked(f, plus(given(nil), "grant_type", "client_credentials", "assertion", "", "client_assertion_type", byAssertion,
			"client_assertion", h.platform.assertion(platform, "deploy", f.Issuer, nil))), 401, "invalid_client", "did not register a key"},
		row{"falls back to its id", asked(f, plus(given(nil), "grant_type", "client_credentials", "assertion", "", "client_id", "deploy")), 401, "invalid_client", "of its platform"},
		row{"falls back to a code", asked(f, url.Values{"grant_type": {"authorization_code"}, "client_id": {"deploy"}, "code": {"guessed"}, "code_verifier": {verifier}}), 401, "invalid_client", ""},
		row{"falls back to a public client's id", asked(f, plus(given(nil), "client_id", "native")), 400, "unauthorized_client", ""},
		row{"falls back to a password", asked(f, url.Values{"grant_type": {"password"}, "client_id": {"deploy"}, "username": {h.Username}, "password": {h.Password}}), 400, "unsupported_grant_type", ""},
	)
}
