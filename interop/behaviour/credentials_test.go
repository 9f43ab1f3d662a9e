//go:build conformance

package behaviour

import (
	"net/http"
	"net/url"
	"testing"
)

const byAssertion = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// TestClientCredentials is the extension io.modelcontextprotocol/oauth-client-credentials: RFC 6749 §4.4 with RFC 7523 §2.2.
func TestClientCredentials(t *testing.T) {
	h := open(t)
	f := discover(t, h.at("/crm"))
	good := func(changed with) url.Values {
		return url.Values{"grant_type": {"client_credentials"}, "resource": {f.Resource}, "client_assertion_type": {byAssertion},
			"client_assertion": {h.nightly.assertion("nightly", "nightly", f.Issuer, changed)}}
	}
	t.Run("behaves, with a key", func(t *testing.T) {
		offers(t, f.Grants, "client_credentials")
		offers(t, f.Methods, "private_key_jwt")
		a := post(t, f.Token, plus(good(nil), "scope", f.Scope))
		call(t, f.Resource, bearer(a.token(t))...).answered(t, "nightly", "nightly")
	})
	secret := url.Values{"grant_type": {"client_credentials"}, "resource": {f.Resource}}
	t.Run("behaves, with a secret", func(t *testing.T) {
		offers(t, f.Methods, "client_secret_basic")
		if a := post(t, f.Token, secret, basic("batch", h.secret)...); a.token(t) == "" || a.text("scope") != "crm:read" {
			t.Errorf("it has the scope %q", a.text("scope"))
		}
	})
	t.Run("ignores the scope that it got", func(t *testing.T) {
		// RFC 6749 §5.1: the answer says that it is another one than was asked for.
		a := post(t, f.Token, plus(secret, "scope", "mcp crm:read"), basic("batch", h.secret)...)
		if a.token(t); a.text("scope") != "crm:read" {
			t.Fatalf("it has the scope %q", a.text("scope"))
		}
		denied := call(t, f.Resource, bearer(a.token(t))...)
		denied.refused(t, http.StatusForbidden, "insufficient_scope")
		if got := parameter(denied.header.Get("WWW-Authenticate"), "scope"); got != "mcp" {
			t.Errorf("the challenge asks for %q, want mcp", got)
		}
	})
	t.Run("replays its assertion", func(t *testing.T) {
		form := good(nil)
		post(t, f.Token, form).token(t)
		post(t, f.Token, form).refused(t, http.StatusUnauthorized, "invalid_client")
	})
	t.Run("passes its token to another server", func(t *testing.T) {
		call(t, h.at("/files"), bearer(post(t, f.Token, good(nil)).token(t))...).refused(t, http.StatusUnauthorized, "invalid_token")
	})
	refuses(t,
		row{"names the token endpoint as audience", asked(f, good(with{"aud": f.Token})), 401, "invalid_client", "audience"},
		row{"names two audiences", asked(f, good(with{"aud": []string{f.Issuer, f.Resource}})), 401, "invalid_client", "audience"},
		row{"has an expired assertion", asked(f, good(expired())), 401, "invalid_client", "expired"},
		row{"has an assertion without end", asked(f, good(with{"exp": nil})), 401, "invalid_client", "lacks"},
		row{"has an assertion without an id", asked(f, good(with{"jti": nil})), 401, "invalid_client", "lacks"},
		row{"signs with another key", asked(f, plus(good(nil), "client_assertion", h.platform.assertion("nightly", "nightly", f.Issuer, nil))), 401, "invalid_client", "key that its issuer does not show"},
		row{"signs for another client", asked(f, good(with{"iss": "batch", "sub": "batch"})), 401, "invalid_client", "did not register a key"},
		row{"says who it is and proves nothing", asked(f, plus(good(nil), "client_assertion", "", "client_assertion_type", "", "client_id", "nightly")), 401, "invalid_client", "none was sent"},
		row{"has another secret", asked(f, secret, basic("batch", h.secret+"x")...), 401, "invalid_client", "secret"},
		row{"leaves the resource out, having three", asked(f, plus(good(nil), "resource", "")), 400, "invalid_target", "must name the server"},
		row{"names a server of somebody else", asked(f, plus(good(nil), "resource", "https://other.example/mcp")), 400, "invalid_target", "no server here"},
		row{"names a server that it may not reach", asked(f, plus(secret, "resource", h.at("/files")), basic("batch", h.secret)...), 400, "invalid_target", "may not get tokens for that server"},
		row{"asks only for scope that it may not have", asked(f, plus(secret, "scope", "mcp"), basic("batch", h.secret)...), 400, "invalid_scope", "may have none"},
	)
	refuses(t, fallback(f, h, func() []string {
		return []string{"client_assertion_type", byAssertion, "client_assertion", h.nightly.assertion("nightly", "nightly", f.Issuer, nil)}
	})...)
	t.Run("falls back to the authorization endpoint", func(t *testing.T) {
		r, err := http.NewRequest(http.MethodGet, f.Authorize+"?"+request("nightly", f.Resource).Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if a := do(t, r); a.status != http.StatusBadRequest || a.header.Get("Location") != "" {
			t.Errorf("it was answered %d to %q", a.status, a.header.Get("Location"))
		}
	})
}
