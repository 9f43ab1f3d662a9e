package authserver

import (
	"context"
	"crypto/rand"
	"slices"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// clientCredentials is the client_credentials grant: a token for the client itself, and no refresh token. RFC 6749 §4.4; the MCP
// extension io.modelcontextprotocol/oauth-client-credentials. For clients of the operator's alone (rule 14).
func (s *Server) clientCredentials(_ context.Context, a ask) (act, error) {
	if a.client.Source != oauth.Listed || a.client.Public() {
		return nil, unauthorizedClient("client_credentials")
	}
	claims, err := s.withoutGrant(a, token.Principal{Issuer: s.c.Issuer, Subject: a.client.ID}, nil)
	if err != nil {
		return nil, err
	}
	return func(context.Context, audit.Intent) (issued, error) { return issued{Claims: claims}, nil }, nil
}

// withoutGrant is what a token without a grant says of a subject: for one of the resources that the operator lets the client reach, with
// what of its scopes is asked for, and of within if that is not nil.
func (s *Server) withoutGrant(a ask, subject token.Principal, within oauth.Scopes) (token.Claims, error) {
	r, err := s.reached(a)
	if err != nil {
		return token.Claims{}, err
	}
	asked, err := oauth.ParseScopes(a.params.Get("scope"))
	if err != nil {
		return token.Claims{}, err
	}
	task, err := token.ParseTask(a.params.Get("authorization_details"))
	if err != nil {
		return token.Claims{}, err
	}
	may := r.Permitted(nil)
	if a.client.Scope != "" { // of a document too: what it says it may have at most
		most, err := oauth.ParseScopes(a.client.Scope)
		if err != nil {
			return token.Claims{}, err
		}
		may = may.Intersect(most)
	}
	if within != nil {
		may = may.Intersect(within)
	}
	scopes := asked.Intersect(may)
	if len(asked) == 0 {
		if scopes = r.InitialScopes().Intersect(may); len(scopes) == 0 {
			scopes = may
		}
	}
	if len(scopes) == 0 {
		return token.Claims{}, nothingLeft
	}
	now := a.info.Now
	c := token.Claims{Principal: subject, Client: a.client.ID, ID: rand.Text(), Resource: r.URI, Scopes: scopes, Issued: now, Expires: now.Add(s.c.Lifetimes.Access), Key: a.key, Task: task}
	if task != nil && !task.Expires.IsZero() && task.Expires.Before(c.Expires) {
		c.Expires = task.Expires
	}
	if !now.Before(c.Expires) {
		return token.Claims{}, &oauth.Error{Status: 400, Code: "invalid_authorization_details", Reason: "task_over", Description: "the task has expired"}
	}
	return c, nil
}

var nothingLeft = &oauth.Error{Status: 400, Code: "invalid_scope", Reason: "nothing_left", Description: "of the scopes that were asked for, this client may have none there"}

// reached is the one resource that a request without a person is for. RFC 8707 §2.
func (s *Server) reached(a ask) (oauth.Resource, error) {
	r, err := s.oneResource(a.params)
	switch {
	case err != nil:
		return r, err
	case r.URI == "" && len(a.client.Reaches) == 1:
		r, _ = s.Resource(a.client.Reaches[0])
	}
	if r.URI == "" {
		return r, oauth.InvalidTarget("no_resource", "the request must name the server with the resource parameter")
	}
	if !slices.Contains(a.client.Reaches, r.URI) {
		return r, oauth.InvalidTarget("not_reached", "this client may not get tokens for that server")
	}
	return r, nil
}
