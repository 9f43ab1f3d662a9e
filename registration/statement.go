package registration

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// statementLeeway is how far the clocks of an issuer of statements and of ours may differ.
const statementLeeway = 30 * time.Second

// state lets a software statement speak for the client: what it claims replaces what the body says. RFC 7591 §2.3, §3.1.1.
func (r *Registry) state(ctx context.Context, s *sent) error {
	switch {
	case len(r.statements) == 0:
		s.Statement = "" // of no issuer's that counts: like any member that is not known
		return nil
	case s.Statement == "" && r.c.Policy.StatementRequired:
		return badStatement("statement_missing", "a software statement is required here: a JWT about the client, signed by an issuer that the operator of this server names")
	case s.Statement == "":
		return nil
	}
	claims, err := r.verifyStatement(ctx, s.Statement)
	if err != nil {
		return err
	}
	stated := *s
	if err := json.Unmarshal(claims, &stated.ClientMetadata); err != nil {
		return badStatement("statement_claims", "a claim of the software statement has another type than the metadata of its name")
	}
	*s = stated
	return nil
}

// verifyStatement gives the claims of a statement of a configured issuer. A software_id is required, which RFC 7591 §2.3
// leaves open: without it an issuer's other tokens, of people among them, would do as statements.
func (r *Registry) verifyStatement(ctx context.Context, raw string) ([]byte, error) {
	var algorithms []jose.SignatureAlgorithm
	for _, a := range token.Algorithms() {
		algorithms = append(algorithms, jose.SignatureAlgorithm(a))
	}
	parsed, err := jwt.ParseSigned(raw, algorithms)
	if err != nil || len(parsed.Headers) != 1 {
		return nil, badStatement("statement_form", "the software statement is not a JWT with a signature of a kind that is taken here")
	}
	var unverified struct {
		Issuer string `json:"iss"`
	}
	if err := parsed.UnsafeClaimsWithoutVerification(&unverified); err != nil {
		return nil, badStatement("statement_form", "the software statement has no claims that can be read")
	}
	keys, ok := r.statements[unverified.Issuer]
	if !ok {
		return nil, &oauth.Error{Status: 400, Code: "unapproved_software_statement", Reason: "statement_issuer", Description: "the issuer of the software statement is not one that the operator of this server named"}
	}
	now := request.From(ctx).Now
	key, err := keys(ctx, now, parsed.Headers[0].KeyID)
	switch {
	case errors.Is(err, token.ErrUnavailable):
		return nil, &oauth.Error{Status: 503, Code: "temporarily_unavailable", Reason: "statement_keys", RetryAfter: 30, Description: "the keys of the software statement's issuer cannot be read at the moment; try again"}
	case err != nil:
		return nil, badStatement("statement_key", "the software statement is signed with a key that its issuer does not have")
	}
	var registered jwt.Claims
	var own struct {
		Software string `json:"software_id"`
	}
	var all json.RawMessage
	if err := parsed.Claims(key, &registered, &own, &all); err != nil {
		return nil, badStatement("statement_signature", "the signature of the software statement is wrong")
	}
	if err := registered.ValidateWithLeeway(jwt.Expected{Time: now}, statementLeeway); err != nil {
		return nil, badStatement("statement_time", "the software statement has expired or is not good yet")
	}
	if own.Software == "" {
		return nil, badStatement("statement_software", "the software statement has no software_id")
	}
	return all, nil
}

func badStatement(reason, description string) *oauth.Error {
	return &oauth.Error{Status: 400, Code: "invalid_software_statement", Reason: reason, Description: description}
}
