//go:build conformance

package behaviour

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"net/url"
	"testing"

	"github.com/doorward-mcp/doorward/interop/installation"
	"github.com/doorward-mcp/doorward/interop/person"
)

const verifier = "a-verifier-that-is-long-enough-for-RFC-7636-and-more"

// somebody is a person whose subject means nothing to anybody else.
const somebody = ""

// request is an authorization request for a server.
func request(client, resource string) url.Values {
	hash := sha256.Sum256([]byte(verifier))
	return url.Values{"response_type": {"code"}, "client_id": {client}, "redirect_uri": {callback}, "resource": {resource}, "state": {rand.Text()},
		"code_challenge": {text(hash[:])}, "code_challenge_method": {"S256"}}
}

// authorize has the person agree, and gives what came back to the client.
func authorize(t *testing.T, who *person.Person, f found, q url.Values) url.Values {
	t.Helper()
	back, err := who.Authorize(t.Context(), f.Authorize+"?"+q.Encode())
	if err != nil {
		t.Fatal(err)
	}
	got := back.Query()
	if got.Get("state") != q.Get("state") || got.Get("iss") != f.Issuer {
		t.Fatalf("the answer was %s", back)
	}
	return got
}

// redeeming is the token request for a code.
func redeeming(f found, code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "client_id": {"native"}, "code": {code}, "code_verifier": {verifier}, "redirect_uri": {callback}, "resource": {f.Resource}}
}

// TestCode is the flow of a person's client: OAuth 2.1 §4.1, RFC 7636, RFC 8707, RFC 9207.
func TestCode(t *testing.T) {
	h := open(t)
	who := installation.SignedIn(t, h.Installation)
	f := discover(t, h.at("/crm"))
	code := func(t *testing.T) string {
		t.Helper()
		got := authorize(t, who, f, request("native", f.Resource))
		if got.Get("code") == "" {
			t.Fatalf("there is no code: %s", got)
		}
		return got.Get("code")
	}
	t.Run("behaves", func(t *testing.T) {
		offers(t, f.Grants, "authorization_code")
		offers(t, f.Challenges, "S256")
		q := request("native", f.Resource)
		q.Set("scope", f.Scope)
		a := post(t, f.Token, redeeming(f, authorize(t, who, f, q).Get("code")))
		call(t, f.Resource, bearer(a.token(t))...).answered(t, somebody, "native")
	})
	for _, begun := range []struct {
		name    string
		changed []string
		code    string
	}{
		{"without PKCE", []string{"code_challenge", "", "code_challenge_method", ""}, "invalid_request"},
		{"with PKCE that hides nothing", []string{"code_challenge", verifier, "code_challenge_method", "plain"}, "invalid_request"},
		{"with the challenge of a method left out", []string{"code_challenge_method", ""}, "invalid_request"},
		{"for a token in the address", []string{"response_type", "token"}, "unsupported_response_type"},
		{"for a server of somebody else", []string{"resource", "https://other.example/mcp"}, "invalid_target"},
	} {
		t.Run("begins "+begun.name, func(t *testing.T) {
			got := authorize(t, who, f, plus(request("native", f.Resource), begun.changed...))
			if got.Get("error") != begun.code || got.Get("code") != "" {
				t.Errorf("the answer was %s, want %s", got, begun.code)
			}
		})
	}
	t.Run("ignores the scope that it got", func(t *testing.T) {
		q := request("native", f.Resource)
		q.Set("scope", "crm:read")
		a := post(t, f.Token, redeeming(f, authorize(t, who, f, q).Get("code")))
		if a.token(t); a.text("scope") != "crm:read" {
			t.Fatalf("it has the scope %q", a.text("scope"))
		}
		call(t, f.Resource, bearer(a.token(t))...).refused(t, http.StatusForbidden, "insufficient_scope")
		post(t, f.Token, url.Values{"grant_type": {"refresh_token"}, "client_id": {"native"}, "refresh_token": {a.text("refresh_token")}, "scope": {"mcp crm:read"}}).refused(t, http.StatusBadRequest, "invalid_scope")
	})
	t.Run("replays its code", func(t *testing.T) {
		form := redeeming(f, code(t))
		token := post(t, f.Token, form).token(t)
		post(t, f.Token, form).refused(t, http.StatusBadRequest, "invalid_grant")
		call(t, f.Resource, bearer(token)...).refused(t, http.StatusUnauthorized, "invalid_token") // OAuth 2.1 §4.1.3
	})
	t.Run("passes its token to another server", func(t *testing.T) {
		call(t, h.at("/files"), bearer(post(t, f.Token, redeeming(f, code(t))).token(t))...).refused(t, http.StatusUnauthorized, "invalid_token")
	})
	refuses(t,
		row{"redeems without its verifier", asked(f, plus(redeeming(f, code(t)), "code_verifier", "")), 400, "invalid_request", "code_verifier"},
		row{"redeems with another verifier", asked(f, plus(redeeming(f, code(t)), "code_verifier", verifier+"x")), 400, "invalid_grant", ""},
		row{"redeems for a server that was not agreed to", asked(f, plus(redeeming(f, code(t)), "resource", h.at("/files"))), 400, "invalid_target", ""},
		row{"redeems for a server of somebody else", asked(f, plus(redeeming(f, code(t)), "resource", "https://other.example/mcp")), 400, "invalid_target", ""},
		row{"redeems from another address", asked(f, plus(redeeming(f, code(t)), "redirect_uri", callback+"/x")), 400, "invalid_grant", ""},
		row{"redeems as another client", asked(f, plus(redeeming(f, code(t)), "client_id", "batch"), basic("batch", h.secret)...), 400, "unauthorized_client", ""},
		row{"leaves the server out, having two", func(t *testing.T) answer {
			q := request("native", f.Resource)
			q.Add("resource", h.at("/files"))
			return post(t, f.Token, plus(redeeming(f, authorize(t, who, f, q).Get("code")), "resource", ""))
		}, 400, "invalid_target", ""},
	)
}
