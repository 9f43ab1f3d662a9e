package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/login"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// ScopeAudit is the scope of a token for the audit log. Only auditors can be given it.
const ScopeAudit = "audit"

// AuditResource is the audit log as a resource: its tokens are good for nothing else, and those of servers mean nothing here.
func AuditResource(publicURL string) oauth.Resource {
	return oauth.Resource{URI: publicURL + "/audit", Name: "Audit log", Initial: oauth.NewScopes(ScopeAudit),
		Scopes: []oauth.ScopeText{{Name: ScopeAudit, Sentence: "Read what everybody did here, with names and arguments", Groups: []string{login.Auditors}}}}
}

// AuditAPI is the audit log for auditors: what the socket shows, and with it, where they ask, clear values and names. Reading those is an
// act with a record of its own for each record and each person. It serves below /audit/api/, to callers whose tokens somebody
// else has verified.
type AuditAPI struct {
	*AuditLog
	Vault Clear
	Name  func(ctx context.Context, p token.Principal) (string, error) // of an account here; login.ErrNotFound: there is none
	// Pseudonym is how the log knows who has an account of this name here. The error wraps login.ErrNotFound or audit.ErrErased if it knows nobody.
	Pseudonym func(ctx context.Context, name string) (string, error)
	Log       *audit.Log
	Issuer    string // whose tokens alone can say that somebody is an auditor: our own
	Server    string // URI of AuditResource
}

// Clear is the vault as auditors see it.
type Clear interface {
	Open(ctx context.Context, in audit.Intent, record string) (audit.Clear, error)
	Who(ctx context.Context, in audit.Intent, pseudonym string) (token.Principal, error)
}

// maxQuestion bounds the body of a question.
const maxQuestion = 64 << 10

// Serve answers one question of c. An error is for the guard to answer; refusals have been recorded.
func (h *AuditAPI) Serve(w http.ResponseWriter, r *http.Request, c token.Caller) error {
	if err := h.auditor(r, c); err != nil {
		return err
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return &oauth.Error{Status: http.StatusMethodNotAllowed, Code: "invalid_request", Reason: "method", Description: "questions come by POST"}
	}
	switch r.URL.Path {
	case "/audit/api/query":
		return answer(w, r, func(ctx context.Context, q AuditQuestion) (Answered, error) {
			if err := h.named(ctx, c, &q); err != nil {
				return Answered{}, err
			}
			hits, err := h.Query(ctx, q.Query)
			if err != nil {
				return Answered{}, err
			}
			return h.answered(ctx, c, q.Clear, []Step{{Hits: hits}})
		})
	case "/audit/api/show":
		return answer(w, r, func(ctx context.Context, q AuditQuestion) (Answered, error) {
			steps, err := h.Show(ctx, Shown{ID: q.ID})
			if err != nil {
				return Answered{}, err
			}
			return h.answered(ctx, c, q.Clear, steps)
		})
	case "/audit/api/prove":
		return answer(w, r, h.ProveRecord)
	}
	return &oauth.Error{Status: http.StatusNotFound, Code: "not_found", Reason: "path", Description: "there is nothing at this address"}
}

// Auditor reports whether a caller may read everything. A group counts in our own tokens alone, those of issuer: another one may call its
// groups as it likes.
func Auditor(c token.Caller, issuer string) bool {
	return !c.Foreign && c.Issuer == issuer && slices.Contains(c.Groups, login.Auditors) && c.Scopes.Contains(ScopeAudit)
}

// auditor refuses whoever is none.
func (h *AuditAPI) auditor(r *http.Request, c token.Caller) error {
	if Auditor(c, h.Issuer) {
		return nil
	}
	info := request.From(r.Context())
	refused := &oauth.Error{Status: http.StatusForbidden, Code: "access_denied", Reason: "not_auditor", Description: "the audit log is for auditors: doorward admin user add NAME --role auditor makes one"}
	if _, err := h.Log.Refused(r.Context(), audit.Record{Code: audit.CallRefused, Now: info.Now, Request: info.ID, Client: info.Client, Caller: c, Server: h.Server, Verdict: "deny", Reason: refused.Reason}); err != nil {
		return err
	}
	return refused
}

// answer reads a question, asks, and writes the answer.
func answer[In, Out any](w http.ResponseWriter, r *http.Request, ask func(context.Context, In) (Out, error)) error {
	var in In
	d := json.NewDecoder(io.LimitReader(r.Body, maxQuestion))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return oauth.InvalidRequest("body", "the body is not the JSON that this address takes")
	}
	out, err := ask(r.Context(), in)
	var refused refusal
	if errors.As(err, &refused) {
		return &oauth.Error{Status: http.StatusNotFound, Code: "not_found", Reason: "record", Description: refused.why}
	}
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	return json.NewEncoder(w).Encode(out)
}
