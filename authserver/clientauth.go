package authserver

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/doorward-mcp/doorward/grant"
	"github.com/doorward-mcp/doorward/internal/request"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// assertionType is how a client says that it authenticates with a signed assertion. RFC 7523 §2.2.
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// credentials are what a client sent to show who it is.
type credentials struct {
	id, secret string
	assertion  string // private_key_jwt; empty: none
	basic      bool
}

// client is who calls a back-channel endpoint, authenticated as it registered. RFC 6749 §2.3: one method, not two.
// A client with a secret may send it either way, whichever it registered.
func (s *Server) client(r *http.Request, p oauth.Params) (oauth.Client, error) {
	sent, err := s.credentials(r, p)
	if err != nil {
		return oauth.Client{}, err
	}
	c, err := s.named(r.Context(), sent)
	if err == nil {
		err = s.authenticate(r, c, sent)
	}
	if err == nil && c.Waits {
		err = waits
	}
	// Only a client that is known to be itself has a bucket: under a public one's id anybody could empty it for all.
	if err == nil && !c.Public() && !s.rate.AllowKey(request.From(r.Context()).Now, c.ID, s.c.Limits.Client) {
		err = tooMany()
	}
	var refused *oauth.Error
	if errors.As(err, &refused) && refused.Code == "invalid_client" && sent.basic {
		answer := *refused
		answer.Challenge = &oauth.Challenge{Scheme: "Basic", Realm: s.c.Issuer} // RFC 6749 §5.2
		return oauth.Client{}, &answer
	}
	return c, err
}

// named is the client that the credentials name. A document that is not at hand is read for the keys in it and for nothing
// else: whoever only says its address may be anybody, and makes us fetch nothing.
func (s *Server) named(ctx context.Context, sent credentials) (oauth.Client, error) {
	if sent.assertion == "" && oauth.IsDocumentID(sent.id) {
		if _, known := s.c.Known(ctx, sent.id); !known {
			return oauth.Client{}, oauth.InvalidClient("document_unread", "this client's metadata document is not at hand, and nothing that it was given here was sent")
		}
	}
	return s.c.Client(ctx, sent.id)
}

// unread reports whether a request brings no more than the address of a document that is not at hand.
func (s *Server) unread(r *http.Request, p oauth.Params) bool {
	if !bare(r, p) || !oauth.IsDocumentID(p.Get("client_id")) {
		return false
	}
	_, known := s.c.Known(r.Context(), p.Get("client_id"))
	return !known
}

// bare reports whether a request has no credentials.
func bare(r *http.Request, p oauth.Params) bool {
	return len(r.Header.Values("Authorization")) == 0 && p.Get("client_secret") == "" && p.Get("client_assertion") == ""
}

// tokenClient is the client of a token request. Two do not authenticate as the others: a workload, whose assertion says which
// client it is, and a public client whose document is not at hand, which needs none: its grant knows it.
func (s *Server) tokenClient(r *http.Request, p oauth.Params) (oauth.Client, error) {
	switch {
	case bare(r, p) && p.Get("grant_type") == jwtBearer && s.byGrant(r.Context(), p.Get("client_id")):
		return s.workload(r.Context(), p)
	case !s.unread(r, p):
		return s.client(r, p)
	}
	c, err := s.grantee(r, p, presented(p))
	switch {
	case errors.Is(err, ErrNotFound) && p.Get("grant_type") == deviceGrant: // a device that waits has no grant yet
		return granted(p.Get("client_id")), nil
	case errors.Is(err, ErrNotFound):
		return c, refusal(grant.Refused)
	}
	return c, err
}

// byGrant reports whether the assertion of a grant is all that its client authenticates with: the request names a workload, or
// leaves it to the assertion to say which (RFC 7521 §4.1).
func (s *Server) byGrant(ctx context.Context, id string) bool {
	c, known := s.c.Known(ctx, id)
	return id == "" || known && c.WorkloadIssuer != ""
}

// grantee is the client that a grant was given to. Its document is not read: nobody makes us fetch anything with a token that we
// never gave, and a document's host that is down ends no session. ErrNotFound: there is no such grant of this client.
func (s *Server) grantee(r *http.Request, p oauth.Params, n grant.Name) (oauth.Client, error) {
	g, err := s.c.Store.Grants.Find(r.Context(), request.From(r.Context()).Now, n)
	switch {
	case err != nil:
		return oauth.Client{}, err
	case g.Client != p.Get("client_id"):
		return oauth.Client{}, ErrNotFound
	case g.Confidential:
		return s.client(r, p)
	}
	return granted(g.Client), nil
}

// granted is what of a document's client its grants know.
func granted(id string) oauth.Client {
	return oauth.Client{ID: id, Source: oauth.Document, ClientMetadata: oauth.ClientMetadata{
		TokenAuthMethod: "none", GrantTypes: []string{"authorization_code", "refresh_token", deviceGrant}}}
}

// presented names the grant of a token request, of whatever type.
func presented(p oauth.Params) grant.Name {
	switch p.Get("grant_type") {
	case "refresh_token":
		r, _ := grant.ParseRefresh(token.NewSecret(p.Get("refresh_token")))
		return grant.Name{ID: r.Grant()}
	case deviceGrant:
		return grant.Name{Code: sha256.Sum256([]byte(p.Get("device_code")))}
	}
	return grant.Name{Code: sha256.Sum256([]byte(p.Get("code")))}
}

func (s *Server) credentials(r *http.Request, p oauth.Params) (sent credentials, err error) {
	header := r.Header.Values("Authorization")
	if len(header) == 0 {
		return inBody(p)
	}
	user, password, ok := r.BasicAuth()
	if len(header) > 1 || !ok {
		sent.basic = strings.EqualFold(strings.SplitN(header[0], " ", 2)[0], "Basic")
		return sent, oauth.InvalidClient("malformed_credentials", "the Authorization header is not one set of Basic credentials")
	}
	sent.basic = true
	// RFC 6749 §2.3.1: both are encoded as a form is before they are joined.
	id, err1 := url.QueryUnescape(user)
	secret, err2 := url.QueryUnescape(password)
	switch {
	case err1 != nil || err2 != nil:
		return sent, oauth.InvalidClient("malformed_credentials", "the Basic credentials are not form-encoded")
	case p.Get("client_secret") != "" || p.Get("client_assertion") != "":
		return sent, oauth.InvalidRequest("two_methods", "the client authenticates in two ways at once")
	case p.Get("client_id") != "" && p.Get("client_id") != id:
		return sent, oauth.InvalidRequest("two_clients", "client_id is not the client of the Basic credentials")
	}
	sent.id, sent.secret = id, secret
	return sent, nil
}

// inBody are the credentials of a request without Authorization header.
func inBody(p oauth.Params) (sent credentials, err error) {
	sent = credentials{id: p.Get("client_id"), secret: p.Get("client_secret"), assertion: p.Get("client_assertion")}
	if sent.assertion == "" {
		if p.Get("client_assertion_type") != "" {
			return sent, oauth.InvalidClient("assertion", "the request has a client_assertion_type but no client_assertion")
		}
		if sent.id == "" {
			return sent, oauth.InvalidClient("no_client", "the request names no client: it has neither client_id nor Basic credentials")
		}
		return sent, nil
	}
	_, said, err := token.Said(sent.assertion)
	switch {
	case p.Get("client_assertion_type") != assertionType:
		return sent, oauth.InvalidClient("assertion_type", "the client_assertion_type must be "+assertionType)
	case sent.secret != "":
		return sent, oauth.InvalidRequest("two_methods", "the client authenticates in two ways at once")
	case err != nil:
		return sent, oauth.InvalidClient("assertion", "the client assertion is not a JWT")
	case sent.id != "" && sent.id != said.Subject: // RFC 7521 §4.2
		return sent, oauth.InvalidClient("two_clients", "client_id is not the client of the assertion")
	}
	sent.id = said.Subject
	return sent, nil
}

// authenticate holds what was sent against what the client registered: whoever registered a key is not let in without one.
func (s *Server) authenticate(r *http.Request, c oauth.Client, sent credentials) error {
	switch {
	case c.TokenAuthMethod == "private_key_jwt":
		return s.checkAssertion(r, c, sent)
	case sent.assertion != "":
		return oauth.InvalidClient("not_registered", "this client did not register a key to authenticate with")
	case c.WorkloadIssuer != "":
		return oauth.InvalidClient("workload", "this client authenticates with an assertion of its platform, as the grant itself")
	case c.Public() && sent.secret != "":
		return oauth.InvalidClient("not_confidential", "this client has no secret, but one was sent")
	case c.Public():
		return nil
	}
	hash := sha256.Sum256([]byte(sent.secret))
	if c.SecretHash == [32]byte{} || subtle.ConstantTimeCompare(hash[:], c.SecretHash[:]) != 1 {
		return oauth.InvalidClient("secret", "the client's secret is missing or wrong")
	}
	return nil
}

// checkAssertion is private_key_jwt: RFC 7523 §3, OpenID Connect Core §9. The audience is the issuer alone: an assertion for
// another server's endpoint is not ours, whatever address that server calls its own. Its subject is c already: that is how c
// was found.
func (s *Server) checkAssertion(r *http.Request, c oauth.Client, sent credentials) error {
	if sent.assertion == "" {
		return oauth.InvalidClient("no_assertion", "this client authenticates with a signed assertion, and none was sent")
	}
	keys, err := s.c.KeysOf(c)
	if err != nil {
		return err
	}
	now := request.From(r.Context()).Now
	said, err := token.ReadAssertion(r.Context(), now, sent.assertion, token.Expected{Issuer: c.ID, Keys: keys, Audience: s.c.Issuer, Code: "invalid_client"})
	if err != nil {
		return err
	}
	fresh, err := s.c.Store.Once(r.Context(), now, "client assertion", c.ID+" "+said.ID, said.Expires.Add(2*token.Leeway))
	if err == nil && !fresh {
		err = oauth.InvalidClient("assertion_replayed", "the assertion was used before")
	}
	return err
}
