package authserver

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
)

// Ending is a client's request to sign the person out. OpenID Connect RP-Initiated Logout 1.0 §2.
type Ending struct {
	Subject string // of the ID token that came as a hint; empty: none came, and the person must be asked
	Client  string // its name; empty: not known
	To      string // where the browser goes afterwards; empty: nowhere
	Listed  bool   // the operator listed the client: the browser may go to To unseen
}

// EndSession judges a request to /logout. An address that its client did not register is refused, so that nobody is sent to a
// stranger's page from ours (§3).
func (s *Server) EndSession(r *http.Request) (e Ending, err error) {
	if !s.rate.Allow(request.From(r.Context()), "endpoint", s.c.Limits.Address) {
		return e, s.Refused(r, "", tooMany())
	}
	if err := r.ParseForm(); err != nil {
		return e, s.Refused(r, "", oauth.InvalidRequest("body", "the form cannot be read"))
	}
	q, err := oauth.ReadParams(r.Form.Encode())
	if err != nil {
		return e, s.Refused(r, "", err)
	}
	id := q.Get("client_id")
	if hint := q.Get("id_token_hint"); hint != "" {
		said, err := s.Ring().ReadIdentity(request.From(r.Context()).Now, hint)
		if err != nil || id != "" && id != said.Client {
			return e, s.Refused(r, id, oauth.InvalidRequest("id_token_hint", "the id_token_hint is not an ID token of this server for this client"))
		}
		e.Subject, id = said.Subject, said.Client
	}
	to := q.Get("post_logout_redirect_uri")
	if id == "" && to == "" {
		return e, nil
	}
	if id == "" {
		return e, s.Refused(r, id, oauth.InvalidRequest("no_client", "an address to go to afterwards needs an id_token_hint or a client_id"))
	}
	if _, known := s.c.Known(r.Context(), id); !known && e.Subject == "" && oauth.IsDocumentID(id) { // a stranger makes us fetch nothing
		return e, s.Refused(r, id, oauth.InvalidRequest("no_hint", "this client must send an id_token_hint"))
	}
	c, err := s.c.Client(r.Context(), id)
	if err != nil {
		return e, s.Refused(r, id, err)
	}
	if to != "" && !slices.Contains(c.LogoutURIs, to) {
		return e, s.Refused(r, id, oauth.InvalidRequest("post_logout_redirect_uri", "the address to go to afterwards is not one that this client registered"))
	}
	e.Client, e.Listed = c.DisplayName(), c.Source == oauth.Listed
	if to != "" {
		answer := url.Values{}
		if state := q.Get("state"); state != "" {
			answer.Set("state", state)
		}
		e.To = oauth.ResponseURL(to, answer)
	}
	return e, nil
}
