package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/token"
)

// The names of grants and of kinds of tokens. RFC 6749 §4.4; RFC 8693 §2.1 and §3; RFC 7523 §2.1.
const (
	grantClient   = "client_credentials"
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	grantBearer   = "urn:ietf:params:oauth:grant-type:jwt-bearer"

	TypeAccess = "urn:ietf:params:oauth:token-type:access_token"
	TypeJWT    = "urn:ietf:params:oauth:token-type:jwt"
)

const (
	unsaid      = time.Minute    // the life of a token whose server does not say it
	longest     = 24 * time.Hour // a longer life is not believed
	maxTokenLen = 16 << 10       // more does not fit into the header of a request
)

// ErrRefused is the error of a token endpoint that does not give the token. RFC 6749 §5.2.
var ErrRefused = errors.New("it gives no token")

// Wanted is what a token is to be good for. The zero Wanted leaves it to the server.
type Wanted struct {
	Audiences, Resources, Scopes []string
	Parameters                   map[string]string // what this server asks for besides
}

// Token is what a server gave. It is not verified: it is meant for somebody else.
type Token struct {
	Text    token.Secret
	Expires time.Time
}

// ClientCredentials asks for a token of the client's own. RFC 6749 §4.4.
func (e Endpoint) ClientCredentials(ctx context.Context, now time.Time, w Wanted) (Token, error) {
	form := w.form()
	form.Set("grant_type", grantClient)
	return e.token(ctx, now, form)
}

// Exchange asks for a token on behalf of the one whom subject is about. RFC 8693 §2.1. An empty kind is TypeJWT.
func (e Endpoint) Exchange(ctx context.Context, now time.Time, subject token.Secret, kind string, w Wanted) (Token, error) {
	if kind == "" {
		kind = TypeJWT
	}
	form := w.form()
	form.Set("grant_type", grantExchange)
	form.Set("subject_token", subject.Reveal())
	form.Set("subject_token_type", kind)
	form.Set("requested_token_type", TypeAccess)
	return e.token(ctx, now, form)
}

// Bearer asks for a token on behalf of the one whom the assertion is about. RFC 7523 §2.1: servers that take no foreign
// subject token in an exchange may take it so.
func (e Endpoint) Bearer(ctx context.Context, now time.Time, assertion token.Secret, w Wanted) (Token, error) {
	form := w.form()
	form.Set("grant_type", grantBearer)
	form.Set("assertion", assertion.Reveal())
	return e.token(ctx, now, form)
}

// form begins a request. What belongs to the grant is written over it afterwards, so that no Parameter changes it.
func (w Wanted) form() url.Values {
	form := url.Values{}
	for name, value := range w.Parameters {
		form.Set(name, value)
	}
	// RFC 8693 §2.1: audience and resource may be repeated.
	if len(w.Audiences) > 0 {
		form["audience"] = w.Audiences
	}
	if len(w.Resources) > 0 {
		form["resource"] = w.Resources
	}
	if len(w.Scopes) > 0 {
		form.Set("scope", strings.Join(w.Scopes, " "))
	}
	return form
}

// answered is the JSON of a token endpoint. RFC 6749 §5.1 and §5.2; RFC 8693 §2.2.1.
type answered struct {
	Access  string      `json:"access_token"`
	Type    string      `json:"token_type"`
	Issued  string      `json:"issued_token_type"`
	Life    json.Number `json:"expires_in"`
	Problem string      `json:"error"`
}

func (e Endpoint) token(ctx context.Context, now time.Time, form url.Values) (Token, error) {
	status, body, err := e.Post(ctx, form)
	if err != nil {
		return Token{}, err
	}
	var a answered
	unread := json.Unmarshal(body, &a)
	switch {
	case status >= 500 || status == http.StatusTooManyRequests:
		return Token{}, fmt.Errorf("asking for a token: %w: status %d", ErrUnreachable, status)
	case unread == nil && a.Problem != "": // some say so with a 200
		return Token{}, fmt.Errorf("asking for a token: %w: %s (status %d)", ErrRefused, word(a.Problem), status)
	case status != http.StatusOK:
		return Token{}, fmt.Errorf("asking for a token: %w: status %d", ErrRefused, status)
	case unread != nil:
		return Token{}, fmt.Errorf("asking for a token: %w: it is not the JSON of a token endpoint", ErrAnswer)
	}
	if wrong := a.wrong(); wrong != "" {
		return Token{}, fmt.Errorf("asking for a token: %w: %s", ErrAnswer, wrong)
	}
	return Token{token.NewSecret(a.Access), now.Add(a.life())}, nil
}

// wrong says why a token cannot be sent as a bearer token.
func (a answered) wrong() string {
	switch {
	case a.Access == "":
		return "it has no access_token"
	case len(a.Access) > maxTokenLen:
		return "its token is too long for a header"
	case strings.ContainsFunc(a.Access, func(r rune) bool { return r < 0x21 || r > 0x7e }): // RFC 6750 §2.1
		return "its token has characters that no header may have"
	case !strings.EqualFold(a.Type, "Bearer"): // RFC 6749 §7.1: a client MUST NOT use a type that it does not understand
		return "its token_type is not Bearer"
	case a.Issued != "" && a.Issued != TypeAccess && a.Issued != TypeJWT: // RFC 8693 §2.2.1
		return "its issued_token_type is no access token's"
	}
	return ""
}

func (a answered) life() time.Duration {
	seconds, err := a.Life.Float64() // some write it as a string or with a fraction
	switch {
	case err != nil || seconds <= 0:
		return unsaid
	case seconds > longest.Seconds():
		return longest
	}
	return time.Duration(seconds) * time.Second
}

// word is an error code as RFC 6749 §5.2 allows it, cut short: it goes into a log.
func word(s string) string {
	clean := strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, s)
	return clean[:min(len(clean), 60)]
}
