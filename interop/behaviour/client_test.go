//go:build conformance

package behaviour

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// An answer is a response that has been read.
type answer struct {
	status int
	header http.Header
	body   string
}

// text is a member of the answer's JSON; empty: there is none.
func (a answer) text(name string) string {
	var all map[string]any
	_ = json.Unmarshal([]byte(a.body), &all)
	s, _ := all[name].(string)
	return s
}

// code is the OAuth error, and description its sentence.
func (a answer) code() string        { return a.said("error") }
func (a answer) description() string { return a.said("error_description") }

// said is a member of an error: of the challenge at a server, of the body at the authorization server.
func (a answer) said(name string) string {
	if challenges := a.header.Values("WWW-Authenticate"); len(challenges) > 0 && !strings.HasPrefix(challenges[0], "Basic") {
		return parameter(challenges[0], name)
	}
	return a.text(name)
}

// refused says whether the answer is this refusal, and gave nothing.
func (a answer) refused(t *testing.T, status int, code string) {
	t.Helper()
	if a.status != status || a.code() != code {
		t.Errorf("it was answered %d %s, want %d %s: %v %s", a.status, a.code(), status, code, a.header.Values("WWW-Authenticate"), a.body)
	}
	if a.text("access_token") != "" || strings.Contains(a.body, `"result"`) {
		t.Errorf("the refusal gave something: %s", a.body)
	}
}

// token is the access token of an answer that must have one.
func (a answer) token(t *testing.T) string {
	t.Helper()
	if a.status != http.StatusOK || a.text("access_token") == "" {
		t.Fatalf("there is no token: %d %s", a.status, a.body)
	}
	return a.text("access_token")
}

// parameter is one of a challenge, RFC 9110 §11.2; empty: it has none.
func parameter(challenge, name string) string {
	m := regexp.MustCompile(`(?:^|[ ,])` + name + `="([^"]*)"`).FindStringSubmatch(challenge)
	if m == nil {
		return ""
	}
	return m[1]
}

func do(t *testing.T, r *http.Request, header ...string) answer {
	t.Helper()
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	res, err := (&http.Transport{}).RoundTrip(r.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(b)}
}

// post sends a form with header, which are pairs.
func post(t *testing.T, address string, form url.Values, header ...string) answer {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return do(t, r, header...)
}

func read(t *testing.T, address string, into any) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	a := do(t, r)
	if err := json.Unmarshal([]byte(a.body), into); err != nil || a.status != http.StatusOK {
		t.Fatalf("GET %s: %d %v", address, a.status, err)
	}
}

// basic authenticates with a secret. RFC 6749 §2.3.1.
func basic(id, secret string) []string {
	return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))}
}

// call calls the tool whoami as revision 2026-07-28 has it. header are pairs.
func call(t *testing.T, resource string, header ...string) answer {
	t.Helper()
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": map[string]any{
		"name": "whoami", "arguments": map[string]any{}, "_meta": map[string]any{
			"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": map[string]any{},
			"io.modelcontextprotocol/clientInfo": map[string]string{"name": "behaviour", "version": "1"}}}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodPost, resource, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return do(t, r, append([]string{"Content-Type", "application/json", "Accept", "application/json, text/event-stream",
		"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "whoami"}, header...)...)
}

func bearer(token string) []string { return []string{"Authorization", "Bearer " + token} }

// answered says whether the server answered the call, to this client; subject is how its caller's name ends.
func (a answer) answered(t *testing.T, subject, client string) {
	t.Helper()
	for _, want := range []string{`"result"`, subject + `","issuer"`, `"client_id":"` + client + `"`} {
		if a.status != http.StatusOK || !strings.Contains(a.body, want) {
			t.Fatalf("the call was answered %d %s, want %s in it", a.status, a.body, want)
		}
	}
}

// found is what a client finds out from an address and nothing else.
type found struct {
	Resource     string
	Scope        string   // of the challenge
	Issuer       string   `json:"issuer"`
	Token        string   `json:"token_endpoint"`
	Authorize    string   `json:"authorization_endpoint"`
	Grants       []string `json:"grant_types_supported"`
	Methods      []string `json:"token_endpoint_auth_methods_supported"`
	Profiles     []string `json:"authorization_grant_profiles_supported"`
	Algorithms   []string `json:"dpop_signing_alg_values_supported"`
	Challenges   []string `json:"code_challenge_methods_supported"`
	DPoPRequired bool     // of the resource
}

// discover calls a server without a token and follows what the refusal says: RFC 9728 §5.1, RFC 8414 §3.
func discover(t *testing.T, resource string) (f found) {
	t.Helper()
	a := call(t, resource)
	if a.status != http.StatusUnauthorized {
		t.Fatalf("a call without a token is answered %d", a.status)
	}
	challenge := a.header.Get("WWW-Authenticate")
	var p struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
		Required bool     `json:"dpop_bound_access_tokens_required"`
	}
	read(t, parameter(challenge, "resource_metadata"), &p)
	if p.Resource != resource || len(p.Servers) != 1 {
		t.Fatalf("the metadata of %s is of %q, with %v", resource, p.Resource, p.Servers)
	}
	at, err := url.Parse(p.Servers[0])
	if err != nil {
		t.Fatal(err)
	}
	path := strings.TrimSuffix(at.Path, "/")
	at.Path = "/.well-known/oauth-authorization-server" + path
	read(t, at.String(), &f)
	if f.Issuer != p.Servers[0] {
		t.Fatalf("the metadata of %s says that it is of %s", p.Servers[0], f.Issuer)
	}
	f.Resource, f.Scope, f.DPoPRequired = resource, parameter(challenge, "scope"), p.Required
	return f
}

// offers fails the test if the metadata does not say what a client needs to see before it asks.
func offers(t *testing.T, list []string, wanted string) {
	t.Helper()
	if !slices.Contains(list, wanted) {
		t.Fatalf("%q is not in %q", wanted, list)
	}
}
