package authserver

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/grant"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
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

// Authorize serves GET /authorize: a new request, one that was pushed, or the return from a page. An error that is a *Return
// is the client's; any other is for the person alone.
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
	// Before anything is read or a pushed request is used up.
	if !s.rate.Allow(request.From(r.Context()), "authorize", maxPending) {
		return s.Refused(r, q.Get("client_id"), &oauth.Error{Status: 429, Code: "temporarily_unavailable", Reason: "quota", RetryAfter: 60, Description: "too many sign-ins were begun from your address; try again in a minute"})
	}
	person, err := s.person(r)
	if err != nil {
		return err
	}
	p, err := s.ask(r, q, person)
	if err != nil {
		return s.Refused(r, q.Get("client_id"), err)
	}
	return s.begin(w, r, p, person)
}

// ask makes a request of what came: as parameters, or by reference to one that was pushed.
func (s *Server) ask(r *http.Request, q oauth.Params, person *SignedIn) (Pending, error) {
	if strings.HasPrefix(q.Get("request_uri"), pushedPrefix) {
		return s.takePushed(r, q, person)
	}
	return s.validate(r.Context(), q, r.URL.RawQuery, person)
}

// begin stores a request for this browser and sends it on.
func (s *Server) begin(w http.ResponseWriter, r *http.Request, p Pending, person *SignedIn) error {
	now := request.From(r.Context()).Now
	p.ID, p.Browser, p.Began = rand.Text(), s.browser(w, r), now.Truncate(time.Millisecond)
	if person != nil && p.Fresh(person.At) {
		p.SignedIn = person
	}
	if err := s.c.Store.Pendings.Begin(r.Context(), now, now.Add(s.c.Lifetimes.Pending), p); err != nil {
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
		_, lost := s.c.Log.Refused(r.Context(), audit.Record{Code: audit.AuthorizeRefused, Now: info.Now, Request: info.ID, Client: info.Client, About: kept(client), Reason: known.Reason})
		if lost != nil {
			return lost
		}
	}
	return err
}

// validate judges a request: first who asks and where the answer would go, then everything else. A client whose document is
// not at hand waits until somebody has signed in: a stranger makes us fetch nothing.
func (s *Server) validate(ctx context.Context, q oauth.Params, raw string, person *SignedIn) (Pending, error) {
	if id := q.Get("client_id"); person == nil && oauth.IsDocumentID(id) {
		if _, known := s.c.Known(ctx, id); !known {
			p, err := unread(id, q, raw)
			if err == nil {
				err = unasked(p)
			}
			return p, err
		}
	}
	c, redirect, err := s.asker(ctx, q)
	if err != nil {
		return Pending{}, err
	}
	return s.validated(ctx, c, redirect, q, person)
}

// validated judges what c asks, once it is settled where the answer goes.
func (s *Server) validated(ctx context.Context, c oauth.Client, redirect string, q oauth.Params, person *SignedIn) (Pending, error) {
	p := Pending{Client: c.ID, Redirect: redirect, State: q.Get("state"), Challenge: q.Get("code_challenge")}
	if err := s.fill(&p, c, q); err != nil {
		var known *oauth.Error
		if !errors.As(err, &known) {
			return Pending{}, err
		}
		return Pending{}, s.back(ctx, c, p, person, known)
	}
	return p, nil
}

// back is an error of p on its way to the client: unseen only if the operator or this person trusts the address already.
func (s *Server) back(ctx context.Context, c oauth.Client, p Pending, person *SignedIn, e *oauth.Error) error {
	direct := c.Source == oauth.Listed
	if !direct && person != nil {
		approved, err := s.c.Store.Consents.Approved(ctx, request.From(ctx).Now, person.Principal, c.ID)
		if err != nil {
			return err
		}
		direct = approved
	}
	return &Return{e, c, s.errorURL(p, e), direct}
}

// unread is a request that is kept as it came, because the document of its client is not at hand.
func unread(id string, q oauth.Params, raw string) (Pending, error) {
	if reason := oauth.CheckDocumentID(id); reason != "" {
		return Pending{}, oauth.InvalidClient("document_address", "the client id cannot be the address of a metadata document: "+reason)
	}
	return Pending{Client: id, Unread: raw, LoginHint: hint(q)}, nil
}

// unasked is the error of an unread request for which nobody is signed in, if its client wants nobody to be asked.
func unasked(p Pending) error {
	if q, err := oauth.ReadParams(p.Unread); err == nil && slices.Contains(strings.Fields(q.Get("prompt")), "none") {
		return loginRequired
	}
	return nil
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
	if c.Waits {
		return oauth.Client{}, "", waits
	}
	redirect, err := redirectOf(c, q)
	return c, redirect, err
}

// waits is the answer to a client that the operator has not admitted yet.
var waits = &oauth.Error{Status: 403, Code: "unauthorized_client", Reason: "client_waits",
	Description: "this program is new here and waits for an administrator to admit it; ask whoever runs this server, then connect again"}

func redirectOf(c oauth.Client, q oauth.Params) (string, error) {
	redirect := q.Get("redirect_uri")
	if redirect == "" && len(c.RedirectURIs) == 1 { // RFC 6749 §3.1.2.3
		redirect = c.RedirectURIs[0]
	}
	if !oauth.MatchRedirect(c.RedirectURIs, redirect) {
		return "", oauth.InvalidRequest("redirect_uri", "the redirect address is not one that this client registered")
	}
	return redirect, nil
}

// fill judges the rest of a request into p.
func (s *Server) fill(p *Pending, c oauth.Client, q oauth.Params) error {
	switch {
	case !c.May("authorization_code"):
		return unauthorizedClient("authorization_code")
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
	case q.Get("dpop_jkt") != "" && !thumbprint.MatchString(q.Get("dpop_jkt")): // RFC 9449 §10
		return oauth.InvalidRequest("dpop_jkt", "dpop_jkt is not the SHA-256 thumbprint of a key")
	case len(q.Get("nonce")) > 512:
		return oauth.InvalidRequest("nonce", "the nonce is too long")
	}
	if err := s.fillPerson(p, q); err != nil {
		return err
	}
	var err error
	if p.Task, err = token.ParseTask(q.Get("authorization_details")); err != nil {
		return err
	}
	if p.Scopes, err = oauth.ParseScopes(q.Get("scope")); err != nil {
		return err
	}
	p.Nonce, p.Key, p.Limit = q.Get("nonce"), q.Get("dpop_jkt"), limit(c)
	p.Resources, p.Choices, err = s.target(q.All("resource"), p.Scopes)
	return err
}

// thumbprint is base64url of a SHA-256. RFC 7638.
var thumbprint = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

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
		return s.declined(w, r, p)
	}
	p, err := s.readUnread(r, now, p)
	if err != nil {
		return err
	}
	if p.SignedIn != nil && p.Unread == "" && len(s.Offered(p, slices.Concat(p.Resources, p.Choices))) == 0 {
		return s.failed(r, p, notPermitted)
	}
	for _, step := range s.steps {
		due, err := step.Due(r.Context(), now, p)
		if err != nil {
			return err
		}
		if due && slices.Contains(p.Prompt, "none") {
			return s.failed(r, p, unattended(step.Name))
		}
		if due {
			http.Redirect(w, r, step.Page+"?"+url.Values{pendingParam: {p.ID}}.Encode(), http.StatusSeeOther)
			return nil
		}
	}
	return s.approve(w, r, now, p)
}

var notPermitted = &oauth.Error{Status: 403, Code: "access_denied", Reason: "not_permitted", Description: "nothing there is open to this person"}

// readUnread validates a request that was stored as it came, now that somebody has signed in.
func (s *Server) readUnread(r *http.Request, now time.Time, p Pending) (Pending, error) {
	if p.Unread == "" || p.SignedIn == nil {
		return p, nil
	}
	q, err := oauth.ReadParams(p.Unread)
	if err != nil {
		return p, err
	}
	validated, err := s.validate(r.Context(), q, p.Unread, p.SignedIn)
	if err == nil && p.Pushed != "" {
		err = s.pushedBy(r.Context(), p)
	}
	if err != nil {
		return p, s.Refused(r, p.Client, err)
	}
	a := read{validated}
	if err := s.c.Store.Pendings.Answer(r.Context(), now, p.ID, a); err != nil {
		return p, err
	}
	return p.With(a), nil
}

// failed is an error that a stored request comes to.
func (s *Server) failed(r *http.Request, p Pending, e *oauth.Error) error {
	c, err := s.c.Client(r.Context(), p.Client)
	if err != nil {
		return err
	}
	if p.Device != nil {
		return s.Refused(r, p.Client, e)
	}
	return s.Refused(r, p.Client, s.back(r.Context(), c, p, p.SignedIn, e))
}

func (s *Server) declined(w http.ResponseWriter, r *http.Request, p Pending) error {
	if p.Device != nil {
		http.Redirect(w, r, DeviceDonePage+"?declined=1", http.StatusSeeOther)
		return nil
	}
	c, err := s.c.Client(r.Context(), p.Client)
	if err != nil {
		return err
	}
	denied := &oauth.Error{Status: 403, Code: "access_denied", Reason: "declined", Description: "the person declined"}
	return &Return{denied, c, s.errorURL(p, denied), true} // the person has just seen the page and pressed its button
}

// approve writes the grant and gives the code. Every grant has a refresh token, with or without offline_access.
func (s *Server) approve(w http.ResponseWriter, r *http.Request, now time.Time, p Pending) error {
	c, err := s.standing(r.Context(), p)
	if err != nil {
		return s.Refused(r, p.Client, err)
	}
	if p.SignedIn == nil { // no list of steps, however wrong, gives a code to nobody
		return errors.New("approving a request that nobody signed in for")
	}
	g, code := grant.New(now, s.approved(p, c), s.c.Lifetimes.Lifetimes)
	info := request.From(r.Context())
	record := audit.Record{Code: audit.Authorized, Now: now, Request: info.ID, Client: info.Client, Subject: p.SignedIn.Principal, About: c.ID, Server: g.Resources[0]}
	_, err = s.c.Log.Do(r.Context(), record, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		return audit.Outcome{Grant: g.ID, Client: c.ID, Scopes: g.Scopes, Task: g.Task}, s.c.Store.Grants.Approve(ctx, in, p, g)
	})
	if errors.Is(err, ErrNotFound) {
		return oauth.InvalidRequest("pending_gone", "this sign-in has been completed already; look at the program that sent you here")
	}
	if err != nil {
		return err
	}
	if p.Device != nil {
		http.Redirect(w, r, DeviceDonePage, http.StatusSeeOther)
		return nil
	}
	answer := url.Values{"code": {code.Reveal()}, "iss": {s.c.Issuer}} // RFC 9207 §2
	if p.State != "" {
		answer.Set("state", p.State)
	}
	http.Redirect(w, r, oauth.ResponseURL(p.Redirect, answer), http.StatusSeeOther)
	return nil
}

// standing is the client of p as it is now: an address or an admission that was withdrawn since p began is not honoured.
func (s *Server) standing(ctx context.Context, p Pending) (oauth.Client, error) {
	c, err := s.c.Client(ctx, p.Client)
	switch {
	case err != nil:
		return c, err
	case c.Waits:
		return c, waits
	case p.Device == nil && !oauth.MatchRedirect(c.RedirectURIs, p.Redirect):
		return c, oauth.InvalidRequest("redirect_uri", "the client has withdrawn the redirect address that this sign-in began with; connect again")
	}
	return c, nil
}

// approved is what the grant of p says: what the person saw and allowed, or what an earlier consent covers.
func (s *Server) approved(p Pending, c oauth.Client) grant.Approved {
	resources, scopes := p.Resources, s.Offered(p, p.Resources)
	if p.Consented != nil {
		resources, scopes = p.Consented.Resources, p.Consented.Scopes
	}
	a := grant.Approved{
		Subject: p.SignedIn.Principal, Client: c.ID, Confidential: !c.Public(), Redirect: p.Redirect, Challenge: p.Challenge,
		Resources: resources, Scopes: scopes, ACR: p.SignedIn.ACR, Groups: p.SignedIn.Groups, Signed: p.SignedIn.At,
		Name: p.SignedIn.Name, Nonce: p.Nonce, Task: p.Task, Bound: c.DPoPBound, CodeKey: p.Key,
	}
	if p.Device != nil {
		a.Device = &grant.Device{CodeHash: p.Device.CodeHash, Until: p.Device.Until}
	}
	return a
}

// errorURL is where an error of p goes. RFC 6749 §4.1.2.1; RFC 9207 §2: iss stands in errors too.
func (s *Server) errorURL(p Pending, e *oauth.Error) string {
	answer := url.Values{"error": {e.Code}, "error_description": {e.Description}, "iss": {s.c.Issuer}}
	if p.State != "" {
		answer.Set("state", p.State)
	}
	return oauth.ResponseURL(p.Redirect, answer)
}
