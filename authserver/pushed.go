package authserver

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"time"

	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
)

const (
	pushedPrefix = "urn:ietf:params:oauth:request_uri:" // RFC 9126 §2.2
	pushedLife   = 90 * time.Second
)

// pushedAnswer names a request that was pushed. RFC 9126 §2.2.
type pushedAnswer struct {
	URI     string `json:"request_uri"`
	Expires int    `json:"expires_in"`
}

// servePushed takes an authorization request from the client itself, judged as /authorize would, so that nothing of it travels
// through the browser and nobody can have changed it. RFC 9126 §2.
func (s *Server) servePushed(w http.ResponseWriter, r *http.Request) error {
	p, err := readForm(w, r)
	if err != nil {
		return s.Refused(r, p.Get("client_id"), err)
	}
	pending, err := s.pushed(w, r, p)
	var back *Return
	if errors.As(err, &back) { // §2.3: the client asked by itself, so the answer needs no redirect
		err = back.Err
	}
	if err != nil {
		return s.Refused(r, p.Get("client_id"), err)
	}
	now := request.From(r.Context()).Now
	if err := s.c.Store.Pendings.Begin(r.Context(), now, now.Add(pushedLife), pending); err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, "no-store", pushedAnswer{pending.ID, int(pushedLife / time.Second)})
}

func (s *Server) pushed(w http.ResponseWriter, r *http.Request, q oauth.Params) (Pending, error) {
	if q.Get("request_uri") != "" { // §2.1
		return Pending{}, oauth.InvalidRequest("request_uri", "a request that is pushed cannot name another one")
	}
	if len(q.Encode()) > maxQuery { // what is kept is no longer than what a browser could have sent
		return Pending{}, oauth.InvalidRequest("too_long", "the request is too long")
	}
	if !s.rate.Allow(request.From(r.Context()), "authorize", maxPending) {
		return Pending{}, tooMany()
	}
	p, err := s.judgePushed(r, q)
	if err != nil {
		return Pending{}, err
	}
	proof, err := s.proof(w, r, "") // RFC 9449 §10.1: the proof binds the code as dpop_jkt does
	switch {
	case err != nil:
		return Pending{}, err
	case proof.Key != "" && p.Key != "" && p.Key != proof.Key:
		return Pending{}, oauth.InvalidRequest("dpop_jkt", "dpop_jkt is not the key that the proof is made with")
	case proof.Key != "":
		p.Key = proof.Key
	}
	if err := s.once(r, proof); err != nil {
		return Pending{}, err
	}
	p.ID = pushedPrefix + rand.Text()
	return p, nil
}

// judgePushed validates the request, or keeps it as it is if its client's document is not at hand: then it is validated when a
// person has signed in, and so is that the client is one that need not authenticate.
func (s *Server) judgePushed(r *http.Request, q oauth.Params) (Pending, error) {
	if s.unread(r, q) {
		p, err := unread(q.Get("client_id"), q, q.Encode())
		p.Pushed = "none"
		return p, err
	}
	c, err := s.client(r, q)
	if err != nil {
		return Pending{}, err
	}
	if c.Waits {
		return Pending{}, waits
	}
	redirect, err := redirectOf(c, q)
	if err != nil {
		return Pending{}, err
	}
	p, err := s.validated(r.Context(), c, redirect, q, nil)
	p.Pushed = c.TokenAuthMethod
	return p, err
}

// takePushed is the request that a browser brings a reference to. It is given once, and to the client that pushed it (§4). The
// whole reference is its id, so that none leads to a request that a browser has begun, with the person's answers in it.
func (s *Server) takePushed(r *http.Request, q oauth.Params, person *SignedIn) (Pending, error) {
	p, err := s.c.Store.Pendings.Take(r.Context(), request.From(r.Context()).Now, q.Get("request_uri"))
	if errors.Is(err, ErrNotFound) || err == nil && p.Client != q.Get("client_id") {
		return Pending{}, oauth.InvalidRequest("request_uri", "this request has been used, or is too old, or is another client's; connect again from the program that sent you here")
	}
	switch {
	case err != nil || p.Unread == "":
		return p, err
	case person == nil:
		return p, unasked(p)
	}
	return p, s.pushedBy(r.Context(), p)
}

// pushedBy refuses a request that was pushed without authentication for a client that must authenticate.
func (s *Server) pushedBy(ctx context.Context, p Pending) error {
	c, err := s.c.Client(ctx, p.Client)
	if err == nil && !c.Public() && p.Pushed == "none" {
		err = oauth.InvalidClient("not_authenticated", "this client must authenticate when it pushes a request")
	}
	return err
}
