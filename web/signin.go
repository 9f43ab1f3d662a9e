package web

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/login"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// signInForm is the page that asks who the person is. Pending is empty when no client sent them.
type signInForm struct {
	Pending, Client, Username, Problem string
}

// showSignIn asks, or goes on at once if this browser is signed in.
func (p *Pages) showSignIn(w http.ResponseWriter, r *http.Request) error {
	s, err := p.c.Login.Current(r)
	if err != nil {
		return err
	}
	if r.FormValue("pending") == "" {
		if !s.Nobody() {
			http.Redirect(w, r, "/", http.StatusSeeOther)
			return nil
		}
		return p.show(w, http.StatusOK, "signin", view{Title: "Sign in", Page: signInForm{}})
	}
	pending, err := p.c.Authserver.Pending(r)
	if err != nil {
		return err
	}
	if !s.Nobody() && pending.Fresh(s.At) {
		return p.c.Authserver.Answer(w, r, pending, SignedIn(s))
	}
	form, err := p.signInForm(r, pending)
	if err != nil {
		return err
	}
	return p.show(w, http.StatusOK, "signin", view{Title: "Sign in", Page: form})
}

// signInForm names the client. One whose document is not read yet is named by its host: nothing is read for a stranger.
func (p *Pages) signInForm(r *http.Request, pending authserver.Pending) (signInForm, error) {
	f := signInForm{Pending: pending.ID, Username: pending.LoginHint}
	if pending.Unread != "" {
		if u, err := url.Parse(pending.Client); err == nil {
			f.Client = u.Host
		}
		return f, nil
	}
	c, err := p.c.Client(r, pending.Client)
	f.Client = c.DisplayName()
	return f, err
}

// signIn takes the form. A wrong password shows it again.
func (p *Pages) signIn(w http.ResponseWriter, r *http.Request) error {
	var form signInForm
	var pending authserver.Pending
	if r.FormValue("pending") != "" {
		var err error
		if pending, err = p.c.Authserver.Pending(r); err != nil {
			return err
		}
		if form, err = p.signInForm(r, pending); err != nil {
			return err
		}
	}
	form.Username = r.PostFormValue("username")
	s, err := p.c.Login.Password(w, r, form.Username, token.NewSecret(r.PostFormValue("password")))
	var known *oauth.Error
	if errors.As(err, &known) {
		form.Problem = known.Description
		if known.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(known.RetryAfter))
		}
		return p.show(w, known.HTTPStatus(), "signin", view{Title: "Sign in", Page: form})
	}
	if err != nil {
		return err
	}
	if form.Pending == "" {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	}
	return p.c.Authserver.Answer(w, r, pending, SignedIn(s))
}

// SignedIn is a session as the authorization server knows it.
func SignedIn(s login.Session) authserver.SignedIn {
	return authserver.SignedIn{Principal: s.Principal, Name: s.Name, Groups: s.Groups, At: s.At, ACR: s.ACR}
}

// linkForm is the page of a sign-in link: a button, so that whoever merely looks at the address does not use it up.
type linkForm struct{ Name string }

func (p *Pages) showLink(w http.ResponseWriter, r *http.Request) error {
	name, err := p.c.Login.Link(r, token.NewSecret(r.PathValue("secret")))
	if err != nil {
		return err
	}
	return p.show(w, http.StatusOK, "link", view{Title: "Sign in", Page: linkForm{name}})
}

func (p *Pages) useLink(w http.ResponseWriter, r *http.Request) error {
	secret := token.NewSecret(r.PathValue("secret"))
	if _, err := p.c.Login.Link(r, secret); err != nil { // first, so that a stranger's guesses cost no record each
		return err
	}
	if _, err := p.c.Login.UseLink(w, r, secret); err != nil {
		return err
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

func (p *Pages) signOut(w http.ResponseWriter, r *http.Request) error {
	if err := p.c.Login.SignOut(w, r); err != nil {
		return err
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

func (p *Pages) home(w http.ResponseWriter, r *http.Request) error {
	s, err := p.c.Login.Current(r)
	if err != nil {
		return err
	}
	return p.show(w, http.StatusOK, "home", view{Title: "Doorward", Session: s, Page: p.c.Resources})
}
