package registration

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
)

// answer is the client information response. RFC 7591 §3.2.1, RFC 7592 §3.
type answer struct {
	ID            string `json:"client_id"`
	IssuedAt      int64  `json:"client_id_issued_at"`
	Secret        string `json:"client_secret,omitempty"`
	SecretExpires *int64 `json:"client_secret_expires_at,omitempty"` // 0, never, goes with a secret and only then
	Token         string `json:"registration_access_token,omitempty"`
	Address       string `json:"registration_client_uri,omitempty"`
	Statement     string `json:"software_statement,omitempty"`
	oauth.ClientMetadata
}

func (r *Registry) answer(c oauth.Client, given credentials) answer {
	a := answer{ID: c.ID, IssuedAt: c.Issued.Unix(), ClientMetadata: c.ClientMetadata}
	if !given.secret.Empty() {
		a.Secret, a.SecretExpires = given.secret.Reveal(), new(int64)
	}
	if !given.management.Empty() {
		a.Token, a.Address = given.management.Reveal(), r.c.Issuer+"/register/"+c.ID
	}
	return a
}

func write(w http.ResponseWriter, status int, a answer) error {
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
	return nil
}

func tooMany() *oauth.Error {
	return &oauth.Error{Status: 429, Code: "temporarily_unavailable", Reason: "quota", RetryAfter: 60, Description: "too many registrations at the moment; try again in a minute"}
}

func (r *Registry) refuse(w http.ResponseWriter, req *http.Request, err error) {
	info := request.From(req.Context())
	var known *oauth.Error
	if !errors.As(err, &known) {
		r.c.Slog.ErrorContext(req.Context(), "registration", "request", info.ID, "error", err)
		known = oauth.ServerError()
	}
	record := audit.Record{Code: audit.RegistrationDenied, Now: info.Now, Request: info.ID, Client: info.Client, Reason: known.Reason}
	if _, err := r.c.Log.Refused(req.Context(), record); err != nil {
		r.c.Slog.ErrorContext(req.Context(), "registration", "request", info.ID, "error", err)
		known = oauth.ServerError()
	}
	answer := *known
	answer.RequestID = info.ID
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if known.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(known.RetryAfter))
	}
	if known.Challenge != nil {
		w.Header().Set("WWW-Authenticate", known.Challenge.String())
	}
	w.WriteHeader(answer.HTTPStatus())
	_, _ = w.Write(answer.Body())
}

func closed() *oauth.Error {
	return &oauth.Error{Status: http.StatusForbidden, Code: "access_denied", Reason: "not_listed", Description: "clients do not register themselves here; ask the operator of this server to list this one"}
}

func allow(w http.ResponseWriter, req *http.Request, methods ...string) error {
	for _, m := range methods {
		if req.Method == m {
			return nil
		}
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	return &oauth.Error{Status: http.StatusMethodNotAllowed, Code: "invalid_request", Reason: "method", Description: "this address takes " + strings.Join(methods, ", ") + " only"}
}
