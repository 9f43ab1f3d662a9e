package authserver

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// Pending is a validated authorization request and what the pages have answered so far.
type Pending struct {
	ID        string
	Client    string
	Redirect  string
	State     string
	Challenge string
	Resources []string // configured strings; empty: the person chooses one of Choices
	Choices   []string
	Scopes    oauth.Scopes // as asked for; Server.Offered is what of them there is
	Limit     oauth.Scopes // what the operator lets the client have; nil: whatever there is
	Browser   [32]byte     // hash of the cookie of the browser that asked
	Began     time.Time

	Nonce     string      // OpenID Connect Core §3.1.2.1
	Task      *token.Task // nil: nothing narrower than Scopes
	Key       string      // dpop_jkt
	Prompt    []string
	MaxAge    *int // seconds; nil: however old the sign-in is
	LoginHint string

	Pushed string  // by the client at /par, and how it authenticated there; empty: by a browser
	Unread string  // the query of a client whose document is read only when somebody has signed in; empty: validated
	Device *Device // nil: the code goes to Redirect

	SignedIn  *SignedIn
	Consented *Consented
	Declined  bool
}

// Answer is what one page learned. It is one of a closed set: SignedIn, Consented, Declined, read.
type Answer interface{ to(*Pending) }

// SignedIn says who the person is, since when, and how that is known.
type SignedIn struct {
	token.Principal
	Name   string
	Groups []string
	At     time.Time
	ACR    string
}

// Consented says what the person allowed, and where.
type Consented struct {
	Scopes    oauth.Scopes
	Resources []string
}

// Declined says that the person said no.
type Declined struct{}

// read is a request that was stored unread and has been validated since.
type read struct{ Pending }

func (a SignedIn) to(p *Pending) { p.SignedIn = &a; p.Consented = nil } // consent is of the person who gave it

func (a Consented) to(p *Pending) { p.Consented = &a }
func (Declined) to(p *Pending)    { p.Declined = true }

func (a read) to(p *Pending) {
	old := *p
	*p = a.Pending
	p.ID, p.Browser, p.Began, p.SignedIn = old.ID, old.Browser, old.Began, old.SignedIn
	if old.Key != "" { // proved when the request was pushed
		p.Key = old.Key
	}
}

// Fresh reports whether a sign-in of that time is what the request asks for: OpenID Connect Core §3.1.2.1, prompt and max_age.
// One since the request began always is.
func (p Pending) Fresh(at time.Time) bool {
	switch {
	case !at.Before(p.Began):
		return true
	case slices.Contains(p.Prompt, "login"), slices.Contains(p.Prompt, "select_account"):
		return false
	}
	// Tokens say in whole seconds when the person signed in, and who asks for a recent sign-in reckons with that.
	return p.MaxAge == nil || p.Began.Sub(at.Truncate(time.Second)) <= time.Duration(*p.MaxAge)*time.Second
}

// With is p with one more answer.
func (p Pending) With(a Answer) Pending { a.to(&p); return p }

// Step is one thing that may be due before a code is given. The first that is due is next.
type Step struct {
	Name, Page string
	Due        func(ctx context.Context, now time.Time, p Pending) (bool, error)
}

const signInStep = "sign in"

// SignIn is the Step that is due until the person is known, by a sign-in as fresh as the client asks.
func SignIn(page string) Step {
	return Step{signInStep, page, func(_ context.Context, _ time.Time, p Pending) (bool, error) {
		return p.SignedIn == nil || !p.Fresh(p.SignedIn.At), nil
	}}
}

const pendingParam = "pending"

// Pending returns the request that a page works on, if this browser asked it. The error is an *oauth.Error for the page.
func (s *Server) Pending(r *http.Request) (Pending, error) {
	return s.pending(r, r.FormValue(pendingParam))
}

func (s *Server) pending(r *http.Request, id string) (Pending, error) {
	if !s.rate.Allow(request.From(r.Context()), "endpoint", s.c.Limits.Address) {
		return Pending{}, s.Refused(r, "", tooMany())
	}
	p, err := s.asked(r, id)
	if err != nil {
		return Pending{}, s.Refused(r, "", err)
	}
	return p, nil
}

func (s *Server) asked(r *http.Request, id string) (Pending, error) {
	p, err := s.c.Store.Pendings.Pending(r.Context(), request.From(r.Context()).Now, id)
	if errors.Is(err, ErrNotFound) {
		return Pending{}, pendingGone
	}
	if err != nil {
		return Pending{}, err
	}
	cookie, err := r.Cookie(s.browserCookie())
	if err != nil {
		return Pending{}, otherBrowser
	}
	hash := sha256.Sum256([]byte(cookie.Value))
	if subtle.ConstantTimeCompare(hash[:], p.Browser[:]) != 1 {
		return Pending{}, otherBrowser
	}
	return s.present(r, p)
}

// person is who is signed in in this browser; nil: nobody.
func (s *Server) person(r *http.Request) (*SignedIn, error) {
	if s.c.Person == nil {
		return nil, nil
	}
	return s.c.Person(r)
}

// present is p with its person as the session has them now: whoever has signed out since gives nothing any more, and a group
// that was taken away since opens nothing.
func (s *Server) present(r *http.Request, p Pending) (Pending, error) {
	if p.SignedIn == nil || s.c.Person == nil {
		return p, nil
	}
	now, err := s.c.Person(r)
	if err != nil {
		return Pending{}, err
	}
	if now == nil || now.Principal != p.SignedIn.Principal {
		p.SignedIn, p.Consented = nil, nil
		return p, nil
	}
	who := *p.SignedIn
	who.Groups = now.Groups
	p.SignedIn = &who
	return p, nil
}

var pendingGone = &oauth.Error{Status: 400, Code: "invalid_request", Reason: "pending_gone",
	Description: "this sign-in has ended or is too old; go back to the program that sent you here and connect again"}

var otherBrowser = &oauth.Error{Status: 403, Code: "access_denied", Reason: "other_browser",
	Description: "this sign-in was begun in another browser, or this browser keeps no cookies; connect again from the program and stay in one browser"}

// Answer stores what a page learned and sends the browser back to /authorize.
func (s *Server) Answer(w http.ResponseWriter, r *http.Request, p Pending, a Answer) error {
	err := s.c.Store.Pendings.Answer(r.Context(), request.From(r.Context()).Now, p.ID, a)
	if errors.Is(err, ErrNotFound) {
		return s.Refused(r, p.Client, pendingGone)
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/authorize?"+url.Values{pendingParam: {p.ID}}.Encode(), http.StatusSeeOther)
	return nil
}

// browserCookie is the cookie that binds a pending request to the browser that asked.
func (s *Server) browserCookie() string { return s.c.Cookie("browser") }

// browser is the hash of this browser's cookie, which is set if it has none.
func (s *Server) browser(w http.ResponseWriter, r *http.Request) [32]byte {
	if c, err := r.Cookie(s.browserCookie()); err == nil && len(c.Value) >= 26 && len(c.Value) <= 64 {
		return sha256.Sum256([]byte(c.Value))
	}
	value := rand.Text()
	http.SetCookie(w, &http.Cookie{Name: s.browserCookie(), Value: value, Path: "/", HttpOnly: true, Secure: s.secure(), SameSite: http.SameSiteLaxMode})
	return sha256.Sum256([]byte(value))
}
