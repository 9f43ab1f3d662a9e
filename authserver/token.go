package authserver

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/grant"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
)

// maxForm bounds the body of a back-channel request.
const maxForm = 64 << 10

// grantType is how one grant type makes tokens. It judges everything that can be judged without the store before it
// touches the store, so that a refusal consumes nothing.
type grantType func(*Server, context.Context, audit.Intent, oauth.Client, oauth.Params) (issued, error)

// grants is every grant type. Metadata, registration and /token go by it.
var grants = map[string]grantType{
	"authorization_code": (*Server).redeem,
	"refresh_token":      (*Server).rotate,
}

// issued is a grant and what of it the token is for.
type issued struct {
	grant.Grant
	wanted grant.Wanted
}

// tokenAnswer is the success answer. RFC 6749 §5.1.
type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope"`
}

func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) error {
	p, err := readForm(w, r)
	if err != nil {
		return s.tokenRefused(r, p, err)
	}
	answer, err := s.token(r, p)
	if err != nil {
		return err
	}
	w.Header().Set("Pragma", "no-cache")
	return writeJSON(w, http.StatusOK, "no-store", answer)
}

func (s *Server) token(r *http.Request, p oauth.Params) (answer tokenAnswer, err error) {
	c, err := s.client(r, p)
	if err != nil {
		return answer, s.tokenRefused(r, p, err)
	}
	run, ok := grants[p.Get("grant_type")]
	if !ok {
		return answer, s.tokenRefused(r, p, &oauth.Error{Status: 400, Code: "unsupported_grant_type", Reason: "grant_type", Description: "the grant types are authorization_code and refresh_token"})
	}
	info := request.From(r.Context())
	record := audit.Record{Code: audit.TokenIssued, Now: info.Now, Request: info.ID, Client: info.Client, About: c.ID}
	_, err = s.c.Log.Do(r.Context(), record, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		made, err := run(s, ctx, in, c, p)
		if err != nil {
			return audit.Outcome{Client: c.ID}, err
		}
		claims := made.Claims(in.Now(), made.wanted, s.c.Lifetimes)
		access, err := s.Ring().Access(in.Now(), claims)
		answer = tokenAnswer{access, "Bearer", int(s.c.Lifetimes.Access / time.Second), made.RefreshToken().Reveal(), claims.Scopes.String()}
		return audit.Outcome{Subject: claims.Principal, Client: c.ID, Grant: claims.Grant, Token: claims.ID}, err
	})
	return answer, err
}

// tokenRefused records a refusal that comes before there is an act.
func (s *Server) tokenRefused(r *http.Request, p oauth.Params, err error) error {
	var known *oauth.Error
	if errors.As(err, &known) {
		info := request.From(r.Context())
		if _, lost := s.c.Log.Refused(r.Context(), audit.Record{Code: audit.TokenRefused, Now: info.Now, Request: info.ID, Client: info.Client, About: p.Get("client_id"), Reason: known.Reason}); lost != nil {
			return lost
		}
	}
	return err
}

// readForm reads a form body strictly. Parameters in the query are refused: they end up in logs (RFC 6749 §2.3.1).
func readForm(w http.ResponseWriter, r *http.Request) (oauth.Params, error) {
	if r.URL.RawQuery != "" {
		return oauth.Params{}, oauth.InvalidRequest("query", "the parameters belong in the body, not in the query")
	}
	if mt, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mt != "application/x-www-form-urlencoded" {
		return oauth.Params{}, oauth.InvalidRequest("content_type", "the body must be application/x-www-form-urlencoded")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if err != nil {
		return oauth.Params{}, oauth.InvalidRequest("body", "the body is too long or broke off")
	}
	return oauth.ReadParams(string(body))
}

// wanted is what a token request asks for within its grant, judged as far as the grant need not be known.
func (s *Server) wanted(p oauth.Params) (w grant.Wanted, err error) {
	switch named := p.All("resource"); len(named) {
	case 0:
	case 1:
		r, err := s.resource(named[0])
		var known *oauth.Error
		switch {
		case err == nil:
			w.Resource = r.URI
		case errors.As(err, &known) && known.Reason == unknownResource:
			w.Resource = named[0] // the grant may hold it, of a server that was here then: served says so
		default:
			return w, err
		}
	default:
		return w, oauth.InvalidTarget("several_resources", "a token is for one resource: name one")
	}
	if w.Scopes, err = oauth.ParseScopes(p.Get("scope")); err != nil {
		return w, err
	}
	return w, nil
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

// served refuses a grant whose resource is no longer here: clients know what to do on invalid_grant, and nothing else.
func (s *Server) served(i issued) (issued, error) {
	if i.wanted.Resource == "" {
		i.wanted.Resource = i.Resources[0]
	}
	if _, ok := s.Resource(i.wanted.Resource); !ok {
		return issued{}, oauth.InvalidGrant("resource_gone", "the server that was authorized is not here any more; authorize again")
	}
	return i, nil
}
