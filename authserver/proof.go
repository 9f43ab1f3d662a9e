package authserver

import (
	"net/http"

	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// noProof is the answer to a client whose tokens must be bound and that proves no key. RFC 9449 §5.2.
var noProof = &oauth.Error{Status: 400, Code: "invalid_dpop_proof", Reason: "no_proof", Description: "the tokens of this client are bound to a key: the request needs a DPoP proof"}

// proof is what a request proves with DPoP; without a Key: nothing. access is the token that comes with it; empty: none. Nonces
// are always asked for: a proof that somebody made in advance, or took from another server, is worth nothing here. RFC 9449
// §5 and §8. Whatever else there is to judge is judged before the proof is used: a stranger's proofs make no rows.
func (s *Server) proof(w http.ResponseWriter, r *http.Request, access string) (token.Possession, error) {
	headers := r.Header.Values("DPoP")
	if len(headers) == 0 {
		return token.Possession{}, nil
	}
	now := request.From(r.Context()).Now
	p, err := token.ReadProof(now, token.Proof{Headers: headers, Method: r.Method, URL: s.c.Issuer + r.URL.Path}, access)
	if err != nil {
		return p, err
	}
	good, stale := s.c.Nonces.Good(now, p.Nonce)
	if !good || stale {
		w.Header().Set("DPoP-Nonce", s.c.Nonces.Make(now))
	}
	if !good {
		return p, &oauth.Error{Status: 400, Code: "use_dpop_nonce", Reason: "nonce", Description: "the proof needs the nonce of the DPoP-Nonce header"}
	}
	return p, nil
}

// once takes a proof one time. RFC 9449 §11.1.
func (s *Server) once(r *http.Request, p token.Possession) error {
	if p.Key == "" {
		return nil
	}
	fresh, err := s.c.Store.Once(r.Context(), request.From(r.Context()).Now, "dpop", p.Key+" "+p.ID, p.Until)
	if err == nil && !fresh {
		err = &oauth.Error{Status: 400, Code: "invalid_dpop_proof", Reason: "replayed", Description: "the proof was used before"}
	}
	return err
}
