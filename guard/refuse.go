package guard

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/oauth"
)

// Refuse turns an error into an answer: an OAuth error, a JSON-RPC error for a message that was read or could not be,
// or server_error for everything else, whose text goes to the log only.
func (g *Guard) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	id := request.From(r.Context()).ID
	var malformed *mcp.Error
	if errors.As(err, &malformed) {
		if malformed.Status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", "POST, GET, DELETE")
		}
		write(w, malformed.Status, malformed.Body())
		return
	}
	var known *oauth.Error
	if !errors.As(err, &known) {
		g.c.Slog.ErrorContext(r.Context(), "resource server", "request", id, "error", err)
		known = oauth.ServerError()
	}
	if known.Challenge != nil {
		w.Header()["Www-Authenticate"] = g.challenges(r, known)
	}
	if known.Code == useNonce {
		w.Header().Set("DPoP-Nonce", g.c.DPoP.Nonces.Make(request.From(r.Context()).Now))
	}
	if known.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(known.RetryAfter))
	}
	answer := *known
	answer.RequestID = id
	var denied *denial
	if errors.As(err, &denied) {
		write(w, answer.HTTPStatus(), denied.body(&answer, g.asked(denied.lacking.Scopes)))
		return
	}
	write(w, answer.HTTPStatus(), answer.Body())
}

// TakenBack is the answer to a call whose token was taken back while nothing of the answer had been sent.
func (g *Guard) TakenBack(r *http.Request) error { return g.challenge(r, revoked) }

// DenialBody is a JSON-RPC error with the members of an OAuth error in data. An empty id is a message without one.
func DenialBody(id string, e *oauth.Error) []byte { return (&denial{id: id}).body(e, nil) }

// body is the JSON-RPC error of a denial. Of what is lacking only what applies is said; scopes have the names by which clients
// ask for them.
func (d *denial) body(e *oauth.Error, scopes oauth.Scopes) []byte {
	var missing *lacking
	if l := d.lacking; l.Token() || l.Account != "" || l.Approval {
		missing = &lacking{scopes, l.ACR, l.MaxAge, l.Account, l.Approval}
	}
	return mcp.ErrorBody(d.id, mcp.Denied, e.Description, struct {
		Error       string   `json:"error"`
		Description string   `json:"error_description"`
		Code        string   `json:"code"`
		RequestID   string   `json:"request_id"`
		Lacking     *lacking `json:"lacking,omitempty"`
	}{e.Code, e.Description, e.Reason, e.RequestID, missing})
}

// lacking is policy.Lacking as clients read it.
type lacking struct {
	Scopes   []string `json:"scopes,omitempty"`
	ACR      string   `json:"acr_values,omitempty"`
	MaxAge   int      `json:"max_age,omitempty"`
	Account  string   `json:"account,omitempty"`
	Approval bool     `json:"approval,omitempty"`
}

// Inert has a browser make no page of an answer, whatever its media type: the pages of an authorization server may stand at
// the same origin, and what an upstream says must not become a script there. Programs do not care.
func Inert(h http.Header) {
	h["X-Content-Type-Options"] = nosniff
	h["Content-Security-Policy"] = sandbox
}

var (
	nosniff = []string{"nosniff"}
	sandbox = []string{"default-src 'none'; frame-ancestors 'none'; sandbox"}
)

func write(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	Inert(w.Header())
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
