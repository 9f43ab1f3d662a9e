package person_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/doorward-mcp/doorward/interop/person"
)

// header stands above every page's main part. Its form is never the one to answer.
const header = `<header><form method="post" action="/logout"><button>Sign out</button></form></header>`

// pages serves what Doorward promises of its pages: a sign-in form, then consent, then a redirect to the client.
func pages(t *testing.T) *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) {
		if _, err := r.Cookie("session"); err != nil {
			http.Redirect(w, r, "/login?return=1", http.StatusSeeOther)
			return
		}
		fmt.Fprint(w, header+`<main><form method="post" action="/consent"><input type="hidden" name="csrf" value="c">
			<button name="decision" value="allow">Allow</button><button name="decision" value="deny">Deny</button></form></main>`)
	})
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, header+`<main><form method="POST"><input name="username"><input type="password" name="password"></form></main>`)
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("username") != "ada" || r.FormValue("password") != "right" {
			http.Error(w, "wrong", http.StatusForbidden)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "s", Path: "/"})
		http.Redirect(w, r, "/authorize", http.StatusSeeOther)
	})
	mux.HandleFunc("POST /consent", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("csrf") != "c" || r.Header.Get("Origin") == "" {
			http.Error(w, "forged", http.StatusForbidden)
			return
		}
		http.Redirect(w, r, "http://127.0.0.1:1/callback?decision="+r.FormValue("decision"), http.StatusSeeOther)
	})
	mux.HandleFunc("GET /loop", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/loop", http.StatusSeeOther)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func TestAuthorize(t *testing.T) {
	for _, decision := range []string{"", "allow", "deny"} {
		p := person.New("ada", "right")
		p.Decision = decision
		back, err := p.Authorize(t.Context(), pages(t).URL+"/authorize")
		if err != nil {
			t.Fatal(err)
		}
		want := decision
		if want == "" {
			want = "allow"
		}
		if got := back.Query().Get("decision"); back.Host != "127.0.0.1:1" || got != want {
			t.Errorf("%q: arrived at %s", decision, back)
		}
	}
}

func TestAuthorizeRefused(t *testing.T) {
	if back, err := person.New("ada", "wrong").Authorize(t.Context(), pages(t).URL+"/authorize"); err == nil {
		t.Errorf("a wrong password arrived at %s", back)
	}
	if _, err := person.New("ada", "right").Authorize(t.Context(), pages(t).URL+"/loop"); !errors.Is(err, person.ErrNowhere) {
		t.Errorf("a loop ended with %v", err)
	}
}

func TestOpen(t *testing.T) {
	if err := person.New("ada", "wrong").Open(t.Context(), pages(t).URL+"/login"); err == nil {
		t.Error("a refused sign-in was taken for one")
	}
}
