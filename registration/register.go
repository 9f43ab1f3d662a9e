package registration

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// maxBody bounds what a client may say of itself.
const maxBody = 32 << 10

// answer is the client information response. RFC 7591 §3.2.1.
type answer struct {
	ID            string `json:"client_id"`
	IssuedAt      int64  `json:"client_id_issued_at"`
	Secret        string `json:"client_secret,omitempty"`
	SecretExpires *int64 `json:"client_secret_expires_at,omitempty"` // 0, never, goes with a secret and only then
	oauth.ClientMetadata
}

// Routes are the endpoints, by path.
func (r *Registry) Routes() map[string]http.Handler {
	return map[string]http.Handler{"/register": http.HandlerFunc(r.serveRegister)}
}

func (r *Registry) serveRegister(w http.ResponseWriter, req *http.Request) {
	if err := r.register(w, req); err != nil {
		r.refuse(w, req, err)
	}
}

func (r *Registry) register(w http.ResponseWriter, req *http.Request) error {
	if req.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return &oauth.Error{Status: 405, Code: "invalid_request", Reason: "method", Description: "this address takes POST only"}
	}
	info := request.From(req.Context())
	if !r.rate.Allow(info, "register", r.c.Limits.PerMinute) {
		return tooMany()
	}
	m, err := readMetadata(w, req)
	if err != nil {
		return err
	}
	c, secret, err := newClient(info.Now, m)
	if err != nil {
		return err
	}
	record := audit.Record{Code: audit.ClientRegistered, Now: info.Now, Request: info.ID, Client: info.Client, About: c.ID}
	sent := c.RedirectURIs
	_, err = r.c.Log.Do(req.Context(), record, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		c, err = r.c.Clients.Register(ctx, in, c, fingerprint(c), r.c.Limits.Unused)
		if errors.Is(err, ErrFull) {
			err = tooMany()
		}
		return audit.Outcome{Client: c.ID}, err
	})
	if err != nil {
		return err
	}
	c.RedirectURIs = sent // an equal client may have been kept with other loopback ports, which are free
	return writeAnswer(w, c, secret)
}

func readMetadata(w http.ResponseWriter, req *http.Request) (m oauth.ClientMetadata, err error) {
	if mt, _, err := mime.ParseMediaType(req.Header.Get("Content-Type")); err != nil || mt != "application/json" {
		return m, invalidMetadata("content_type", "the body must be application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	if err != nil {
		return m, invalidMetadata("body", "the body is longer than 32 KiB or broke off")
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return m, invalidMetadata("malformed", "the body is not the JSON object of RFC 7591 section 2")
	}
	return m, nil
}

func writeAnswer(w http.ResponseWriter, c oauth.Client, secret token.Secret) error {
	a := answer{ID: c.ID, IssuedAt: c.Issued.Unix(), ClientMetadata: c.ClientMetadata}
	if !secret.Empty() {
		a.Secret, a.SecretExpires = secret.Reveal(), new(int64)
	}
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusCreated)
	_, err = w.Write(append(b, '\n'))
	return err
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
	w.WriteHeader(answer.HTTPStatus())
	_, _ = w.Write(answer.Body())
}
