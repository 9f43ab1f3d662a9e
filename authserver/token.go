package authserver

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// maxForm bounds the body of a back-channel request.
const maxForm = 64 << 10

// ask is one token request, its client authenticated and its proof read.
type ask struct {
	client oauth.Client
	params oauth.Params
	info   request.Info
	key    string // thumbprint of the key that was proved; empty: none
}

// act gives what was asked for. It runs behind its record.
type act func(context.Context, audit.Intent) (issued, error)

// grantType judges a request for a token as far as it can be judged without changing anything, and returns the act that is
// left: a refusal consumes nothing, and a stranger's costs no record of its own.
type grantType func(*Server, context.Context, ask) (act, error)

// grants is every grant type. Metadata, registration and /token go by it.
var grants = map[string]grantType{
	"authorization_code": (*Server).redeem,
	"refresh_token":      (*Server).rotate,
	"client_credentials": (*Server).clientCredentials,
	deviceGrant:          (*Server).deviceCode,
	jwtBearer:            (*Server).assertion,
	tokenExchange:        (*Server).exchange,
}

// The names of the grant types that have no short one.
const (
	deviceGrant   = "urn:ietf:params:oauth:grant-type:device_code"    // RFC 8628 §3.4
	jwtBearer     = "urn:ietf:params:oauth:grant-type:jwt-bearer"     // RFC 7523 §2.1
	tokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange" // RFC 8693 §2.1
)

// issued is what a token will say, and what comes with it.
type issued struct {
	token.Claims
	refresh  token.Secret   // empty: none
	identity *token.IDToken // nil: none
	kind     string         // issued_token_type; empty: not said
}

// tokenAnswer is the success answer. RFC 6749 §5.1, OpenID Connect Core §3.1.3.3, RFC 8693 §2.2.1, RFC 9396 §7.
type tokenAnswer struct {
	AccessToken  string          `json:"access_token"`
	IssuedType   string          `json:"issued_token_type,omitempty"`
	TokenType    string          `json:"token_type"`
	ExpiresIn    int             `json:"expires_in"`
	RefreshToken string          `json:"refresh_token,omitempty"`
	IDToken      string          `json:"id_token,omitempty"`
	Scope        string          `json:"scope"`
	Details      json.RawMessage `json:"authorization_details,omitempty"`
}

func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) error {
	p, err := readForm(w, r)
	if err != nil {
		return s.tokenRefused(r, p, err)
	}
	answer, err := s.token(w, r, p)
	if err != nil {
		return err
	}
	w.Header().Set("Pragma", "no-cache")
	return writeJSON(w, http.StatusOK, "no-store", answer)
}

func (s *Server) token(w http.ResponseWriter, r *http.Request, p oauth.Params) (answer tokenAnswer, err error) {
	a, run, err := s.judged(w, r, p)
	if err != nil {
		return answer, s.tokenRefused(r, p, err)
	}
	record := audit.Record{Code: audit.TokenIssued, Now: a.info.Now, Request: a.info.ID, Client: a.info.Client, About: a.client.ID}
	if p.Get("grant_type") == tokenExchange {
		record.Code = audit.TokenExchanged
	}
	_, err = s.c.Log.Do(r.Context(), record, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		made, err := run(ctx, in)
		if err != nil {
			return audit.Outcome{Client: a.client.ID}, err
		}
		answer, err = s.mint(in.Now(), made)
		return audit.Outcome{Subject: made.Principal, Client: made.Client, Grant: made.Grant, Token: made.ID, Scopes: made.Scopes, Actors: made.Chain, Task: made.Task}, err
	})
	return answer, err
}

// judged is the request up to its act: proof, client, grant type.
func (s *Server) judged(w http.ResponseWriter, r *http.Request, p oauth.Params) (a ask, run act, err error) {
	a = ask{params: p, info: request.From(r.Context())}
	judge, ok := grants[p.Get("grant_type")]
	if !ok || !s.offers(p.Get("grant_type")) {
		return a, nil, &oauth.Error{Status: 400, Code: "unsupported_grant_type", Reason: "grant_type", Description: "the grant types are " + strings.Join(s.grantTypes(), ", ")}
	}
	if a.client, err = s.tokenClient(r, p); err != nil {
		return a, nil, err
	}
	if !a.client.May(p.Get("grant_type")) {
		return a, nil, unauthorizedClient(p.Get("grant_type"))
	}
	proof, err := s.proof(w, r, "")
	if err != nil {
		return a, nil, err
	}
	if a.key = proof.Key; a.client.DPoPBound && a.key == "" {
		return a, nil, noProof
	}
	if run, err = judge(s, r.Context(), a); err == nil {
		err = s.once(r, proof)
	}
	return a, run, err
}

// unauthorizedClient is the answer to a client that did not register for a grant type. RFC 6749 §5.2.
func unauthorizedClient(grantType string) *oauth.Error {
	return &oauth.Error{Status: 400, Code: "unauthorized_client", Reason: "grant_type_of_client", Description: "this client is not registered for the grant type " + grantType}
}

// mint signs what was issued.
func (s *Server) mint(now time.Time, made issued) (answer tokenAnswer, err error) {
	access, err := s.Ring().Access(now, made.Claims)
	if err != nil {
		return answer, err
	}
	answer = tokenAnswer{AccessToken: access, IssuedType: made.kind, TokenType: "Bearer", ExpiresIn: int(made.Expires.Sub(now) / time.Second),
		RefreshToken: made.refresh.Reveal(), Scope: made.Scopes.String(), Details: made.Task.Details()}
	if made.Key != "" {
		answer.TokenType = "DPoP"
	}
	if made.identity != nil {
		made.identity.AccessToken = access
		answer.IDToken, err = s.Ring().Identity(now, *made.identity)
	}
	return answer, err
}

// tokenRefused records a refusal that comes before there is an act.
func (s *Server) tokenRefused(r *http.Request, p oauth.Params, err error) error {
	var known *oauth.Error
	if errors.As(err, &known) && known.Reason != pending {
		info := request.From(r.Context())
		if _, lost := s.c.Log.Refused(r.Context(), audit.Record{Code: audit.TokenRefused, Now: info.Now, Request: info.ID, Client: info.Client, About: said(r, p), Reason: known.Reason}); lost != nil {
			return lost
		}
	}
	return err
}

// said is the client that a request says it is of.
func said(r *http.Request, p oauth.Params) string {
	if user, _, ok := r.BasicAuth(); ok && p.Get("client_id") == "" {
		return kept(user)
	}
	return kept(p.Get("client_id"))
}

// kept is a client's id as a record keeps it: a stranger's may be any text, of any length.
func kept(id string) string { return strings.ToValidUTF8(id[:min(len(id), 512)], "") }

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

// oneResource is the resource that a token request names; the zero Resource if it names none.
func (s *Server) oneResource(p oauth.Params) (oauth.Resource, error) {
	switch named := p.All("resource"); len(named) {
	case 0:
		return oauth.Resource{}, nil
	case 1:
		return s.resource(named[0])
	}
	return oauth.Resource{}, oauth.InvalidTarget("several_resources", "a token is for one resource: name one")
}
