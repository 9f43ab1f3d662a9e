package registration

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/doorward-mcp/doorward/oauth"
)

// checkInitial asks for the initial access token. RFC 7591 §3.
func (r *Registry) checkInitial(req *http.Request) error {
	if r.c.InitialAccessToken.Empty() {
		return nil
	}
	want := sha256.Sum256([]byte(r.c.InitialAccessToken.Reveal()))
	if !bearer(req, want) {
		return unauthorized(req, "initial_token", "registration needs the initial access token of this server's operator, as a bearer token")
	}
	return nil
}

// bearer reports whether the request brings the token with this hash. The zero hash is nobody's.
func bearer(req *http.Request, want [32]byte) bool {
	raw, ok := bearerToken(req)
	got := sha256.Sum256([]byte(raw))
	return ok && want != [32]byte{} && subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// bearerToken is the token of the one Authorization header. RFC 6750 §2.1; RFC 9110 §11.1: the scheme in any case.
func bearerToken(req *http.Request) (string, bool) {
	values := req.Header.Values("Authorization")
	if len(values) != 1 {
		return "", false
	}
	scheme, raw, ok := strings.Cut(values[0], " ")
	return raw, ok && strings.EqualFold(scheme, "Bearer") && raw != ""
}

// unauthorized is the refusal of a token. RFC 6750 §3: the challenge has an error only if a token came.
func unauthorized(req *http.Request, reason, description string) *oauth.Error {
	e := &oauth.Error{Status: http.StatusUnauthorized, Code: "invalid_token", Reason: reason, Description: description, Challenge: &oauth.Challenge{}}
	if len(req.Header.Values("Authorization")) > 0 {
		e.Challenge = &oauth.Challenge{Error: e.Code, Description: description}
	}
	return e
}
