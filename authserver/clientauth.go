package authserver

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/doorward-mcp/doorward/oauth"
)

// client is who calls a back-channel endpoint, authenticated as it registered. RFC 6749 §2.3: one method, not two.
// A client with a secret may send it either way, whichever it registered.
func (s *Server) client(r *http.Request, p oauth.Params) (oauth.Client, error) {
	id, secret, basic, err := credentials(r, p)
	if err != nil {
		return oauth.Client{}, err
	}
	c, err := s.c.Client(r.Context(), id)
	if err == nil {
		err = authenticate(c, secret)
	}
	var refused *oauth.Error
	if errors.As(err, &refused) && refused.Code == "invalid_client" && basic {
		answer := *refused
		answer.Challenge = &oauth.Challenge{Scheme: "Basic", Realm: s.c.Issuer} // RFC 6749 §5.2
		return oauth.Client{}, &answer
	}
	return c, err
}

func credentials(r *http.Request, p oauth.Params) (id, secret string, basic bool, err error) {
	header := r.Header.Values("Authorization")
	if len(header) == 0 {
		if p.Get("client_id") == "" {
			return "", "", false, oauth.InvalidClient("no_client", "the request names no client: it has neither client_id nor Basic credentials")
		}
		return p.Get("client_id"), p.Get("client_secret"), false, nil
	}
	user, password, ok := r.BasicAuth()
	if len(header) > 1 || !ok {
		return "", "", strings.EqualFold(strings.SplitN(header[0], " ", 2)[0], "Basic"), oauth.InvalidClient("malformed_credentials", "the Authorization header is not one set of Basic credentials")
	}
	// RFC 6749 §2.3.1: both are encoded as a form is before they are joined.
	id, err1 := url.QueryUnescape(user)
	secret, err2 := url.QueryUnescape(password)
	switch {
	case err1 != nil || err2 != nil:
		return "", "", true, oauth.InvalidClient("malformed_credentials", "the Basic credentials are not form-encoded")
	case p.Get("client_secret") != "":
		return "", "", true, oauth.InvalidRequest("two_methods", "the client authenticates in two ways at once")
	case p.Get("client_id") != "" && p.Get("client_id") != id:
		return "", "", true, oauth.InvalidRequest("two_clients", "client_id is not the client of the Basic credentials")
	}
	return id, secret, true, nil
}

func authenticate(c oauth.Client, secret string) error {
	if c.Public() {
		if secret != "" {
			return oauth.InvalidClient("not_confidential", "this client has no secret, but one was sent")
		}
		return nil
	}
	hash := sha256.Sum256([]byte(secret))
	if c.SecretHash == [32]byte{} || subtle.ConstantTimeCompare(hash[:], c.SecretHash[:]) != 1 {
		return oauth.InvalidClient("secret", "the client's secret is missing or wrong")
	}
	return nil
}
