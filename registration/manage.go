package registration

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// managed reports whether clients can manage their registrations at all.
func (r *Registry) managed() bool { return r.c.Issuer != "" && r.c.Ended != nil }

// manage is the client configuration endpoint. RFC 7592 §2.
func (r *Registry) manage(w http.ResponseWriter, req *http.Request) error {
	if err := allow(w, req, http.MethodGet, http.MethodPut, http.MethodDelete); err != nil {
		return err
	}
	ctx := req.Context()
	if !r.rate.Allow(request.From(ctx), "manage", r.c.Limits.PerMinute) {
		return tooMany()
	}
	k, err := r.mine(req)
	if err != nil {
		return err
	}
	switch req.Method {
	case http.MethodPut:
		return r.replace(w, req, k)
	case http.MethodDelete:
		if err := r.remove(ctx, request.From(ctx).Now, k.ID); err != nil {
			return err
		}
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return write(w, http.StatusOK, r.answer(k.Client, presented(req)))
}

// mine is the client that the request's token manages. RFC 7592 §2.1: a client that does not exist is answered 401 like a
// token that is wrong, so that nobody learns which ids there are.
func (r *Registry) mine(req *http.Request) (Kept, error) {
	refused := unauthorized(req, "registration_token", "this address needs the registration access token that came with this client's registration")
	if !r.managed() {
		return Kept{}, refused
	}
	k, err := r.c.Clients.Client(req.Context(), request.From(req.Context()).Now, req.PathValue("id"))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Kept{}, err
	}
	if !bearer(req, k.Management) || k.Source != oauth.Dynamic || k.Public() {
		return Kept{}, refused
	}
	return k, nil
}

// presented is the token of the request, which the answer repeats: RFC 7592 §3 requires it there, and only its hash is kept.
func presented(req *http.Request) credentials {
	raw, _ := bearerToken(req)
	return credentials{management: token.NewSecret(raw)}
}

// replace puts new metadata in the place of all that was there. RFC 7592 §2.2: it is judged as a registration is.
func (r *Registry) replace(w http.ResponseWriter, req *http.Request, k Kept) error {
	ctx := req.Context()
	if !r.c.Policy.unlisted() {
		return closed()
	}
	s, err := readSent(w, req)
	if err != nil {
		return err
	}
	if err := own(s, k); err != nil {
		return err
	}
	if k.Waits && r.c.Policy.Mode == ModeReview { // an administrator lets in what is on the list, not what came after
		return &oauth.Error{Status: 403, Code: "access_denied", Reason: "client_waits", Description: "this client waits for an administrator and cannot change until it is let in; register another one"}
	}
	if err := r.state(ctx, &s); err != nil {
		return err
	}
	m, err := r.c.Policy.settle(s)
	if err != nil {
		return err
	}
	if m.TokenAuthMethod == none {
		return invalidMetadata("method", "a client with credentials cannot put them off; register another client")
	}
	given := presented(req)
	next := k
	next.ClientMetadata = m
	switch secret := strings.HasPrefix(m.TokenAuthMethod, "client_secret_"); {
	case !secret:
		next.SecretHash = [32]byte{}
	case k.SecretHash == [32]byte{}:
		given.secret, next.SecretHash = newSecret("dws_")
	}
	// What an administrator let in was another client than one with another name, other addresses or other keys.
	next.Waits = k.Waits || r.c.Policy.Mode == ModeReview && !alike(k.ClientMetadata, m)
	info := request.From(ctx)
	record := audit.Record{Code: audit.ClientChanged, Now: info.Now, Request: info.ID, Client: info.Client, About: k.ID}
	_, err = r.c.Log.Do(ctx, record, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		return audit.Outcome{Client: k.ID}, r.c.Clients.Change(ctx, in, next)
	})
	if errors.Is(err, ErrNotFound) { // removed in the meantime
		return unauthorized(req, "registration_token", "this client is not registered any more")
	}
	if err != nil {
		return err
	}
	a := r.answer(next.Client, given)
	a.Statement = s.Statement
	return write(w, http.StatusOK, a)
}

// own holds what only the server gives against what it gave. RFC 7592 §2.2: the client names its own id, does not choose
// a secret, and leaves out what describes the registration itself.
func own(s sent, k Kept) error {
	sum := sha256.Sum256([]byte(s.Secret))
	switch {
	case s.ID != k.ID:
		return invalidMetadata("client_id", "client_id must be the id of this client")
	case s.Secret != "" && subtle.ConstantTimeCompare(sum[:], k.SecretHash[:]) != 1:
		return invalidMetadata("client_secret", "client_secret is not the secret of this client, and a client cannot choose one")
	case s.Token != nil || s.Address != nil || s.IssuedAt != nil || s.ExpiresAt != nil:
		return invalidMetadata("server_members", "registration_access_token, registration_client_uri, client_id_issued_at and client_secret_expires_at are not the client's to send")
	}
	return nil
}

// alike reports whether a change leaves alone what a review was about.
func alike(a, b oauth.ClientMetadata) bool {
	a.Contacts, b.Contacts = nil, nil
	a.Scope, b.Scope = "", ""
	a.SoftwareVersion, b.SoftwareVersion = "", ""
	return reflect.DeepEqual(a, b)
}

// remove takes back what a client was given, and forgets it.
func (r *Registry) remove(ctx context.Context, now time.Time, id string) error {
	if r.c.Ended == nil {
		return errors.New("removing a client whose grants nobody would end")
	}
	info := request.From(ctx)
	record := audit.Record{Code: audit.ClientRemoved, Now: now, Request: info.ID, Client: info.Client, About: id}
	_, err := r.c.Log.Do(ctx, record, func(ctx context.Context, in audit.Intent) (audit.Outcome, error) {
		// In this order: what fails in between leaves a client without grants, which can be removed again.
		if err := r.c.Ended(ctx, in, id); err != nil {
			return audit.Outcome{Client: id}, err
		}
		return audit.Outcome{Client: id}, r.c.Clients.Remove(ctx, in, id)
	})
	return err
}
