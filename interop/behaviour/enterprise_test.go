//go:build conformance

package behaviour

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"testing"
)

const bearing = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// TestEnterpriseManaged is the extension io.modelcontextprotocol/enterprise-managed-authorization: an identity provider says
// who the person is and that this client may act for them at this server.
func TestEnterpriseManaged(t *testing.T) {
	h := open(t)
	f := discover(t, h.at("/crm"))
	desk := basic("desk", h.secret)
	provider := h.keys + "/idp"
	given := func(changed with) url.Values {
		return url.Values{"grant_type": {bearing}, "assertion": {jag(h.idp, provider, "desk", f.Issuer, f.Resource, changed)}}
	}
	t.Run("behaves", func(t *testing.T) {
		offers(t, f.Grants, bearing)
		offers(t, f.Profiles, "urn:ietf:params:oauth:grant-profile:id-jag")
		a := post(t, f.Token, url.Values{"grant_type": {bearing}, "assertion": {vouched(t, h, "desk", f)}, "resource": {f.Resource}}, desk...)
		call(t, f.Resource, bearer(a.token(t))...).answered(t, "ada", "desk")
		if a.text("refresh_token") != "" {
			t.Error("it got a refresh token, which outlives the provider's word")
		}
	})
	t.Run("ignores the scope that it got", func(t *testing.T) {
		a := post(t, f.Token, plus(given(with{"scope": "crm:read"}), "scope", "mcp crm:read"), desk...)
		if a.token(t); a.text("scope") != "crm:read" {
			t.Fatalf("it has the scope %q", a.text("scope"))
		}
		call(t, f.Resource, bearer(a.token(t))...).refused(t, http.StatusForbidden, "insufficient_scope")
	})
	t.Run("replays its assertion", func(t *testing.T) {
		form := given(nil)
		post(t, f.Token, form, desk...).token(t)
		post(t, f.Token, form, desk...).refused(t, http.StatusBadRequest, "invalid_grant")
	})
	t.Run("passes its token to another server", func(t *testing.T) {
		call(t, h.at("/files"), bearer(post(t, f.Token, given(nil), desk...).token(t))...).refused(t, http.StatusUnauthorized, "invalid_token")
	})
	signed := func(k *key, typ string) url.Values {
		claims := map[string]any{"iss": provider, "sub": "ada", "aud": f.Issuer, "client_id": "desk", "resource": f.Resource, "jti": rand.Text(), "iat": now(), "exp": now() + 60}
		return url.Values{"grant_type": {bearing}, "assertion": {k.sign(claims, map[string]any{"typ": typ})}}
	}
	refuses(t,
		row{"names the token endpoint as audience", asked(f, given(with{"aud": f.Token}), desk...), 400, "invalid_grant", "audience"},
		row{"names two audiences", asked(f, given(with{"aud": []string{f.Issuer, f.Resource}}), desk...), 400, "invalid_grant", "audience"},
		row{"has an expired assertion", asked(f, given(expired()), desk...), 400, "invalid_grant", "expired"},
		row{"has an assertion without an id", asked(f, given(with{"jti": nil}), desk...), 400, "invalid_grant", "lacks"},
		row{"signs it with another key", asked(f, signed(h.platform, jagType), desk...), 400, "invalid_grant", "key that its issuer does not show"},
		row{"sends an ID token instead", asked(f, signed(h.idp, "JWT"), desk...), 400, "invalid_grant", "typ"},
		row{"has one that was given to another client", asked(f, given(nil), basic("pool", h.secret)...), 400, "invalid_grant", "another client"},
		row{"does not authenticate", asked(f, given(nil)), 401, "invalid_client", "must authenticate"},
		row{"says who it is and proves nothing", asked(f, plus(given(nil), "client_id", "desk")), 401, "invalid_client", "secret"},
		row{"has one of a provider that nobody trusts", asked(f, given(with{"iss": "https://idp.example"}), desk...), 400, "invalid_grant", "not trusted"},
		row{"leaves the resource out of everything, having two", asked(f, given(with{"resource": nil}), desk...), 400, "invalid_target", "must name the server"},
		row{"names a server of somebody else", asked(f, plus(given(nil), "resource", "https://other.example/mcp"), desk...), 400, "invalid_target", "no server here"},
		row{"has one for a server of somebody else", asked(f, given(with{"resource": "https://other.example/mcp"}), desk...), 400, "invalid_grant", "another server"},
		row{"names another server than it has one for", asked(f, plus(given(nil), "resource", h.at("/files")), desk...), 400, "invalid_grant", "another server"},
		row{"has one for a server that it may not reach", asked(f, given(with{"resource": h.at("/vault")}), desk...), 400, "invalid_target", ""},
	)
	refuses(t, fallback(f, h, func() []string { return nil }, desk...)...)
	refuses(t, row{"falls back to client credentials", asked(f, url.Values{"grant_type": {"client_credentials"}, "resource": {f.Resource}}, desk...), 400, "unauthorized_client", ""})
}
