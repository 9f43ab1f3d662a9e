package guard_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/token"
)

func bearing(raw, body string, header ...string) *http.Request {
	return post(body, append([]string{"Authorization", "Bearer " + raw}, header...)...)
}

// RS-401-INVALID, RS-ERROR-AFTER-VALIDATION, RS-SBP-NO-FOREIGN, RS-TOKEN-VALIDATE-FIRST: whatever is wrong with a token is a 401
// with invalid_token, before anything of the request is looked at, and it says nothing of the server.
func TestABadTokenIsAnsweredFirst(t *testing.T) {
	f := guarded(t, nil)
	for name, raw := range map[string]string{
		"expired":          f.token(func(c *token.Claims) { c.Expires = noon.Add(-time.Hour) }),
		"of another":       f.token(func(c *token.Claims) { c.Resource = "https://other.example/mcp" }),
		"cut":              f.token()[:100],
		"with a wrong end": f.token() + "x",
	} {
		for _, body := range []string{callBody, "{", "", strings.Repeat("[", 1000), `{"jsonrpc":"2.0","id":1,"method":"unknown"}`} {
			w := f.serve(bearing(raw, body), nil)
			var e struct {
				Error string `json:"error"`
			}
			if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || w.Code != 401 || e.Error != "invalid_token" || !strings.Contains(w.Header().Get("WWW-Authenticate"), `error="invalid_token"`) {
				t.Errorf("a token %s with %.20q: %d %s", name, body, w.Code, w.Body)
			}
		}
	}
}

// RS-CHALLENGE-NO-OFFLINE, RS-CHALLENGE-SCOPE-SET, RS-SCOPE-PRECISE, RS-SCOPE-CONSISTENT, RS-PRM-SCOPES-MINIMAL, RS-SCOPE-DOWNSCOPED,
// RS-SCOPE-HIERARCHY: what is asked for is what the operation needs and nothing else, and what is had counts.
func TestScopesOfChallenges(t *testing.T) {
	all := oauth.Resource{URI: resource, Initial: oauth.NewScopes("read"), Scopes: []oauth.ScopeText{{Name: "read"}, {Name: "write", Includes: []string{"read"}}, {Name: "admin"}}}
	f := guarded(t, func(c *guard.Config) {
		c.Resource = all
		c.Decider = policy.ScopesOnly{Scopes: policy.NewScopes(oauth.NewScopes("read"), all.Includes(), policy.Need{Tools: []string{"set"}, Scopes: oauth.NewScopes("write")}, policy.Need{Tools: []string{"drop"}, Scopes: oauth.NewScopes("admin")})}
	})
	call := func(tool string) string {
		return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + tool + `"}}`
	}
	for _, c := range []struct {
		name, have, tool string
		status           int
		scope            string
	}{
		{"nobody", "", "get", 401, "read"}, {"nobody, for more", "", "drop", 401, "read"},
		{"the least", "read", "get", 200, ""}, {"the least, for more", "read", "set", 403, "read write"}, {"a wider one", "write", "get", 200, ""},
		{"a wider one, for what it is", "write", "set", 200, ""}, {"a wider one, for another", "write", "drop", 403, "admin write"}, {"one that is not the narrow one", "admin", "get", 403, "admin read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.t = t
			for range 2 { // the same each time
				r := post(call(c.tool))
				if c.have != "" {
					r = bearing(f.token(func(k *token.Claims) { k.Scopes = oauth.NewScopes(strings.Fields(c.have)...) }), call(c.tool))
				}
				w := f.serve(r, func(http.ResponseWriter, *http.Request) {})
				challenge := w.Header().Get("WWW-Authenticate")
				if w.Code != c.status || c.scope != "" && !strings.Contains(challenge, `scope="`+c.scope+`"`) || strings.Contains(challenge, "offline_access") {
					t.Errorf("%d %s", w.Code, challenge)
				}
			}
		})
	}
	w := httptest.NewRecorder()
	f.g.Metadata().ServeHTTP(w, httptest.NewRequest("GET", "/.well-known/oauth-protected-resource/mcp", nil))
	if !strings.Contains(w.Body.String(), `"scopes_supported":["read"]`) {
		t.Errorf("%s", w.Body)
	}
}

// RS-PRM-IMPLEMENT, RS-PRM-RESPONSE, RS-PRM-WELLKNOWN, RS-PRM-PATH-INSERTION, RS-PRM-HTTPS: the document is where the challenge says,
// with the path behind the well-known part, for everybody, and names an https address without fragment.
func TestWhereTheMetadataIs(t *testing.T) {
	f := guarded(t, nil)
	challenge := f.serve(post(callBody), nil).Header().Get("WWW-Authenticate")
	if !strings.Contains(challenge, `resource_metadata="https://mcp.example/.well-known/oauth-protected-resource/mcp"`) {
		t.Error(challenge)
	}
	w := httptest.NewRecorder()
	f.g.Metadata().ServeHTTP(w, httptest.NewRequest("GET", document, nil))
	var m struct {
		Resource string `json:"resource"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil || w.Code != 200 || w.Header().Get("Content-Type") != "application/json" || m.Resource != resource {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

// RS-VERIFY-EVERY-REQUEST, TR-AUTH-ALL, TR-STATELESS: a good request before, in the same session too, is worth nothing to the next.
func TestEachRequestIsVerified(t *testing.T) {
	f := guarded(t, func(c *guard.Config) { c.SessionKey = []byte(strings.Repeat("k", 32)) })
	begun := f.serve(bearing(f.token(), `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}`), func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Mcp-Session-Id", "s")
	})
	id := begun.Header().Get("Mcp-Session-Id")
	if w := f.serve(bearing(f.token(), callBody, "Mcp-Session-Id", id), func(http.ResponseWriter, *http.Request) {}); id == "" || w.Code != 200 {
		t.Fatalf("session %q: %d", id, w.Code)
	}
	for _, method := range []string{"POST", "GET", "DELETE"} {
		r := post(callBody, "Mcp-Session-Id", id)
		if r.Method = method; method != "POST" {
			r.Body = http.NoBody
		}
		if w := f.serve(r, nil); w.Code != 401 {
			t.Errorf("%s without a token: %d", method, w.Code)
		}
	}
}

// RS-ERROR-GENERIC: what went wrong inside is for the log, and the client gets the id under which it stands there.
func TestAFaultInsideIsNotTold(t *testing.T) {
	f := guarded(t, nil)
	f.full = errors.New("no space left on /dev/sda1")
	w := f.serve(bearing(f.token(), callBody), nil)
	if body := w.Body.String(); w.Code != 503 || strings.Contains(body, "sda1") || !strings.Contains(body, `"temporarily_unavailable"`) || !strings.Contains(body, `"request_id":"`) {
		t.Errorf("%d %s", w.Code, body)
	}
}
