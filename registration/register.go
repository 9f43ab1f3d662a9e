package registration

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
)

// maxBody bounds what a client may say of itself.
const maxBody = 32 << 10

// Routes are the endpoints, by pattern of net/http's ServeMux.
func (r *Registry) Routes() map[string]http.Handler {
	return map[string]http.Handler{"/register": r.endpoint(r.register), "/register/{id}": r.endpoint(r.manage)}
}

func (r *Registry) endpoint(serve func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if err := serve(w, req); err != nil {
			r.refuse(w, req, err)
		}
	})
}

func (r *Registry) register(w http.ResponseWriter, req *http.Request) error {
	if err := allow(w, req, http.MethodPost); err != nil {
		return err
	}
	ctx := req.Context()
	info := request.From(ctx)
	if !r.rate.Allow(info, "register", r.c.Limits.PerMinute) {
		return tooMany()
	}
	if !r.Registers() {
		return closed()
	}
	if err := r.checkInitial(req); err != nil {
		return err
	}
	s, err := readSent(w, req)
	if err != nil {
		return err
	}
	if err := r.state(ctx, &s); err != nil {
		return err
	}
	if r.c.Default != "" {
		return r.registerDefault(w, req, s)
	}
	m, err := r.c.Policy.settle(s)
	if err != nil {
		return err
	}
	k, given := r.newClient(info.Now, m)
	asked := k.RedirectURIs
	if k, err = r.keep(ctx, k); err != nil {
		return err
	}
	a := r.answer(k.Client, given)
	a.RedirectURIs = asked // an equal client may have been kept with other loopback ports, which are free
	a.Statement = s.Statement
	return write(w, http.StatusCreated, a)
}

// registerDefault answers with the client that the operator named for everybody. Nothing is kept: the redirect addresses
// are those that the operator listed, of which the answer names the ones that were asked for.
func (r *Registry) registerDefault(w http.ResponseWriter, req *http.Request, s sent) error {
	ctx := req.Context()
	info := request.From(ctx)
	c, err := r.Client(ctx, r.c.Default)
	if err != nil {
		return err
	}
	if c.Source != oauth.Listed || !c.Public() {
		return errors.New("the default client of registrations is not a listed public client")
	}
	if len(s.RedirectURIs) > 0 {
		var taken []string
		for _, u := range s.RedirectURIs {
			if oauth.MatchRedirect(c.RedirectURIs, u) && len(taken) < 20 {
				taken = append(taken, u)
			}
		}
		if len(taken) == 0 {
			return &oauth.Error{Status: 400, Code: "invalid_redirect_uri", Reason: "not_default", Description: "no redirect address is one of those that the operator of this server listed for its clients"}
		}
		c.RedirectURIs = taken
	}
	record := audit.Record{Code: audit.ClientRegistered, Now: info.Now, Request: info.ID, Client: info.Client, About: c.ID, Reason: "default"}
	if _, err := r.c.Log.Do(ctx, record, func(context.Context, audit.Intent) (audit.Outcome, error) { return audit.Outcome{Client: c.ID}, nil }); err != nil {
		return err
	}
	return write(w, http.StatusCreated, r.answer(c, credentials{}))
}

// keep stores a client that comes from outside, and gives the one that is kept.
func (r *Registry) keep(ctx context.Context, k Kept) (Kept, error) {
	info := request.From(ctx)
	k.Network = network(info)
	record := audit.Record{Code: audit.ClientRegistered, Now: info.Now, Request: info.ID, Client: info.Client, About: k.ID}
	_, err := r.c.Log.Do(ctx, record, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		var err error
		k, err = r.c.Clients.Register(ctx, in, k, r.c.Limits)
		if errors.Is(err, ErrFull) {
			err = tooMany()
		}
		return audit.Outcome{Client: k.ID}, err
	})
	return k, err
}

// network is what one source's clients are counted by; empty: no address is known.
func network(i request.Info) string {
	if n := i.Network(); n.IsValid() {
		return n.String()
	}
	return ""
}

func readSent(w http.ResponseWriter, req *http.Request) (s sent, err error) {
	if mt, _, err := mime.ParseMediaType(req.Header.Get("Content-Type")); err != nil || mt != "application/json" {
		return s, invalidMetadata("content_type", "the body must be application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	if err != nil {
		return s, invalidMetadata("body", "the body is longer than 32 KiB or broke off")
	}
	if s, err = parse(body); err != nil {
		return s, invalidMetadata("malformed", "the body is not the JSON object of RFC 7591 section 2")
	}
	return s, nil
}
