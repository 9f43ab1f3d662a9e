package client_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/client"
)

// RFC 6749 §5.1: strict where a token could be misread, and everything unknown is ignored.
func TestTokenAnswers(t *testing.T) {
	text := func(status int, media, body string) func(*peer, http.ResponseWriter, *http.Request) {
		return func(_ *peer, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", media)
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	const j = "application/json"
	for _, c := range []struct {
		what   string
		answer func(*peer, http.ResponseWriter, *http.Request)
		text   string // of the error; empty: accepted
	}{
		{"the least", text(200, j, `{"access_token":"good","token_type":"Bearer"}`), ""},
		{"with all kinds of extras", text(200, j+";charset=utf-8", `{"access_token":"good","token_type":"bEARER","expires_in":"3600","x":[1,{}],"id_token":"y","scope":"a  b"}`), ""},
		{"expires_in with a fraction", text(200, j, `{"access_token":"good","token_type":"Bearer","expires_in":3599.5}`), ""},
		{"without token_type", text(200, j, `{"access_token":"good"}`), "token_type"},
		{"of type DPoP", text(200, j, `{"access_token":"good","token_type":"DPoP"}`), "token_type"},
		{"of type N_A", text(200, j, `{"access_token":"good","token_type":"N_A"}`), "token_type"},
		{"without access_token", text(200, j, `{"token_type":"Bearer"}`), "access_token"},
		{"another case of the name", text(200, j, `{"Access_Token":"good","token_type":"Bearer"}`), "access_token"},
		{"a name twice", text(200, j, `{"access_token":"good","access_token":"good","token_type":"Bearer"}`), "cannot be read"},
		{"a line end in the token", text(200, j, `{"access_token":"good\r\nX: y","token_type":"Bearer"}`), "access_token"},
		{"a token of a megabyte", text(200, j, `{"access_token":"`+strings.Repeat("a", 40<<10)+`","token_type":"Bearer"}`), "access_token"},
		{"an object as token", text(200, j, `{"access_token":{},"token_type":"Bearer"}`), "cannot be read"},
		{"something after it", text(200, j, `{"access_token":"good","token_type":"Bearer"}{}`), "cannot be read"},
		{"expires_in as a word", text(200, j, `{"access_token":"good","token_type":"Bearer","expires_in":"soon"}`), "expires_in"},
		{"expires_in below zero", text(200, j, `{"access_token":"good","token_type":"Bearer","expires_in":-1}`), "expires_in"},
		{"expires_in NaN", text(200, j, `{"access_token":"good","token_type":"Bearer","expires_in":"NaN"}`), "expires_in"},
		{"a quote in the scope", text(200, j, `{"access_token":"good","token_type":"Bearer","scope":"a\"b"}`), "scope"},
		{"form-encoded", text(200, "application/x-www-form-urlencoded", `access_token=good&token_type=bearer`), "not JSON"},
		{"a page", text(200, "text/html", `<!doctype html>`), "not JSON"},
		{"an error with status 200", text(200, j, `{"error":"bad_verification_code","error_description":"no"}`), "bad_verification_code: no"},
		{"an error", text(400, j, `{"error":"invalid_grant"}`), "invalid_grant"},
		{"status 503", text(503, "text/plain", `later`), "status 503"},
		{"a token with status 400", text(400, j, `{"access_token":"good","token_type":"Bearer"}`), "status 400"},
		{"a token with status 201", text(201, j, `{"access_token":"good","token_type":"Bearer"}`), "status 201"},
		{"endless", func(_ *peer, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", j)
			for range 4096 {
				if _, err := fmt.Fprint(w, strings.Repeat(" ", 4096)); err != nil {
					return
				}
			}
		}, "more than"},
	} {
		t.Run(c.what, func(t *testing.T) {
			p := newPeer(t)
			p.access["good"] = nil
			p.token = func(p *peer, w http.ResponseWriter, r *http.Request) bool { c.answer(p, w, r); return true }
			if c.text == "" {
				admitted(t, dial(t, p, client.Options{}), p)
				return
			}
			refused(t, p, client.Options{}, c.text)
		})
	}
}

// A redirect of the token endpoint is not followed: code, verifier and secret are for that address alone.
func TestTokenEndpointRedirectIsNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		p, q := newPeer(t), newPeer(t)
		p.token = func(_ *peer, w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Location", q.iss()+"/token")
			w.WriteHeader(status)
			return true
		}
		refused(t, p, client.Options{}, fmt.Sprint(status))
		if len(q.seen) != 0 {
			t.Errorf("%d: the other server was asked %v", status, q.seen)
		}
	}
}

// CL-REFRESH-CONFIDENTIAL, CL-TOKEN-NO-QUERY: no error and no address ever holds a token.
func TestErrorsHoldNoToken(t *testing.T) {
	p := newPeer(t)
	p.token = func(_ *peer, w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"topsecret","refresh_token":"topsecret","token_type":"mac"`)
		return true
	}
	_, _, err := post(t, dial(t, p, client.Options{}), p.address(), "")
	if err == nil || strings.Contains(err.Error(), "topsecret") {
		t.Errorf("got %v", err)
	}
}
