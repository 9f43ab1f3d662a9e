package authserver

import (
	"context"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/delegation"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// The token types of an exchange. RFC 8693 §3.
const (
	accessTokenType = "urn:ietf:params:oauth:token-type:access_token"
	jwtType         = "urn:ietf:params:oauth:token-type:jwt"
)

// exchange is the token-exchange grant: delegation only. The client is the actor; what is left of the subject's power, package
// delegation says.
func (s *Server) exchange(ctx context.Context, a ask) (act, error) {
	if err := s.exchangeable(a.params); err != nil {
		return nil, err
	}
	subject, err := s.subject(ctx, a)
	if err != nil {
		return nil, err
	}
	target, err := s.exchangeTarget(a.params)
	if err != nil {
		return nil, err
	}
	scopes, err := oauth.ParseScopes(a.params.Get("scope"))
	if err != nil {
		return nil, err
	}
	task, err := token.ParseTask(a.params.Get("authorization_details"))
	if err != nil {
		return nil, err
	}
	consented, err := s.consented(ctx, a, subject, target)
	if err != nil {
		return nil, err
	}
	claims, refused := delegation.Narrow(delegation.Ask{
		Now: a.info.Now, Subject: subject, Client: a.client, How: a.client.TokenAuthMethod, Issuer: s.c.Issuer, Target: target, Scopes: scopes,
		Consented: consented, Unasked: s.c.InsecureExchangeWithoutConsent, Task: task, Key: a.key, Access: s.c.Lifetimes.Access,
	})
	if refused != nil {
		return nil, refused
	}
	if most := limit(a.client); most != nil {
		claims.Scopes = claims.Scopes.Intersect(most)
	}
	if len(claims.Scopes) == 0 {
		return nil, nothingLeft
	}
	claims.MayAct = target.MayAct
	return func(context.Context, audit.Intent) (issued, error) {
		return issued{Claims: claims, kind: accessTokenType}, nil
	}, nil
}

// exchangeable judges the form of an exchange. RFC 8693 §2.1.
func (s *Server) exchangeable(p oauth.Params) error {
	switch kind := p.Get("subject_token_type"); {
	case p.Get("subject_token") == "":
		return oauth.InvalidRequest("no_subject_token", "the request has no subject_token")
	case kind != accessTokenType && kind != jwtType:
		return oauth.InvalidRequest("subject_token_type", "the subject token must be an access token of this server: "+accessTokenType)
	case p.Get("actor_token") != "" || p.Get("actor_token_type") != "":
		return oauth.InvalidRequest("actor_token", "the actor is the client that authenticates; leave actor_token out")
	}
	if kind := p.Get("requested_token_type"); kind != "" && kind != accessTokenType && kind != jwtType {
		return oauth.InvalidRequest("requested_token_type", "what can be had is an access token: "+accessTokenType)
	}
	return nil
}

// subject is whom the subject token speaks for. RFC 8693 §2.2.2: one that is no good is invalid_request.
func (s *Server) subject(ctx context.Context, a ask) (token.Caller, error) {
	c, err := s.inspect(ctx, a.info.Now, a.params.Get("subject_token"))
	switch {
	case unavailable(err):
		return c, err
	case err != nil:
		return c, oauth.InvalidRequest("subject_token", "the subject token is no good: it is not one of this server's, or has expired or been taken back")
	case c.Key != "" && c.Key != a.key:
		return c, oauth.InvalidRequest("subject_token_bound", "the subject token is bound to a key, which the request must prove")
	}
	return c, nil
}

// exchangeTarget is the one server that the new token is for, whether it is called resource or audience.
func (s *Server) exchangeTarget(p oauth.Params) (oauth.Resource, error) {
	var target oauth.Resource
	for _, name := range append(p.All("resource"), p.All("audience")...) {
		r, err := s.resource(name)
		if err != nil {
			return r, err
		}
		if target.URI != "" && target.URI != r.URI {
			return r, oauth.InvalidTarget("several_resources", "a token is for one server: name one")
		}
		target = r
	}
	if target.URI == "" {
		return target, oauth.InvalidTarget("no_resource", "the request must name the server with the resource parameter")
	}
	return target, nil
}

// consented is what the person of a token agreed to that the actor may do at the target: the consent that /authorize asks for with
// the actor as client, under whichever of its addresses it was given.
func (s *Server) consented(ctx context.Context, a ask, subject token.Caller, target oauth.Resource) (all oauth.Scopes, err error) {
	for _, redirect := range a.client.RedirectURIs {
		if !rememberable(a.client, redirect) {
			continue
		}
		some, err := s.c.Store.Consents.Consent(ctx, a.info.Now, subject.Principal, agreed(a.client, redirect), target.URI)
		if err != nil {
			return nil, err
		}
		all = all.Union(some)
	}
	return all, nil
}
