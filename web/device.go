package web

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/login"
	"github.com/doorward-mcp/doorward/oauth"
)

// deviceForm asks for the code that a device shows. A code that came with the address is filled in, never sent by itself:
// whoever follows a stranger's link must look at it. RFC 8628 §3.3.1, §5.4.
type deviceForm struct{ Code, Problem string }

func (p *Pages) showDevice(w http.ResponseWriter, r *http.Request) error {
	s, err := p.c.Login.Current(r)
	if err != nil {
		return err
	}
	return p.show(w, http.StatusOK, "device", view{Title: "Connect a device", Session: s, Page: deviceForm{Code: r.FormValue("user_code")}})
}

// device takes the form. A mistyped code, and one that came too soon after others, shows it again.
func (p *Pages) device(w http.ResponseWriter, r *http.Request) error {
	typed := r.PostFormValue("user_code")
	err := p.c.Authserver.EnterUserCode(w, r, typed)
	var known *oauth.Error
	if !errors.As(err, &known) || known.Reason != "user_code" && known.RetryAfter == 0 {
		return err
	}
	s, err := p.c.Login.Current(r)
	if err != nil {
		return err
	}
	if known.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(known.RetryAfter))
	}
	return p.show(w, known.HTTPStatus(), "device", view{Title: "Connect a device", Session: s, Page: deviceForm{typed, known.Description}})
}

// deviceDone is the end of the flow in the browser. Page: whether the device was declined.
func (p *Pages) deviceDone(w http.ResponseWriter, r *http.Request) error {
	s, err := p.c.Login.Current(r)
	if err != nil {
		return err
	}
	return p.show(w, http.StatusOK, "devicedone", view{Title: "Connect a device", Session: s, Page: r.FormValue("declined") != ""})
}

// logoutForm asks whether to sign out. Fields are the client's request, so that the button repeats it.
type logoutForm struct {
	Client string
	Fields map[string]string
}

// logout signs out at a client's request. An ID token of the very person who is signed in is as good as a button; without it
// the person is asked, or any page could sign people out. RP-Initiated Logout 1.0 §2.
func (p *Pages) logout(w http.ResponseWriter, r *http.Request) error {
	ending, err := p.c.Authserver.EndSession(r)
	if err != nil {
		return err
	}
	s, err := p.c.Login.Current(r)
	if err != nil {
		return err
	}
	sure := s.Nobody() || ending.Subject == s.Subject || r.Method == http.MethodPost && r.PostFormValue("decision") == "sign-out"
	if !sure {
		return p.show(w, http.StatusOK, "logout", view{Title: "Sign out?", Session: s, Page: asksToSignOut(r, ending)})
	}
	if err := p.endSession(w, r, s); err != nil {
		return err
	}
	switch {
	case ending.To == "":
		http.Redirect(w, r, "/", http.StatusSeeOther)
	// Anybody can register an address: only one that the operator or this very person trusts is gone to unseen (rule 12).
	case ending.Listed, !s.Nobody() && ending.Subject == s.Subject:
		http.Redirect(w, r, ending.To, http.StatusSeeOther)
	default:
		return p.show(w, http.StatusOK, "signedout", view{Title: "You are signed out", Page: split(ending.To)})
	}
	return nil
}

func (p *Pages) endSession(w http.ResponseWriter, r *http.Request, s login.Session) error {
	if s.Nobody() {
		return nil
	}
	return p.c.Login.SignOut(w, r)
}

func asksToSignOut(r *http.Request, e authserver.Ending) logoutForm {
	f := logoutForm{Client: e.Client, Fields: map[string]string{}}
	for _, name := range []string{"id_token_hint", "client_id", "post_logout_redirect_uri", "state"} {
		if v := r.Form.Get(name); v != "" {
			f.Fields[name] = v
		}
	}
	return f
}
