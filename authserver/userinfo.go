package authserver

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/grant"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// userInfo is what an OpenID client learns of the person. OpenID Connect Core §5.3.2.
type userInfo struct {
	Subject  string   `json:"sub"`
	Name     string   `json:"name,omitempty"`
	Username string   `json:"preferred_username,omitempty"`
	Groups   []string `json:"groups,omitempty"`
}

// serveUserInfo is a resource of its own: it takes tokens whose audience it is, and no token for an MCP server.
func (s *Server) serveUserInfo(w http.ResponseWriter, r *http.Request) error {
	caller, err := s.informed(w, r)
	if err != nil {
		return s.tokenRefused(r, oauth.Params{}, challenged(err))
	}
	info := request.From(r.Context())
	answer := userInfo{Subject: caller.Subject}
	record := audit.Record{Code: audit.IdentityRead, Now: info.Now, Request: info.ID, Client: info.Client, Caller: caller, About: caller.Client}
	_, err = s.c.Log.Do(r.Context(), record, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		if !caller.Scopes.Contains(profile) {
			return audit.Outcome{}, nil
		}
		g, err := s.c.Store.Grants.Find(ctx, in.Now(), grant.Name{ID: caller.Grant})
		if errors.Is(err, ErrNotFound) {
			return audit.Outcome{}, nil
		}
		answer.Name, answer.Username, answer.Groups = g.Name, g.Name, g.Groups
		return audit.Outcome{}, err
	})
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, "no-store", answer)
}

// informed is the caller of UserInfo. RFC 6750 §2.1, RFC 9449 §7.
func (s *Server) informed(w http.ResponseWriter, r *http.Request) (token.Caller, error) {
	header := r.Header.Values("Authorization")
	if len(header) == 0 {
		return token.Caller{}, noToken
	}
	scheme, raw, ok := strings.Cut(header[0], " ")
	bearer, bound := strings.EqualFold(scheme, "Bearer"), strings.EqualFold(scheme, "DPoP")
	if len(header) > 1 || !ok || !bearer && !bound {
		return token.Caller{}, &oauth.Error{Status: 401, Code: "invalid_token", Reason: "authorization_header", Description: "the Authorization header is not one access token"}
	}
	var proof token.Possession
	if bound {
		var err error
		if proof, err = s.proof(w, r, raw); err == nil && proof.Key == "" {
			err = noProof
		}
		if err != nil {
			return token.Caller{}, err
		}
	}
	now := request.From(r.Context()).Now
	c, err := s.own.Verify(r.Context(), now, raw, proof.Key)
	switch {
	case err != nil:
		return c, err
	case c.Resource != s.c.Issuer+"/userinfo":
		return c, &oauth.Error{Status: 401, Code: "invalid_token", Reason: "audience", Description: "the token was issued for another resource"}
	case s.c.Store.Revoked.Revoked(c):
		return c, &oauth.Error{Status: 401, Code: "invalid_token", Reason: "revoked", Description: "the token has been taken back"}
	case !c.Scopes.Contains(openID):
		return c, &oauth.Error{Status: 403, Code: "insufficient_scope", Reason: "insufficient_scope", Description: "the token lacks the scope openid"}
	}
	return c, s.once(r, proof)
}

// noToken is the refusal of a request without credentials. RFC 6750 §3: its challenge has no error code.
var noToken = &oauth.Error{Status: 401, Code: "invalid_token", Reason: "no_token", Description: "this address needs an access token"}

// challenged is err with the challenge that RFC 6750 §3 asks for; RFC 9449 §7.1 where a proof is what was wrong.
func challenged(err error) error {
	var known *oauth.Error
	if !errors.As(err, &known) || known.Status == http.StatusServiceUnavailable || known.Status == http.StatusTooManyRequests {
		return err
	}
	answer := *known
	answer.Challenge = &oauth.Challenge{Error: known.Code, Description: known.Description}
	switch {
	case known == noToken:
		answer.Challenge = &oauth.Challenge{}
	case strings.Contains(known.Code, "dpop"):
		answer.Status, answer.Challenge.Scheme, answer.Challenge.Algorithms = http.StatusUnauthorized, "DPoP", token.Algorithms()
	case known.Code == "insufficient_scope":
		answer.Challenge.Scope = oauth.NewScopes(openID)
	}
	return &answer
}
