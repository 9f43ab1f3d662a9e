package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/authtest"
)

const foreignAPI = "6e74172b-be56-4843-9ff4-e66a39bb12e3"

// foreignFile is a file with one server, whose issuers are these, by key set or by introspection. Scopes of theirs mean scopes here.
func foreignFile(upstream string, groups authtest.Shape, own, introspect bool, issuers map[authtest.Shape]*authtest.Foreign) string {
	var known, at strings.Builder
	for shape, f := range issuers {
		fmt.Fprintf(&known, "  %s:\n    issuer: %s\n", shape, f.Issuer)
		if f.Profile != "" {
			fmt.Fprintf(&known, "    profile: %s\n", f.Profile)
		}
		if introspect {
			fmt.Fprintf(&known, "    introspection: {endpoint: '%s', client_id: rs, client_secret: '${env:RS_SECRET}'}\n", f.Endpoint)
		}
		fmt.Fprintf(&at, "      - name: %s\n        audiences: [%s]\n        scopes: {notes.read: [mcp]}\n", shape, foreignAPI)
	}
	if own {
		at.WriteString("      - name: own\n")
	}
	if groups != "" {
		fmt.Fprintf(&at, "    groups_from: %s\n", groups)
	}
	return fmt.Sprintf("public_url: http://127.0.0.1:$PORT\nlisten: 127.0.0.1:$PORT\ndata: $DIR/data\npolicy: scopes-only\nregistration:\n  mode: open\nissuers:\n%sservers:\n  mcp:\n    path: /mcp\n    url: %s\n    issuers:\n%s",
		known.String(), upstream, at.String())
}

// stated is what an access token for the server says.
func stated(changes ...func(*authtest.Said)) authtest.Said {
	s := authtest.Said{Audience: foreignAPI, Client: foreignAPI, Scopes: []string{"notes.read"}, Groups: []string{"editors"}, Roles: []string{"admin"}}
	for _, change := range changes {
		change(&s)
	}
	return s
}

func stating(name string, v any) authtest.Said {
	return stated(func(s *authtest.Said) { s.Claims = map[string]any{name: v} })
}

func everyShape(t *testing.T) map[authtest.Shape]*authtest.Foreign {
	all := map[authtest.Shape]*authtest.Foreign{}
	for _, shape := range authtest.Shapes() {
		all[shape] = authtest.NewForeign(t, shape)
	}
	return all
}

// code is the reason of a refusal of a token, as the client is told it.
func (a answer) code(t testing.TB) string {
	t.Helper()
	said, _ := a.json(t)["error_description"].(string)
	for _, r := range [][2]string{
		{"its typ is", "type"}, {"sent as Bearer or DPoP", "type"}, {"none of its issuer's access tokens", "not_access"}, {"which client has it", "no_client"}, {"whom it is for", "no_audience"},
		{"for another resource", "audience"}, {"issued by somebody else", "issuer"}, {"signature is wrong", "signature"}, {"issuer does not show", "key"}, {"with an algorithm", "algorithm"},
		{"is not a JWT", "malformed"}, {"has expired", "expired"}, {"when it ends", "claims"}, {"says that it is not good", "inactive"}, {"bound in a way", "bound_otherwise"},
	} {
		if strings.Contains(said, r[0]) {
			return r[1]
		}
	}
	return said
}

// refused fails unless a token was refused with a challenge for one of reasons, parted by bars.
func (a answer) refused(t testing.TB, what, reasons string) {
	t.Helper()
	if a.StatusCode != http.StatusUnauthorized || !slices.Contains(strings.Split(reasons, "|"), a.code(t)) || !strings.Contains(a.Header.Get("WWW-Authenticate"), "/.well-known/oauth-protected-resource/mcp") {
		t.Errorf("%s: %s %s, want 401 for %s", what, a.Status, a.body, reasons)
	}
}

// later fails unless nobody knows at the moment whether a token is good: no challenge, because another token would do no better.
func (a answer) later(t testing.TB, what string) {
	t.Helper()
	if a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || a.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("%s: %s %v\n%s", what, a.Status, a.Header, a.body)
	}
}

// RS-TOKEN-VALIDATE, RS-AUDIENCE, RS-ONLY-OWN-RESOURCES, RS-NO-FOREIGN-TOKENS, RS-ISSUER-PIN: one server takes the access tokens
// of several authorization servers, each by its own rule, and nothing else that they or others sign.
func TestAttackWithForeignTokens(t *testing.T) {
	up := upstreamOf(t, nil)
	issuers, strangers := everyShape(t), everyShape(t)
	delete(issuers, authtest.OktaOrg)
	s := protectFile(t, foreignFile(up.URL, "", true, false, issuers))
	_, own := s.connect()
	if a := s.call(own.Access, "whoami", "{}"); a.StatusCode != http.StatusOK {
		t.Errorf("a token of our own: %s %s", a.Status, a.body)
	}
	for shape, f := range issuers {
		t.Run(string(shape), func(t *testing.T) {
			whole := f.Access(stated())
			for range 2 { // cold, and then kept
				if a := s.call(whole, "whoami", "{}"); a.StatusCode != http.StatusOK {
					t.Fatalf("an access token: %s %s", a.Status, a.body)
				}
			}
			before := len(up.all())
			for what, c := range map[string]struct{ raw, reasons string }{
				"an ID token of the same application": {f.Identity(stated()), "type|not_access|no_client"},
				"an ID token with scopes": {f.Identity(stated(func(s *authtest.Said) {
					s.Claims = map[string]any{"scp": "notes.read", "scope": "notes.read", "nonce": "n"}
				})), "type|not_access|no_client"},
				"for another resource":               {f.Access(stated(func(s *authtest.Said) { s.Audience, s.Client = "another", "another" })), "audience"},
				"for another, held by this":          {f.Access(stating("aud", "another")), "audience"},
				"for our resource at another issuer": {f.Access(stated(func(s *authtest.Said) { s.Audience, s.Client = s.Audience+"/x", s.Client+"/x" })), "audience"},
				"of a stranger of the same kind":     {strangers[shape].Access(stated()), "issuer"},
				"of a stranger in the issuer's name": {strangers[shape].Access(stating("iss", f.Issuer)), "signature|key"},
				"in our own name":                    {f.Access(stating("iss", s.ready.Issuer)), "type|key"},
				"the issuer with another slash":      {f.Access(stating("iss", strings.TrimSuffix(f.Issuer, "/")+"//")), "issuer"},
				"another key of the same name":       {f.Stolen(stated()), "signature"},
				"no signature":                       {f.Unsigned(stated()), "algorithm|malformed"},
				"the public key as a secret":         {f.Symmetric(stated()), "algorithm"},
				"another subject, same signature":    {f.Altered(whole, func(c map[string]any) { c["sub"], c["oid"] = "root", "root" }), "signature"},
				"ended":                              {f.Access(stated(func(s *authtest.Said) { s.Life = -time.Hour })), "expired"},
				"opaque":                             {f.Opaque(stated()), "malformed"},
			} {
				s.call(c.raw, "whoami", "{}").refused(t, what, c.reasons)
			}
			if n := len(up.all()); n != before {
				t.Errorf("%d requests reached the upstream", n-before)
			}
			if asked := f.Asked(); len(asked) != 0 {
				t.Errorf("an issuer whose keys are known was asked about tokens: %v", asked)
			}
			// What is lacking is a scope, and not another token: the scopes are those of the mapping, and no others.
			if a := s.call(f.Access(stated(func(s *authtest.Said) { s.Scopes = []string{"mcp", "other"} })), "whoami", "{}"); a.StatusCode != http.StatusForbidden {
				t.Errorf("a scope that only has the name of ours: %s %s", a.Status, a.body)
			}
		})
	}
}

// Groups have no issuer in their name: only those of the issuer that is named for them go anywhere.
func TestAttackWithGroupsOfAnotherIssuer(t *testing.T) {
	up := upstreamOf(t, nil)
	issuers := everyShape(t)
	delete(issuers, authtest.OktaOrg)
	s := protectFile(t, foreignFile(up.URL, authtest.Keycloak, true, false, issuers))
	for shape, f := range issuers {
		if a := s.call(f.Access(stating("groups", []string{"editors"})), "whoami", "{}"); a.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s %s", shape, a.Status, a.body)
		}
		seen := up.all()
		caller := claimsOf(t, seen[len(seen)-1].Header.Get("Doorward-Caller"))
		if caller["idp"] != f.Issuer || caller["sub"] == nil {
			t.Errorf("%s: the upstream was told that %v of %v calls", shape, caller["sub"], caller["idp"])
		}
		if got := fmt.Sprint(caller["groups"]); (got == "[editors]") != (shape == authtest.Keycloak) {
			t.Errorf("%s: groups %s", shape, got)
		}
	}
}

func claimsOf(t testing.TB, raw string) (claims map[string]any) {
	t.Helper()
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no JWT", raw)
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(b, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

// Keys that cannot be read are no verdict on a token; keys that have changed are.
func TestAttackDuringAKeyRotation(t *testing.T) {
	up := upstreamOf(t, nil)
	f, dead := authtest.NewForeign(t, authtest.Keycloak), authtest.NewForeign(t, authtest.Auth0)
	dead.Down(true)
	s := protectFile(t, foreignFile(up.URL, "", false, false, map[authtest.Shape]*authtest.Foreign{authtest.Keycloak: f, authtest.Auth0: dead}))
	s.call(dead.Access(stated()), "whoami", "{}").later(t, "while the key set is out of reach")
	before := f.Access(stated())
	if a := s.call(before, "whoami", "{}"); a.StatusCode != http.StatusOK {
		t.Fatalf("an access token: %s %s", a.Status, a.body)
	}
	f.Rotate()
	after := f.Access(stated())
	eventually(t, "the new key is read", func() bool { return s.call(after, "whoami", "{}").StatusCode == http.StatusOK })
	s.call(before, "whoami", "{}").refused(t, "a token under the old key", "key")
	f.Down(true)
	if a := s.call(after, "whoami", "{}"); a.StatusCode != http.StatusOK {
		t.Errorf("keys that were read are good for a while: %s", a.Status)
	}
}

// RFC 7662: what the issuer says counts for 30 s, good or bad, and what it does not say at all is no verdict.
func TestAttackOnIntrospection(t *testing.T) {
	up := upstreamOf(t, nil)
	f, other := authtest.NewForeign(t, authtest.Standard), authtest.NewForeign(t, authtest.Standard)
	text := foreignFile(up.URL, "", true, true, map[authtest.Shape]*authtest.Foreign{authtest.Standard: f})
	s := protectFile(t, text, "RS_SECRET=rs-secret")
	good := f.Opaque(stated())
	for range 3 {
		if a := s.call(good, "whoami", "{}"); a.StatusCode != http.StatusOK {
			t.Fatalf("an opaque token: %s %s", a.Status, a.body)
		}
	}
	for range 3 {
		s.call("made-up", "whoami", "{}").refused(t, "a token that nobody issued", "inactive")
	}
	if asked := f.Asked(); !slices.Equal(asked, []string{good, "made-up"}) {
		t.Errorf("asked about %v", asked)
	}
	for what, c := range map[string]struct{ raw, reasons string }{
		"active for another resource": {f.Opaque(stated(func(s *authtest.Said) { s.Audience = "another" })), "audience"},
		"active for nobody":           {f.Opaque(stating("aud", nil)), "no_audience"},
		"active, of another issuer":   {f.Opaque(stating("iss", other.Issuer)), "issuer"},
		"active, and has ended":       {f.Opaque(stated(func(s *authtest.Said) { s.Life = -time.Hour })), "expired"},
		"active without an end":       {f.Opaque(stating("exp", nil)), "claims"},
		"a refresh token":             {f.Opaque(stating("token_use", "refresh_token")), "not_access"},
		"a token of another type":     {f.Opaque(stating("token_type", "urn:ietf:params:oauth:token-type:refresh_token")), "type"},
		"bound, and nobody says how":  {f.Opaque(stating("token_type", "DPoP")), "bound_otherwise"},
		"an ID token":                 {f.Identity(stated()), "inactive|type"},
	} {
		s.call(c.raw, "whoami", "{}").refused(t, what, c.reasons)
	}
	before := len(f.Asked())
	foreign := other.Access(stated())
	s.call(foreign, "whoami", "{}").refused(t, "a token that names another issuer", "issuer")
	_, own := s.connect()
	if a := s.call(own.Access, "whoami", "{}"); a.StatusCode != http.StatusOK {
		t.Errorf("a token of our own: %s", a.Status)
	}
	parts := strings.Split(own.Access, ".")
	s.call(parts[0]+"."+parts[1]+"x."+parts[2], "whoami", "{}").refused(t, "a JWT that cannot be read", "malformed")
	if n := len(f.Asked()); n != before {
		t.Errorf("an issuer was shown tokens of others: %v", f.Asked()[before:])
	}
	f.Down(true)
	s.call(f.Opaque(stated()), "whoami", "{}").later(t, "while introspection is out of reach")
	if a := s.call(good, "whoami", "{}"); a.StatusCode != http.StatusOK {
		t.Errorf("what was said is good for 30 s: %s", a.Status)
	}
	// An answer that refuses us says nothing of the token.
	wrong := protectFile(t, text, "RS_SECRET=another")
	f.Down(false)
	wrong.call(good, "whoami", "{}").later(t, "when our own secret is wrong")
	for _, b := range []*lockedBuffer{s.stderr, wrong.stderr} {
		eventually(t, "the operator is told", func() bool { return strings.Contains(b.String(), "tokens cannot be judged") })
		if text := b.String(); strings.Contains(text, "opaque_") || strings.Contains(text, "rs-secret") {
			t.Errorf("what the operator reads:\n%s", text)
		}
	}
}

// RS-PRM-AUTHZ-SERVERS: metadata names who issues tokens for the server, and our own authorization server issues none for one
// that does not take them.
func TestForeignServersAreNotOurs(t *testing.T) {
	f := authtest.NewForeign(t, authtest.Auth0)
	text := foreignFile("http://127.0.0.1:1/mcp", "", false, false, map[authtest.Shape]*authtest.Foreign{authtest.Auth0: f})
	s := protectFile(t, text+"  ours:\n    path: /ours\n    demo: true\n")
	for path, want := range map[string]string{"/mcp": f.Issuer, "/ours": s.ready.Issuer} {
		m := do(t, http.DefaultClient, request(t, "GET", s.at("/.well-known/oauth-protected-resource"+path), "")).json(t)
		// A scope is asked for where it is issued, by its name there.
		scope := map[string]string{"/mcp": "notes.read", "/ours": "mcp"}[path]
		challenge := do(t, http.DefaultClient, request(t, "POST", s.at(path), "{}", "Content-Type", "application/json")).Header.Get("WWW-Authenticate")
		if fmt.Sprint(m["scopes_supported"]) != "["+scope+"]" || !strings.Contains(challenge, `scope="`+scope+`"`) {
			t.Errorf("%s: scopes %v, challenge %s; want %s", path, m["scopes_supported"], challenge, scope)
		}
		if fmt.Sprint(m["authorization_servers"]) != "["+want+"]" {
			t.Errorf("%s: %v, want %s", path, m["authorization_servers"], want)
		}
	}
	if a := do(t, http.DefaultClient, request(t, "GET", s.at("/.well-known/oauth-authorization-server/mcp"), "")); a.StatusCode != http.StatusNotFound {
		t.Errorf("a client that looks below the server's path is sent to us: %s", a.Status)
	}
	app := s.app()
	b := s.browser()
	for resource, want := range map[string]int{s.ready.Issuer + "/mcp": http.StatusSeeOther, s.ready.Issuer + "/ours": http.StatusSeeOther} {
		a := b.get(app.authorizeURL("resource", resource))
		if foreign := strings.HasSuffix(resource, "/mcp"); a.StatusCode == want && foreign && !strings.Contains(a.Header.Get("Location"), "invalid_target") {
			t.Errorf("%s: %s to %s", resource, a.Status, a.Header.Get("Location"))
		} else if !foreign && (a.StatusCode != want || strings.Contains(a.Header.Get("Location"), "error=")) {
			t.Errorf("%s: %s to %s", resource, a.Status, a.Header.Get("Location"))
		}
	}
	eventually(t, "the operator is told what clients of 2025-03-26 find", func() bool {
		return strings.Contains(s.stderr.String(), "warning: servers.mcp.issuers: clients of MCP 2025-03-26")
	})
}
