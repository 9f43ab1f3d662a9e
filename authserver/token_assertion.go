package authserver

import (
	"context"
	"fmt"
	"slices"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// Trust is an issuer whose assertions are taken as grants, and what they may say. RFC 7523 §2.1.
type Trust struct {
	Issuer   string     // iss, byte for byte
	Keys     token.Keys // nil: no assertion of it is good
	Identity bool       // an identity provider, whose ID-JAGs say who the person is; else a platform, which says which workload calls
	Audience string     // what a platform's assertions may name in place of our issuer; empty: nothing
}

// idJAG is the typ of an identity assertion authorization grant. draft-ietf-oauth-identity-assertion-authz-grant §3.
const idJAG = "oauth-id-jag+jwt"

// assertion is the jwt-bearer grant. What the assertion says besides who and for what is not copied into the token: whoever
// controls the issuer's claims does not thereby control ours.
func (s *Server) assertion(ctx context.Context, a ask) (act, error) {
	t, err := s.trusted(a.params)
	if err != nil {
		return nil, err
	}
	said, err := s.readAssertion(ctx, a, t)
	if err != nil {
		return nil, err
	}
	var claims token.Claims
	if t.Identity {
		claims, err = s.identityClaims(a, said)
	} else if claims, err = s.workloadClaims(a, said); err == nil && !s.rate.AllowKey(a.info.Now, a.client.ID, s.c.Limits.Client) {
		err = tooMany() // only now it is known to be itself
	}
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, in audit.Intent) (issued, error) {
		if !t.Identity { // a platform gives a workload one assertion for longer than our tokens live
			return issued{Claims: claims}, nil
		}
		// RFC 7523 §3: jti is used once; the enterprise-managed extension makes it a must.
		fresh, err := s.c.Store.Once(ctx, in.Now(), "grant assertion", said.Issuer+" "+said.ID, said.Expires.Add(2*token.Leeway))
		if err == nil && !fresh {
			err = oauth.InvalidGrant("replayed", "the assertion was used before")
		}
		return issued{Claims: claims}, err
	}, nil
}

// trusted is the configured issuer that an assertion says it is of.
func (s *Server) trusted(p oauth.Params) (Trust, error) {
	raw := p.Get("assertion")
	if raw == "" {
		return Trust{}, oauth.InvalidRequest("no_assertion", "the request has no assertion")
	}
	_, who, err := token.Said(raw)
	if err != nil {
		return Trust{}, oauth.InvalidGrant("malformed", "the assertion is not a JWT")
	}
	for _, t := range s.c.Trusts {
		if t.Issuer == who.Issuer && t.Keys != nil {
			return t, nil
		}
	}
	return Trust{}, oauth.InvalidGrant("issuer", "the assertion is of an issuer that is not trusted here")
}

func (s *Server) readAssertion(ctx context.Context, a ask, t Trust) (token.Assertion, error) {
	want := token.Expected{Issuer: t.Issuer, Keys: t.Keys, Audience: s.c.Issuer, Code: "invalid_grant"}
	if t.Identity {
		want.Typ = []string{idJAG}
	}
	said, err := token.ReadAssertion(ctx, a.info.Now, a.params.Get("assertion"), want)
	if err != nil && t.Audience != "" && !t.Identity {
		want.Audience = t.Audience // platforms that cannot name our issuer name what the operator says
		said, err = token.ReadAssertion(ctx, a.info.Now, a.params.Get("assertion"), want)
	}
	return said, err
}

// identityClaims are those of a person whom an identity provider vouches for to this client. Enterprise-managed
// authorization: client_id is the client that authenticated, resource is one of ours, scopes are intersected.
func (s *Server) identityClaims(a ask, said token.Assertion) (token.Claims, error) {
	var jag struct {
		Client   string  `json:"client_id"`
		Resource *string `json:"resource"`
		Scope    *string `json:"scope"`
		Key      any     `json:"cnf"`
		Details  any     `json:"authorization_details"`
		Acting   any     `json:"act"`
	}
	switch err := said.Claims(&jag); {
	case a.client.Public() || a.client.WorkloadIssuer != "":
		return token.Claims{}, unauthorizedClient(jwtBearer)
	case err != nil:
		return token.Claims{}, oauth.InvalidGrant("claims", "the assertion's claims cannot be read")
	case jag.Client != a.client.ID:
		return token.Claims{}, oauth.InvalidGrant("other_client", "the assertion was given to another client")
	case jag.Key != nil, jag.Details != nil, jag.Acting != nil: // what narrows it and is not understood
		return token.Claims{}, oauth.InvalidGrant("not_understood", "the assertion is bound or narrowed in a way that is not supported here")
	}
	if jag.Resource != nil {
		named, err := s.oneResource(a.params)
		if err != nil {
			return token.Claims{}, err
		}
		r, err := s.resource(*jag.Resource)
		if err != nil || named.URI != "" && named.URI != r.URI {
			return token.Claims{}, oauth.InvalidGrant("resource", "the assertion is for another server")
		}
		a.client.Reaches = intersect(a.client, r.URI)
	}
	var within oauth.Scopes
	if jag.Scope != nil {
		var err error
		if within, err = oauth.ParseScopes(*jag.Scope); err != nil {
			return token.Claims{}, oauth.InvalidGrant("scope", "the assertion's scope cannot be read")
		}
		if within == nil {
			within = oauth.Scopes{}
		}
	}
	return s.withoutGrant(a, Foreign(s.c.Issuer, said.Principal), within)
}

// intersect is where a client may go with an assertion for one resource: there, if the operator lists no places for the client or
// lists this one. A client that described itself reaches what the identity provider says.
func intersect(c oauth.Client, resource string) []string {
	if c.Source == oauth.Listed && !slices.Contains(c.Reaches, resource) {
		return nil
	}
	return []string{resource}
}

// Foreign is the subject under which our tokens name somebody whom another issuer knows. No issuer has a number sign (RFC 8414
// §2), so two people are never one.
func Foreign(issuer string, p token.Principal) token.Principal {
	return token.Principal{Issuer: issuer, Subject: p.Issuer + "#" + p.Subject}
}

// workloadClaims are those of a client that a platform vouches for.
func (s *Server) workloadClaims(a ask, said token.Assertion) (token.Claims, error) {
	if a.client.WorkloadIssuer != said.Issuer || a.client.WorkloadSubject != said.Subject {
		return token.Claims{}, oauth.InvalidGrant("workload", "the assertion is of another workload")
	}
	var all map[string]any
	if err := said.Claims(&all); err != nil {
		return token.Claims{}, oauth.InvalidGrant("claims", "the assertion's claims cannot be read")
	}
	for name, want := range a.client.WorkloadClaims {
		if got, ok := all[name]; !ok || fmt.Sprint(got) != want {
			return token.Claims{}, oauth.InvalidGrant("workload", "the assertion is of another workload")
		}
	}
	return s.withoutGrant(a, token.Principal{Issuer: s.c.Issuer, Subject: a.client.ID}, nil)
}

// workload is the client that an assertion says to be: the assertion is all that it authenticates with.
func (s *Server) workload(ctx context.Context, p oauth.Params) (oauth.Client, error) {
	t, err := s.trusted(p)
	if err != nil {
		return oauth.Client{}, err
	}
	_, who, err := token.Said(p.Get("assertion"))
	if err != nil {
		return oauth.Client{}, err
	}
	if t.Identity {
		return oauth.Client{}, oauth.InvalidClient("no_client", "the client must authenticate: an identity assertion says who the person is, not which client asks")
	}
	c, ok, err := s.c.Workload(ctx, who)
	if named := p.Get("client_id"); err == nil && (!ok || named != "" && named != c.ID) { // a client that no assertion fits: only whoever has a genuine one learns which workloads are listed
		c = oauth.Client{WorkloadIssuer: who.Issuer, ClientMetadata: oauth.ClientMetadata{GrantTypes: []string{jwtBearer}}}
	}
	return c, err
}
