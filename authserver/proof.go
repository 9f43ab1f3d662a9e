package authserver

import (
	"net/http"

	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// noProof is the answer to a client whose tokens must be bound and that proves no key. RFC 9449 §5.2.
var noProof = &oauth.Error{Status: 400, Code: "invalid_dpop_proof", Reason: "no_proof", Description: "the tokens of this client are bound to a key: the request needs a DPoP proof"}

// proof is the thumbprint of the key that a request proves with DPoP; empty: it proves none. Nonces are always asked for: a
// proof that somebody made in advance, or took from another server, is worth nothing here. RFC 9449 §5 and §8.
func (s *Server) proof(w http.ResponseWriter, r *http.Request) (string, error) {
	return s.proofOf(w, r, "")
}

// proofOf is proof for a request that presents an access token.
func (s *Server) proofOf(w http.ResponseWriter, r *http.Request, access string) (string, error) {
	headers := r.Header.Values("DPoP")
	if len(headers) == 0 {
		return "", nil
	}
	now := request.From(r.Context()).Now
	p, err := token.ReadProof(now, token.Proof{Headers: headers, Method: r.Method, URL: s.c.Issuer + r.URL.Path}, access)
	if err != nil {
		return "", err
	}
	good, stale := s.c.Nonces.Good(now, p.Nonce)
	if !good || stale {
		w.Header().Set("DPoP-Nonce", s.c.Nonces.Make(now))
	}
	if !good {
		return "", &oauth.Error{Status: 400, Code: "use_dpop_nonce", Reason: "nonce", Description: "the proof needs the nonce of the DPoP-Nonce header"}
	}
	fresh, err := s.c.Store.Once(r.Context(), now, "dpop", p.Key+" "+p.ID, p.Until)
	if err == nil && !fresh {
		err = &oauth.Error{Status: 400, Code: "invalid_dpop_proof", Reason: "replayed", Description: "the proof was used before"}
	}
	return p.Key, err
}
