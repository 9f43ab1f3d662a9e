package login

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// Current is who this browser is signed in as; the zero Session if nobody.
func (l *Login) Current(r *http.Request) (Session, error) {
	c, err := r.Cookie(l.c.Cookie("session"))
	if err != nil {
		return Session{}, nil
	}
	s, err := l.c.Sessions.Session(r.Context(), request.From(r.Context()).Now, sha256.Sum256([]byte(c.Value)))
	if errors.Is(err, ErrNotFound) {
		return Session{}, nil
	}
	return s, err
}

// Password signs in; the cookie is set on w. A wrong name and a wrong password are one error and take the same time.
func (l *Login) Password(w http.ResponseWriter, r *http.Request, name string, pw token.Secret) (Session, error) {
	info := request.From(r.Context())
	leave, err := l.enter(r.Context())
	if err != nil {
		return Session{}, err
	}
	defer leave()
	// Asked only now, when the tries before this one have been counted: a thousand at once are not a thousand free ones.
	if wait := l.throttle.wait(info.Now, info.Client, name); wait > 0 {
		seconds := int(wait/time.Second) + 1
		return Session{}, l.refused(r, "", &oauth.Error{Status: 429, Code: "temporarily_unavailable", Reason: "throttled", RetryAfter: seconds,
			Description: fmt.Sprintf("too many wrong tries; try again in %d seconds, or use a sign-in link", seconds)})
	}
	p, err := l.c.People.Person(r.Context(), info.Now, name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Session{}, err
	}
	if !checks(p.Password, pw) || p.Password == "" || p.Disabled {
		l.throttle.fail(info.Now, info.Client, name)
		return Session{}, l.refused(r, p.Name, &oauth.Error{Status: 403, Code: "access_denied", Reason: "password", Description: "the user name or the password is wrong"})
	}
	l.throttle.clear(info.Client, name)
	return l.start(w, r, audit.SignedIn, func(context.Context, audit.Intent) (Person, string, error) { return p, SingleFactor, nil })
}

// Link is the name of the person whom a sign-in link signs in, while it is good; it does not use the link up.
func (l *Login) Link(r *http.Request, secret token.Secret) (string, error) {
	p, err := l.c.Links.Link(r.Context(), request.From(r.Context()).Now, sha256.Sum256([]byte(secret.Reveal())))
	if errors.Is(err, ErrNotFound) {
		return "", l.refused(r, "", linkGone)
	}
	return p.Name, err
}

// UseLink uses a sign-in link up and signs in; the cookie is set on w.
func (l *Login) UseLink(w http.ResponseWriter, r *http.Request, secret token.Secret) (Session, error) {
	s, err := l.start(w, r, audit.LinkUsed, func(ctx context.Context, in audit.Intent) (Person, string, error) {
		p, err := l.c.Links.Use(ctx, in, sha256.Sum256([]byte(secret.Reveal())))
		if errors.Is(err, ErrNotFound) {
			err = linkGone
		}
		return p, SingleFactor, err
	})
	return s, err
}

var linkGone = &oauth.Error{Status: 403, Code: "access_denied", Reason: "link_gone",
	Description: "this sign-in link has been used or is too old; doorward admin link prints another"}

// start begins a session for the person whom who finds. The session is a new one, also for a browser that has one:
// a cookie from before a sign-in is never the one after it.
func (l *Login) start(w http.ResponseWriter, r *http.Request, code audit.Code, who func(context.Context, audit.Intent) (Person, string, error)) (Session, error) {
	info := request.From(r.Context())
	value := rand.Text()
	var s Session
	_, err := l.c.Log.Do(r.Context(), audit.Record{Code: code, Now: info.Now, Request: info.ID, Client: info.Client}, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		p, acr, err := who(ctx, in)
		if err != nil {
			return audit.Outcome{}, err
		}
		s = Session{Principal: p.Principal, Name: p.Name, Groups: p.Groups, At: in.Now(), ACR: acr}
		return audit.Outcome{Subject: p.Principal}, l.c.Sessions.Start(ctx, in, sha256.Sum256([]byte(value)), s, l.c.Lifetimes.SessionIdle, l.c.Lifetimes.SessionMost)
	})
	if err != nil {
		return Session{}, err
	}
	http.SetCookie(w, l.cookie(value, 0))
	return s, nil
}

// SignOut ends this browser's session. Without one it does nothing and records nothing: its record is kept in memory
// when the log is full, which a stranger with a cookie of his own making must not be able to fill.
func (l *Login) SignOut(w http.ResponseWriter, r *http.Request) error {
	c, err := r.Cookie(l.c.Cookie("session"))
	if err != nil {
		return nil
	}
	s, err := l.Current(r)
	if err != nil {
		return err
	}
	http.SetCookie(w, l.cookie("", -1))
	if s.Nobody() {
		return nil
	}
	info := request.From(r.Context())
	_, err = l.c.Log.Do(r.Context(), audit.Record{Code: audit.SignedOut, Now: info.Now, Request: info.ID, Client: info.Client, Subject: s.Principal}, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		return audit.Outcome{}, l.c.Sessions.End(ctx, in, sha256.Sum256([]byte(c.Value)))
	})
	return err
}

// refused records a refusal. name is a name that exists, or empty: people type their password into the wrong field.
func (l *Login) refused(r *http.Request, name string, e *oauth.Error) error {
	info := request.From(r.Context())
	if _, err := l.c.Log.Refused(r.Context(), audit.Record{Code: audit.SignInRefused, Now: info.Now, Request: info.ID, Client: info.Client, Name: name, Reason: e.Reason}); err != nil {
		return err
	}
	return e
}
