package authserver

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/grant"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
)

// What a stranger can have stored as pending requests is bounded: so long each, and so many a minute from one source.
const (
	maxQuery   = 16 << 10
	maxPending = 600
)

// Return is an error whose answer belongs to the client, at To. Direct: it may go there unseen; else a page asks the
// person first, so that an error cannot be used to send people to a stranger's address (RFC 9700 §4.11.2).
type Return struct {
	Err    *oauth.Error
	Client oauth.Client
	To     string
	Direct bool
}

func (e *Return) Error() string { return e.Err.Error() }

// Unwrap is the error itself, for errors.As.
func (e *Return) Unwrap() error { return e.Err }

// Authorize serves GET /authorize: a new request, or the return from a page. An error that is a *Return is the client's;
// any other is for the person alone.
func (s *Server) Authorize(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet {
		return &oauth.Error{Status: 405, Code: "invalid_request", Reason: "method", Description: "this address takes GET only"}
	}
	if len(r.URL.RawQuery) > maxQuery {
		return oauth.InvalidRequest("too_long", "the request is too long")
	}
	q, err := oauth.ReadParams(r.URL.RawQuery)
	if err != nil {
		return s.Refused(r, "", err)
	}
	if id := q.Get(pendingParam); id != "" {
		return s.resume(w, r, id)
	}
	p, err := s.validate(r, q)
	if err != nil {
		return s.Refused(r, q.Get("client_id"), err)
	}
	if !s.rate.Allow(request.From(r.Context()), "authorize", maxPending) {
		return s.Refused(r, p.Client, &oauth.Error{Status: 429, Code: "temporarily_unavailable", Reason: "quota", RetryAfter: 60, Description: "too many sign-ins were begun from your address; try again in a minute"})
	}
	p.ID, p.Browser = rand.Text(), s.browser(w, r)
	now := request.From(r.Context()).Now
	if err := s.c.Store.Pendings.Begin(r.Context(), now, now.Add(s.c.Pending), p); err != nil {
		return err
	}
	return s.next(w, r, p)
}

// Refused records a refusal of a sign-in and returns err as it is. client may be empty. Errors that are no *oauth.Error
// are faults, not refusals: they have no record.
func (s *Server) Refused(r *http.Request, client string, err error) error {
	var known *oauth.Error
	if errors.As(err, &known) {
		info := request.From(r.Context())
		_, lost := s.c.Log.Refused(r.Context(), audit.Record{Code: audit.AuthorizeRefused, Now: info.Now, Request: info.ID, Client: info.Client, About: client, Reason: known.Reason})
		if lost != nil {
			return lost
		}
	}
	return err
}

// validate judges a request: first who asks and where the answer would go, then everything else.
func (s *Server) validate(r *http.Request, q oauth.Params) (Pending, error) {
	c, redirect, err := s.asker(r.Context(), q)
	if err != nil {
		return Pending{}, err
	}
	p := Pending{Client: c.ID, Redirect: redirect, State: q.Get("state"), Challenge: q.Get("code_challenge")}
	if err := s.fill(&p, q); err != nil {
		var known *oauth.Error
		if !errors.As(err, &known) {
			return Pending{}, err
		}
		direct := c.Source == oauth.Listed || s.c.Approved(r, c.ID)
		return Pending{}, &Return{known, c, s.errorURL(p, known), direct}
	}
	return p, nil
}

// asker is the client and where the answer goes. Its errors are shown and never redirected: RFC 6749 §4.1.2.1.
func (s *Server) asker(ctx context.Context, q oauth.Params) (oauth.Client, string, error) {
	if q.Get("client_id") == "" {
		return oauth.Client{}, "", oauth.InvalidRequest("no_client", "the request names no client_id")
	}
	c, err := s.c.Client(ctx, q.Get("client_id"))
	if err != nil {
		return oauth.Client{}, "", err
	}
	redirect := q.Get("redirect_uri")
	if redirect == "" && len(c.RedirectURIs) == 1 { // RFC 6749 §3.1.2.3
		redirect = c.RedirectURIs[0]
	}
	if !oauth.MatchRedirect(c.RedirectURIs, redirect) {
		return oauth.Client{}, "", oauth.InvalidRequest("redirect_uri", "the redirect address is not one that this client registered")
	}
	return c, redirect, nil
}

// fill judges the rest of a request into p.
func (s *Server) fill(p *Pending, q oauth.Params) error {
	switch {
	case q.Get("request") != "":
		return &oauth.Error{Status: 400, Code: "request_not_supported", Reason: "request_object", Description: "request objects are not supported"}
	case q.Get("request_uri") != "":
		return &oauth.Error{Status: 400, Code: "request_uri_not_supported", Reason: "request_object", Description: "request objects are not supported"}
	case q.Get("response_type") != "code":
		return &oauth.Error{Status: 400, Code: "unsupported_response_type", Reason: "response_type", Description: "the only response_type is code"}
	case q.Get("response_mode") != "" && q.Get("response_mode") != "query":
		return oauth.InvalidRequest("response_mode", "the only response_mode is query")
	// RFC 7636 §4.4.1, OAuth 2.1 §4.1.1: without a method the challenge would be plain, which is not accepted.
	case q.Get("code_challenge") == "":
		return oauth.InvalidRequest("no_pkce", "the request has no code_challenge: PKCE is required")
	case q.Get("code_challenge_method") != "S256" || !oauth.ValidChallenge(q.Get("code_challenge")):
		return oauth.InvalidRequest("pkce_method", "the code_challenge must be made with code_challenge_method S256")
	}
	resources, err := s.resources(q.All("resource"))
	if err != nil {
		return err
	}
	asked, err := oauth.ParseScopes(q.Get("scope"))
	if err != nil {
		return err
	}
	for _, r := range resources {
		p.Resources = append(p.Resources, r.URI)
	}
	p.Scopes = narrow(asked, resources)
	return nil
}

// resume continues a stored request after a page has answered.
func (s *Server) resume(w http.ResponseWriter, r *http.Request, id string) error {
	p, err := s.pending(r, id)
	if err != nil {
		return err
	}
	return s.next(w, r, p)
}

// next sends the browser to the first step that is due, or back to the client with a code.
func (s *Server) next(w http.ResponseWriter, r *http.Request, p Pending) error {
	now := request.From(r.Context()).Now
	if p.Declined {
		return s.declined(r, now, p)
	}
	for _, step := range s.steps {
		due, err := step.Due(r.Context(), now, p)
		if err != nil {
			return err
		}
		if due {
			http.Redirect(w, r, step.Page+"?"+url.Values{pendingParam: {p.ID}}.Encode(), http.StatusSeeOther)
			return nil
		}
	}
	return s.approve(w, r, now, p)
}

func (s *Server) declined(r *http.Request, now time.Time, p Pending) error {
	c, err := s.c.Client(r.Context(), p.Client)
	if err != nil {
		return err
	}
	denied := &oauth.Error{Status: 403, Code: "access_denied", Reason: "declined", Description: "the person declined"}
	return &Return{denied, c, s.errorURL(p, denied), true} // the person has just seen the page and pressed its button
}

// approve writes the grant and gives the code. Every grant has a refresh token, with or without offline_access.
func (s *Server) approve(w http.ResponseWriter, r *http.Request, now time.Time, p Pending) error {
	c, err := s.c.Client(r.Context(), p.Client)
	if err != nil {
		return err
	}
	if p.SignedIn == nil { // no list of steps, however wrong, gives a code to nobody
		return errors.New("approving a request that nobody signed in for")
	}
	g, code := grant.New(now, grant.Approved{
		Subject: p.SignedIn.Principal, Client: c.ID, Confidential: !c.Public(), Redirect: p.Redirect, Challenge: p.Challenge,
		Resources: p.Resources, Scopes: p.Scopes, ACR: p.SignedIn.ACR, Groups: p.SignedIn.Groups, Signed: p.SignedIn.At,
	}, s.c.Lifetimes)
	info := request.From(r.Context())
	record := audit.Record{Code: audit.Authorized, Now: now, Request: info.ID, Client: info.Client, Subject: p.SignedIn.Principal, About: c.ID, Server: p.Resources[0]}
	_, err = s.c.Log.Do(r.Context(), record, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		return audit.Outcome{Grant: g.ID, Client: c.ID}, s.c.Store.Grants.Approve(ctx, in, p.ID, g)
	})
	if errors.Is(err, ErrNotFound) {
		return oauth.InvalidRequest("pending_gone", "this sign-in has been completed already; look at the program that sent you here")
	}
	if err != nil {
		return err
	}
	answer := url.Values{"code": {code.Reveal()}, "iss": {s.c.Issuer}} // RFC 9207 §2
	if p.State != "" {
		answer.Set("state", p.State)
	}
	http.Redirect(w, r, oauth.ResponseURL(p.Redirect, answer), http.StatusSeeOther)
	return nil
}

// errorURL is where an error of p goes. RFC 6749 §4.1.2.1; RFC 9207 §2: iss stands in errors too.
func (s *Server) errorURL(p Pending, e *oauth.Error) string {
	answer := url.Values{"error": {e.Code}, "error_description": {e.Description}, "iss": {s.c.Issuer}}
	if p.State != "" {
		answer.Set("state", p.State)
	}
	return oauth.ResponseURL(p.Redirect, answer)
}
