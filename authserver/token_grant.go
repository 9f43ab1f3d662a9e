package authserver

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/doorward-mcp/doorward/grant"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// found is the grant that a request names, and what it wants of it, judged as far as that never changes.
func (s *Server) found(ctx context.Context, a ask, n grant.Name) (grant.Grant, grant.Wanted, error) {
	g, err := s.c.Store.Grants.Find(ctx, a.info.Now, n)
	if errors.Is(err, ErrNotFound) {
		return g, grant.Wanted{}, refusal(grant.Refused)
	}
	switch {
	case err != nil:
		return g, grant.Wanted{}, err
	case g.Confidential && a.client.Public(): // what was given to whoever proves to be the client is for nobody else
		return g, grant.Wanted{}, refusal(grant.Refused)
	case g.Bound && a.key == "":
		return g, grant.Wanted{}, noProof
	}
	w, err := s.wanted(a, g)
	return g, w, err
}

// wanted is what a token request asks for within its grant.
func (s *Server) wanted(a ask, g grant.Grant) (w grant.Wanted, err error) {
	w.Key = a.key
	r, err := s.oneResource(a.params)
	var known *oauth.Error
	switch {
	case err == nil:
		w.Resource = r.URI
	case errors.As(err, &known) && known.Reason == unknownResource:
		w.Resource = a.params.Get("resource") // the grant may hold it, of a server that was here then: served says so
	default:
		return w, err
	}
	if w.Scopes, err = oauth.ParseScopes(a.params.Get("scope")); err != nil {
		return w, err
	}
	if w.Task, err = token.ParseTask(a.params.Get("authorization_details")); err != nil {
		return w, err
	}
	if w.Task != nil && !w.Task.Within(g.Task) { // RFC 9396 §6.1
		return w, &oauth.Error{Status: 400, Code: "invalid_authorization_details", Reason: "task_not_granted", Description: "the task goes beyond what was granted"}
	}
	return w, s.served(g, w)
}

// served refuses a grant whose resource is no longer here, or knows nothing any more of what was granted: clients know what to
// do on invalid_grant, and nothing else.
func (s *Server) served(g grant.Grant, w grant.Wanted) error {
	uri := w.Resource
	if uri == "" && len(g.Resources) == 1 {
		uri = g.Resources[0]
	}
	if !slices.Contains(g.Resources, uri) {
		return nil // the grant itself says so
	}
	r, here := s.Resource(uri)
	may := r.Permitted(g.Groups)
	switch {
	case !here:
		return oauth.InvalidGrant("resource_gone", "the server that was authorized is not here any more; authorize again")
	case len(g.Resources) == 1 && len(g.Scopes.Intersect(may)) == 0:
		return oauth.InvalidGrant("nothing_there", "nothing of what was authorized is open at that server any more; authorize again")
	case len(g.Scopes.Intersect(may)) == 0, len(w.Scopes) > 0 && len(w.Scopes.Intersect(may)) == 0:
		return nothingLeft
	}
	return nil
}

// give is what a grant that was Good for w gives.
func (s *Server) give(now time.Time, g grant.Grant, w grant.Wanted) issued {
	i := issued{Claims: g.Claims(now, w, s.c.Lifetimes.Lifetimes), refresh: g.RefreshToken()}
	r, _ := s.Resource(i.Resource)
	i.Scopes = i.Scopes.Intersect(r.Permitted(g.Groups)) // those of another resource of the grant, and our own, mean nothing there
	i.MayAct = r.MayAct
	if g.Scopes.Contains(openID) {
		i.identity = &token.IDToken{Subject: g.Subject.Subject, Client: g.Client, Nonce: g.Nonce, ACR: g.ACR, Authenticated: g.Signed, Expires: now.Add(s.c.Lifetimes.Access)}
		if g.Scopes.Contains(profile) {
			i.identity.Name = g.Name
		}
	}
	return i
}

// settled reports whether a verdict stands whatever else happens: it changes nothing, so that it needs no act.
func settled(v grant.Verdict) bool {
	return v == grant.Refused || v == grant.WrongTarget || v == grant.WrongScope
}

// refusal is the answer to a verdict that gives nothing.
func refusal(v grant.Verdict) error {
	switch v {
	case grant.WrongTarget:
		return oauth.InvalidTarget("not_granted", "the resource is not one that was granted, or several were granted and none is named")
	case grant.WrongScope:
		return &oauth.Error{Status: 400, Code: "invalid_scope", Reason: "not_granted", Description: "the scope goes beyond what was granted"}
	}
	return oauth.InvalidGrant(v.String(), "the code or refresh token is wrong, expired, used or revoked; authorize again")
}
