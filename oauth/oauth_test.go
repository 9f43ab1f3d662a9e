package oauth_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward-mcp/doorward/oauth"
)

// RFC 6749 §3.1: no parameter more than once, one without a value counts as omitted, unknown ones are ignored.
func TestReadParams(t *testing.T) {
	for _, c := range []struct {
		name, encoded string
		want          map[string]string // nil: refused
	}{
		{"plain", "a=1&b=2", map[string]string{"a": "1", "b": "2"}},
		{"encoded", "a=%20%2B+x", map[string]string{"a": " + x"}},
		{"nothing", "", map[string]string{}},
		{"without a value", "a=&b", map[string]string{"a": "", "b": ""}},
		{"unknown ones", "x_y=1", map[string]string{"x_y": "1"}},
		{"twice", "a=1&a=2", nil},
		{"twice the same", "a=1&a=1", nil},
		{"twice, once without a value", "a=1&a=", nil},
		{"twice, once encoded", "code=1&c%6fde=2", nil},
		{"another case is another name", "A=1&a=2", map[string]string{"A": "1", "a": "2"}},
		{"a bad escape", "a=%zz", nil},
		{"a semicolon", "a=1;b=2", nil},
	} {
		p, err := oauth.ReadParams(c.encoded)
		var e *oauth.Error
		if (c.want == nil) != (errors.As(err, &e) && e.Code == "invalid_request" && e.Status == 400) {
			t.Errorf("%s: %v", c.name, err)
		}
		for name, want := range c.want {
			if got := p.Get(name); got != want {
				t.Errorf("%s: %s = %q, want %q", c.name, name, got, want)
			}
		}
	}
	p, err := oauth.ReadParams("resource=a&resource=&resource=b&audience=x&audience=y")
	if diff := cmp.Diff([]string{"a", "b"}, p.All("resource")); err != nil || diff != "" || len(p.All("audience")) != 2 {
		t.Errorf("what may repeat: %v\n%s", err, diff)
	}
}

// RFC 6749 §5.2: error_description has neither quotes nor backslashes nor anything beyond ASCII, whatever a stranger sends.
func FuzzDescriptionsKeepToTheirCharacters(f *testing.F) {
	f.Add(`a"b`, "\x00\u202e")
	f.Fuzz(func(t *testing.T, name, value string) {
		_, err1 := oauth.ReadParams(url.QueryEscape(name) + "=1&" + url.QueryEscape(name) + "=2")
		_, err2 := oauth.CanonicalResource(value)
		_, err3 := oauth.ParseScopes(value)
		for _, err := range []error{err1, err2, err3} {
			var e *oauth.Error
			if errors.As(err, &e) && strings.ContainsFunc(e.Description, func(r rune) bool { return r < 0x20 || r > 0x7e || r == '"' || r == '\\' }) {
				t.Errorf("%q", e.Description)
			}
		}
	})
}

// AS-REDIRECT-EXACT, AS-REDIRECT-LOOPBACK-PORT, RFC 8252 §7.3, OAuth 2.1 §4.1.1: byte for byte but for the port of loopback http.
func TestMatchRedirect(t *testing.T) {
	allow := func(registered, asked string) {
		t.Helper()
		if !oauth.MatchRedirect([]string{"https://other.example/", registered}, asked) {
			t.Errorf("registered %s: %s is refused", registered, asked)
		}
	}
	deny := func(registered, asked string) {
		t.Helper()
		if oauth.MatchRedirect([]string{"https://other.example/", registered}, asked) {
			t.Errorf("registered %s: %s is taken", registered, asked)
		}
	}
	for _, host := range []string{"127.0.0.1", "[::1]", "localhost"} {
		allow("http://"+host+"/cb", "http://"+host+":1/cb")
		allow("http://"+host+":7777/cb", "http://"+host+"/cb")
		allow("http://"+host+":7777/cb?a=1", "http://"+host+":65535/cb?a=1")
		allow("http://"+host, "http://"+host+":1")
		deny("http://"+host+"/cb", "https://"+host+":1/cb")
		deny("http://"+host+"/cb", "http://"+host+":/cb")
		deny("http://"+host+"/cb", "http://"+host+":123456/cb")
		deny("http://"+host+"/cb", "http://"+host+":1x/cb")
		deny("http://"+host+"/cb", "http://"+host+":-1/cb")
		deny("http://"+host+"/cb", "http://"+host+":1/cb2")
		deny("http://"+host+"/cb", "http://"+host+":1/cb#x")
		deny("http://"+host+"/cb", "http://"+host+".evil.example/cb")
		deny("http://"+host+"/cb", "http://"+host+":1@evil.example/cb")
		deny("http://"+host+"/cb", "http://user@"+host+":1/cb")
		deny("http://"+host+"/cb", "http://"+host+":1\\@evil.example/cb")
	}
	deny("http://127.0.0.1/cb", "http://localhost/cb")
	deny("http://localhost/cb", "http://127.0.0.1/cb")
	deny("http://localhost/cb", "http://LOCALHOST/cb")
	deny("http://localhost/cb", "HTTP://localhost/cb")
	deny("http://127.0.0.1/cb", "http://127.0.0.2/cb")
	deny("http://127.0.0.2/cb", "http://127.0.0.2:1/cb")
	deny("https://localhost/cb", "https://localhost:1/cb")
	allow("https://app.example/cb", "https://app.example/cb")
	for _, other := range []string{"https://app.example:443/cb", "https://app.example:1/cb", "https://APP.example/cb", "https://app.example/CB", "https://app.example/cb/", "https://app.example/cb?", "https://app.example/%63b", "https://app.example/./cb", "", "https://app.example"} {
		deny("https://app.example/cb", other)
	}
	if oauth.MatchRedirect(nil, "") || oauth.MatchRedirect([]string{}, "http://localhost/") {
		t.Error("nothing registered, and yet it matches")
	}
}

// RFC 8252 §7, RFC 9700 §4.1.3: what can be a redirect address.
func TestCheckRedirect(t *testing.T) {
	for _, uri := range []string{"https://app.example/cb", "https://app.example", "https://app.example:8443/cb?a=1", "http://127.0.0.1/", "http://[::1]:80/x", "http://localhost:1/x", "cursor://anysphere.cursor/cb"} {
		if reason := oauth.CheckRedirect(uri, "cursor"); reason != "" {
			t.Errorf("%s: %s", uri, reason)
		}
	}
	for _, uri := range []string{"", "/cb", "//x/cb", "app.example", "http://app.example/", "http://127.0.0.2/", "http://LOCALHOST/", "https:///cb", "https:cb", "https://user@app.example/", "https://app.example/#", "https://app.example/#x",
		"javascript:alert(1)", "data:,x", "file:///x", "vscode://x", "Cursor://x", "https://*.example/", "https://a\\b/", "https://app.example/a b", "https://app.example/\n", "https://äpp.example/", "https://app.example/" + strings.Repeat("x", 2048)} {
		if oauth.CheckRedirect(uri, "cursor") == "" {
			t.Errorf("%q is taken", uri)
		}
	}
}

// RFC 6749 §4.1.2: the query that the address has is kept.
func TestResponseURL(t *testing.T) {
	for redirect, want := range map[string]string{
		"https://a.example/cb": "https://a.example/cb?code=x", "https://a.example/cb?a=1": "https://a.example/cb?a=1&code=x", "https://a.example/cb?": "https://a.example/cb?code=x",
		"https://a.example/cb?a=1&": "https://a.example/cb?a=1&code=x", "http://localhost": "http://localhost?code=x",
	} {
		if got := oauth.ResponseURL(redirect, url.Values{"code": {"x"}}); got != want {
			t.Errorf("%s: %s", redirect, got)
		}
	}
}

// RFC 8707 §2, RS-URI-CASE, RS-URI-NO-TRAILING-SLASH: spellings of one resource.
func TestCanonicalResource(t *testing.T) {
	for uri, want := range map[string]string{
		"https://mcp.example/mcp": "https://mcp.example/mcp", "HTTPS://MCP.Example/mcp": "https://mcp.example/mcp", "https://mcp.example:443/mcp": "https://mcp.example/mcp", "http://mcp.example:80/mcp": "http://mcp.example/mcp",
		"https://mcp.example:80/mcp": "https://mcp.example:80/mcp", "https://mcp.example/mcp/": "https://mcp.example/mcp", "https://mcp.example/": "https://mcp.example", "https://mcp.example/MCP": "https://mcp.example/MCP",
		"https://mcp.example/a%2Fb": "https://mcp.example/a%2Fb", "https://mcp.example/mcp//": "https://mcp.example/mcp/", "https://mcp.example/mcp?x=1": "https://mcp.example/mcp?x=1", "http://[::1]:8080/mcp": "http://[::1]:8080/mcp",
	} {
		if got, err := oauth.CanonicalResource(uri); err != nil || got != want {
			t.Errorf("%s: %s, %v", uri, got, err)
		}
	}
	for _, uri := range []string{"", "mcp.example", "/mcp", "https:mcp", "https:///mcp", "https://mcp.example/#", "https://mcp.example/mcp#x", "https://user@mcp.example/", "urn:mcp", "https://mcp.example/" + strings.Repeat("x", 2048), "https://mcp.example/%zz"} {
		var e *oauth.Error
		if _, err := oauth.CanonicalResource(uri); !errors.As(err, &e) || e.Code != "invalid_target" {
			t.Errorf("%q: %v", uri, err)
		}
	}
}

func FuzzCanonicalResourceIsStable(f *testing.F) {
	f.Add("HTTPS://A.example:443/x/")
	f.Fuzz(func(t *testing.T, uri string) {
		once, err := oauth.CanonicalResource(uri)
		if err != nil {
			return
		}
		if twice, err := oauth.CanonicalResource(once); err != nil || strings.TrimSuffix(once, "/") != strings.TrimSuffix(twice, "/") {
			t.Errorf("%q → %q → %q, %v", uri, once, twice, err)
		}
	})
}

// RFC 6750 §3, RFC 9728 §5.1: what is written is read again.
func TestChallengeRoundTrip(t *testing.T) {
	for _, c := range []oauth.Challenge{
		{Scheme: "Bearer"},
		{Scheme: "Bearer", ResourceMetadata: "https://mcp.example/.well-known/oauth-protected-resource/mcp", Scope: oauth.NewScopes("mcp")},
		{Scheme: "Bearer", Error: "insufficient_scope", Description: "the token lacks scope", Scope: oauth.NewScopes("a", "b"), ResourceMetadata: "https://x/", ACR: "urn:a urn:b", MaxAge: 300, Realm: "r"},
		{Scheme: "Basic", Realm: "https://as.example"},
	} {
		if diff := cmp.Diff([]oauth.Challenge{c}, oauth.ParseChallenges([]string{c.String()})); diff != "" {
			t.Errorf("%s (-written +read)\n%s", c, diff)
		}
	}
	if got := (oauth.Challenge{}).String(); got != "Bearer" {
		t.Errorf("the zero challenge is %q", got)
	}
}

// RFC 9110 §11.6.1: several challenges in one value, several values, and what other servers write.
func TestParseChallenges(t *testing.T) {
	for name, c := range map[string]struct {
		values []string
		want   []oauth.Challenge
	}{
		"two in one value": {[]string{`Basic realm="a, b", Bearer error="invalid_token", scope="x y"`}, []oauth.Challenge{{Scheme: "Basic", Realm: "a, b"}, {Scheme: "Bearer", Error: "invalid_token", Scope: oauth.NewScopes("x", "y")}}},
		"two values":       {[]string{`Bearer realm=a`, `DPoP error="x"`}, []oauth.Challenge{{Scheme: "Bearer", Realm: "a"}, {Scheme: "DPoP", Error: "x"}}},
		"a token value":    {[]string{`Bearer resource_metadata=https://x/y?z=1`}, []oauth.Challenge{{Scheme: "Bearer", ResourceMetadata: "https://x/y?z=1"}}},
		"spaces":           {[]string{`  bearer   Realm = "a" ,, scope = "b"`}, []oauth.Challenge{{Scheme: "bearer", Realm: "a", Scope: oauth.NewScopes("b")}}},
		"escapes":          {[]string{`Bearer realm="a\"b\\c"`}, []oauth.Challenge{{Scheme: "Bearer", Realm: `a"b\c`}}},
		"unknown ones":     {[]string{`Bearer foo="bar", realm="a"`}, []oauth.Challenge{{Scheme: "Bearer", Realm: "a"}}},
		"an open quote":    {[]string{`Bearer realm="a`}, []oauth.Challenge{{Scheme: "Bearer"}}},
		"nothing":          {nil, nil},
	} {
		if diff := cmp.Diff(c.want, oauth.ParseChallenges(c.values)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

// Whatever it says, a challenge is one header line that stays one challenge.
func FuzzChallenge(f *testing.F) {
	f.Add(`x", error="y`, "a\r\nSet-Cookie: b", `\`)
	f.Fuzz(func(t *testing.T, realm, description, metadata string) {
		s := oauth.Challenge{Realm: realm, Description: description, ResourceMetadata: metadata}.String()
		if strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
			t.Errorf("%q is no header", s)
		}
		if got := oauth.ParseChallenges([]string{s}); len(got) != 1 || got[0].Error != "" || got[0].ACR != "" || len(got[0].Scope) > 0 {
			t.Errorf("%q reads as %+v", s, got)
		}
		oauth.ParseChallenges([]string{realm, description})
	})
}

// RFC 9728 §3.1, RFC 8414 §3.1 with their examples; MCP 2025-11-25 has the order.
func TestWellKnownAddresses(t *testing.T) {
	for id, want := range map[string]string{
		"https://resource.example.com": "https://resource.example.com/.well-known/oauth-protected-resource", "https://resource.example.com/": "https://resource.example.com/.well-known/oauth-protected-resource",
		"https://resource.example.com/resource1": "https://resource.example.com/.well-known/oauth-protected-resource/resource1", "https://example.com:8443/a/b?x=1": "https://example.com:8443/.well-known/oauth-protected-resource/a/b?x=1",
		"https://example.com/a/": "https://example.com/.well-known/oauth-protected-resource/a/", "": "", "no address": "", "/mcp": "",
	} {
		if got := oauth.InsertWellKnown(oauth.WellKnownResource, id); got != want {
			t.Errorf("%s: %s", id, got)
		}
	}
	for issuer, want := range map[string][]string{
		"https://auth.example.com": {"https://auth.example.com/.well-known/oauth-authorization-server", "https://auth.example.com/.well-known/openid-configuration"},
		"https://auth.example.com/tenant1": {"https://auth.example.com/.well-known/oauth-authorization-server/tenant1", "https://auth.example.com/.well-known/openid-configuration/tenant1",
			"https://auth.example.com/tenant1/.well-known/openid-configuration"},
		"x": nil,
	} {
		if diff := cmp.Diff(want, oauth.ServerMetadataURLs(issuer)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", issuer, diff)
		}
	}
	if diff := cmp.Diff([]string{"https://example.com/.well-known/oauth-protected-resource/public/mcp", "https://example.com/.well-known/oauth-protected-resource"}, oauth.ProtectedResourceURLs("https://example.com/public/mcp")); diff != "" {
		t.Error(diff)
	}
	if got := oauth.ProtectedResourceURLs("https://example.com"); len(got) != 1 {
		t.Errorf("%v", got)
	}
}

// RFC 7636 appendix B, and §4.1: what a verifier is.
func TestPKCE(t *testing.T) {
	const verifier, challenge = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	if got := oauth.S256(verifier); got != challenge || !oauth.Verifies(verifier, challenge) || !oauth.ValidChallenge(challenge) {
		t.Errorf("S256 = %s", got)
	}
	for name, v := range map[string]string{"another": oauth.NewVerifier(), "none": "", "the challenge": challenge, "short": verifier[:42], "long": strings.Repeat("a", 129), "with a space": verifier[:42] + " ", "cut": verifier[:len(verifier)-1] + "l"} {
		if oauth.Verifies(v, challenge) || oauth.Verifies(v, "") || name != "another" && name != "cut" && name != "the challenge" && oauth.Verifies(v, oauth.S256(v)) {
			t.Errorf("%s: %q verifies", name, v)
		}
	}
	for _, c := range []string{"", verifier[:42], challenge + "=", challenge[:42] + "N", challenge + "AA", strings.Replace(challenge, "-", "+", 1)} {
		if oauth.ValidChallenge(c) {
			t.Errorf("%q is taken as a challenge", c)
		}
	}
	if a, b := oauth.NewVerifier(), oauth.NewVerifier(); a == b || len(a) != 43 {
		t.Errorf("verifiers %s and %s", a, b)
	}
}

func TestScopes(t *testing.T) {
	s, err := oauth.ParseScopes("  b a  b c ")
	if err != nil || s.String() != "a b c" {
		t.Errorf("%v, %v", s, err)
	}
	for _, bad := range []string{"a\"b", "a\\b", "a\nb", "ä", "a\x7f", "a\tb"} {
		var e *oauth.Error
		if _, err := oauth.ParseScopes(bad); !errors.As(err, &e) || e.Code != "invalid_scope" {
			t.Errorf("%q: %v", bad, err)
		}
	}
	ab, bc := oauth.NewScopes("b", "a"), oauth.NewScopes("c", "b")
	for name, got := range map[string][2]string{
		"union": {ab.Union(bc).String(), "a b c"}, "intersect": {ab.Intersect(bc).String(), "b"}, "missing": {ab.Missing(bc).String(), "c"}, "without": {ab.Without("a").String(), "b"},
		"unchanged": {ab.String() + bc.String(), "a bb c"}, "nothing": {oauth.Scopes(nil).Union(nil).String(), ""},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %q, want %q", name, got[0], got[1])
		}
	}
	if ab.Covers(bc) || !ab.Covers(nil) || oauth.Scopes(nil).Covers(ab) || !ab.Union(bc).Covers(bc) || ab.Contains("A") {
		t.Error("what covers what")
	}
}

// draft-ietf-oauth-client-id-metadata-document, AS-CIMD-URL-VALIDATE, AS-CIMD-ID-NAMESPACE.
func TestDocumentIDs(t *testing.T) {
	for _, id := range []string{"https://app.example/client", "https://app.example:8443/a/b?c=d", "https://app.example/client/"} {
		if reason := oauth.CheckDocumentID(id); reason != "" || !oauth.IsDocumentID(id) {
			t.Errorf("%s: %s", id, reason)
		}
	}
	for _, id := range []string{"http://app.example/client", "https://app.example", "https://app.example/", "https://app.example/a/../b", "https://app.example/./b", "https://app.example/%2e%2e/b", "https://app.example/a#b", "https://app.example/a#",
		"https://user@app.example/a", "https:///a", "ftp://app.example/a", "https://app.example/a b", "https://app.example/" + strings.Repeat("x", 2048)} {
		if oauth.CheckDocumentID(id) == "" {
			t.Errorf("%s is taken", id)
		}
	}
	if oauth.IsDocumentID("dw-ABC") || (oauth.Client{}).Source != oauth.Unknown {
		t.Error("the zero client is somebody")
	}
}
