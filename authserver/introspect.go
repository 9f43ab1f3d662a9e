package authserver

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// introspection is what a resource server learns of a token. RFC 7662 §2.2, RFC 9449 §6.2, RFC 8693 §4.1, RFC 9396 §9.2.
type introspection struct {
	Active        bool            `json:"active"`
	Issuer        string          `json:"iss,omitempty"`
	Subject       string          `json:"sub,omitempty"`
	Audience      string          `json:"aud,omitempty"`
	Client        string          `json:"client_id,omitempty"`
	Scope         string          `json:"scope,omitempty"`
	Type          string          `json:"token_type,omitempty"`
	ID            string          `json:"jti,omitempty"`
	Expires       int64           `json:"exp,omitempty"`
	Issued        int64           `json:"iat,omitempty"`
	Authenticated int64           `json:"auth_time,omitempty"`
	ACR           string          `json:"acr,omitempty"`
	Groups        []string        `json:"groups,omitempty"`
	Confirmation  *confirmation   `json:"cnf,omitempty"`
	Act           *actor          `json:"act,omitempty"`
	Details       json.RawMessage `json:"authorization_details,omitempty"`
}

type confirmation struct {
	Thumbprint string `json:"jkt"`
}

// actor is one hop of the chain, with the one before it inside.
type actor struct {
	Issuer  string `json:"iss,omitempty"`
	Subject string `json:"sub"`
	Client  string `json:"client_id,omitempty"`
	How     string `json:"how,omitempty"`
	Act     *actor `json:"act,omitempty"`
}

// serveIntrospect says what a token is to a resource server that the operator registered, of the tokens that are for it. Of
// every other token, good or not, it says the same: that it is not active (RFC 7662 §2.2).
func (s *Server) serveIntrospect(w http.ResponseWriter, r *http.Request) error {
	p, err := readForm(w, r)
	if err != nil {
		return s.tokenRefused(r, p, err)
	}
	c, err := s.client(r, p)
	switch {
	case err != nil:
		return s.tokenRefused(r, p, err)
	case c.Source != oauth.Listed || c.Public() || len(c.Serves) == 0:
		return s.tokenRefused(r, p, &oauth.Error{Status: 403, Code: "unauthorized_client", Reason: "serves_nothing", Description: "introspection is for resource servers that the operator registered"})
	case p.Get("token") == "":
		return s.tokenRefused(r, p, oauth.InvalidRequest("no_token", "the request has no token"))
	}
	info := request.From(r.Context())
	var answer introspection
	record := audit.Record{Code: audit.Introspected, Now: info.Now, Request: info.ID, Client: info.Client, About: c.ID}
	_, err = s.c.Log.Do(r.Context(), record, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		caller, err := s.inspect(ctx, in.Now(), p.Get("token"))
		if unavailable(err) {
			return audit.Outcome{}, err
		}
		if err != nil || !slices.Contains(c.Serves, caller.Resource) {
			return audit.Outcome{Result: "inactive", Client: c.ID}, nil
		}
		answer = describe(caller)
		return audit.Outcome{Subject: caller.Principal, Client: caller.Client, Grant: caller.Grant, Token: caller.ID}, nil
	})
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, "no-store", answer)
}

func describe(c token.Caller) introspection {
	i := introspection{Active: true, Issuer: c.Principal.Issuer, Subject: c.Subject, Audience: c.Resource, Client: c.Client, Scope: c.Scopes.String(), Type: "Bearer",
		ID: c.ID, Expires: unix(c.Expires), Issued: unix(c.Issued), Authenticated: unix(c.Authenticated), ACR: c.ACR, Groups: c.Groups, Details: c.Task.Details()}
	if c.Key != "" {
		i.Type, i.Confirmation = "DPoP", &confirmation{c.Key}
	}
	for _, a := range slices.Backward(c.Chain) {
		i.Act = &actor{a.Issuer, a.Subject, a.Client, a.How, i.Act}
	}
	return i
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// inspect is who an access token of ours speaks for, if it is good and has not been taken back. Nothing says that whoever
// presents it is whom it was given to: the endpoints that call it look at that themselves.
func (s *Server) inspect(ctx context.Context, now time.Time, raw string) (token.Caller, error) {
	c, err := s.own.Inspect(ctx, now, raw)
	if err == nil && s.c.Store.Revoked.Revoked(c) {
		err = &oauth.Error{Status: 401, Code: "invalid_token", Reason: "revoked", Description: "the token has been taken back"}
	}
	return c, err
}

// unavailable reports whether an error says nothing of the token, only that nobody can tell.
func unavailable(err error) bool {
	var known *oauth.Error
	return err != nil && (!errors.As(err, &known) || known.Status == http.StatusServiceUnavailable)
}
