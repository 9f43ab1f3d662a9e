// Package admin is what an administrator can do with a running installation, its socket and its client.
//
// The socket lies in the data directory, which only its owner can enter: whoever reaches it is the administrator.
// The API is one POST with a JSON body for each act.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/doorward-mcp/doorward/authserver"
	"github.com/doorward-mcp/doorward/login"
	"github.com/doorward-mcp/doorward/registration"
)

// API is every administrative act.
type API struct {
	Login     *login.Login
	Keys      *authserver.Server
	Clients   *registration.Registry
	Servers   map[string]string // :: name → resource identifier
	PublicURL string
	Rollback  func(context.Context) (digest string, err error) // sets the policy bundle that decides aside
	Waiting   func(context.Context) ([]Definition, error)      // the definitions that nobody has accepted
	Audit     *AuditLog                                        // nil: the program around keeps the records
	Now       func() time.Time
	Slog      *slog.Logger
}

// Person is what is asked for and what is answered about one person. Password and Link are shown this once.
type Person struct {
	Name     string   `json:"name"`
	Groups   []string `json:"groups,omitempty"`
	Role     string   `json:"role,omitempty"` // auditor, or nothing
	Password string   `json:"password,omitempty"`
	Link     string   `json:"sign_in_link,omitempty"`
}

// Link makes a sign-in link for a person.
func (a *API) Link(ctx context.Context, p Person) (Person, error) {
	secret, err := a.Login.MakeLink(ctx, a.Now(), p.Name)
	if errors.Is(err, login.ErrNotFound) {
		return Person{}, refusal{"there is no person " + p.Name + " here"}
	}
	return Person{Name: p.Name, Link: a.PublicURL + "/link/" + secret.Reveal()}, err
}

// AddPerson makes a local account, with a link to sign in at once.
func (a *API) AddPerson(ctx context.Context, p Person) (Person, error) {
	add := a.Login.Add
	switch p.Role {
	case "":
	case RoleAuditor:
		add = a.Login.AddAuditor
	default:
		return Person{}, noRole
	}
	_, pw, err := add(ctx, a.Now(), p.Name, p.Groups...)
	switch {
	case errors.Is(err, login.ErrTaken):
		return Person{}, refusal{"there is a person " + p.Name + " already"}
	case errors.Is(err, login.ErrName):
		return Person{}, refusal{err.Error()}
	case err != nil:
		return Person{}, err
	}
	made, err := a.Link(ctx, p)
	made.Password, made.Groups, made.Role = pw.Reveal(), p.Groups, p.Role
	return made, err
}

// SetGroups puts a person into these groups and no others.
func (a *API) SetGroups(ctx context.Context, p Person) (Person, error) {
	err := a.Login.SetGroups(ctx, a.Now(), p.Name, p.Groups...)
	switch {
	case errors.Is(err, login.ErrNotFound):
		return Person{}, refusal{"there is no person " + p.Name + " here"}
	case errors.Is(err, login.ErrName):
		return Person{}, refusal{err.Error()}
	}
	return p, err
}

// RotateKeys adds a signing key, which signs when it has been shown for long enough.
func (a *API) RotateKeys(ctx context.Context, _ struct{}) (struct{}, error) {
	return struct{}{}, a.Keys.RotateKeys(ctx, a.Now())
}

// refusal is an error whose text is for the administrator.
type refusal struct{ why string }

func (r refusal) Error() string { return r.why }

// Handler serves the API. It is for the socket and nothing else: it asks for no credentials.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /link", endpoint(a, a.Link))
	mux.Handle("POST /people", endpoint(a, a.AddPerson))
	mux.Handle("POST /groups", endpoint(a, a.SetGroups))
	mux.Handle("POST /role", endpoint(a, a.SetRole))
	mux.Handle("POST /erase", endpoint(a, a.Erase))
	mux.Handle("POST /keys", endpoint(a, a.RotateKeys))
	mux.Handle("POST /policy/rollback", endpoint(a, a.RollBack))
	mux.Handle("POST /policy/waiting", endpoint(a, a.Definitions))
	mux.Handle("POST /clients/list", endpoint(a, a.ListClients))
	mux.Handle("POST /clients/add", endpoint(a, a.AddClient))
	mux.Handle("POST /clients/approve", endpoint(a, a.ApproveClient))
	mux.Handle("POST /clients/remove", endpoint(a, a.RemoveClient))
	a.Audit.mount(mux, a)
	return mux
}

// Serve serves the socket with the API of the moment until l is closed.
func Serve(l net.Listener, now func() *API) error {
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { now().Handler().ServeHTTP(w, r) }), ReadHeaderTimeout: 10 * time.Second}
	if err := s.Serve(l); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// failure is the body of an answer that is no success.
type failure struct {
	Error string `json:"error"`
}

func endpoint[In, Out any](a *API, act func(context.Context, In) (Out, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in In
		answer := json.NewEncoder(w)
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewDecoder(io.LimitReader(r.Body, 64<<10)).Decode(&in); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			_ = answer.Encode(failure{"the body is not the JSON that this address takes"})
			return
		}
		out, err := act(r.Context(), in)
		var refused refusal
		switch {
		case errors.As(err, &refused):
			w.WriteHeader(http.StatusConflict)
			_ = answer.Encode(failure{refused.why})
		case err != nil:
			a.Slog.ErrorContext(r.Context(), "administration", "path", r.URL.Path, "error", err)
			w.WriteHeader(http.StatusInternalServerError)
			_ = answer.Encode(failure{"something failed on the server's side; its log says what"})
		default:
			_ = answer.Encode(out)
		}
	})
}
