package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	json "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// exchange redeems a code. RFC 6749 §4.1.3, RFC 7636 §4.5, RFC 8707 §2.2.
func (t *Transport) exchange(ctx context.Context, f flow, code string) (tokenAnswer, error) {
	return t.tokenRequest(ctx, f.found.server.TokenEndpoint, f.client, url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {code},
		"redirect_uri":  {f.redirect},
		"code_verifier": {f.verifier},
		"resource":      {f.found.resource},
	})
}

// tokenAnswer is a token response that was judged. RFC 6749 §5.1.
type tokenAnswer struct {
	access, refresh token.Secret
	life            time.Duration // 0: not said
	scopes          oauth.Scopes  // nil: not said, as they were asked for
}

// tokens makes the answer the tokens of somebody who asked for asked at now.
func (a tokenAnswer) tokens(now time.Time, asked oauth.Scopes) *tokens {
	c := &tokens{Access: a.access, Refresh: a.refresh, Life: a.life, Granted: asked}
	if a.life > 0 {
		c.Expires = now.Add(a.life)
	}
	if a.scopes != nil {
		c.Granted = a.scopes
	}
	return c
}

// tokenRequest posts form as client. No redirect is followed: what is posted is for this address alone.
func (t *Transport) tokenRequest(ctx context.Context, endpoint string, client registration, form url.Values) (tokenAnswer, error) {
	if client.Method != methodBasic {
		form.Set("client_id", client.ID)
	}
	if client.Method == methodPost {
		form.Set("client_secret", client.Secret.Reveal())
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return tokenAnswer{}, fmt.Errorf("%q is not an address", printable(endpoint, 300))
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if client.Method == methodBasic {
		// RFC 6749 §2.3.1: both are form-encoded before they are joined.
		r.SetBasicAuth(url.QueryEscape(client.ID), url.QueryEscape(client.Secret.Reveal()))
	}
	resp, err := t.net.send(r)
	if err != nil {
		return tokenAnswer{}, err
	}
	body, err := readAnswer(resp)
	if err != nil {
		return tokenAnswer{}, fmt.Errorf("reading the token answer: %w", err)
	}
	return readTokens(resp.StatusCode, resp.Header, body)
}

// tokenText is the JSON of a token response or of its error.
type tokenText struct {
	Access      string         `json:"access_token"`
	Type        string         `json:"token_type"`
	ExpiresIn   jsontext.Value `json:"expires_in"`
	Refresh     string         `json:"refresh_token"`
	Scope       string         `json:"scope"`
	Error       string         `json:"error"`
	Description string         `json:"error_description"`
}

func readTokens(status int, h http.Header, body []byte) (tokenAnswer, error) {
	var text tokenText
	parsed := json.Unmarshal(body, &text)
	switch {
	case parsed == nil && text.Error != "" && isJSON(h): // some answer 200 with an error in it
		return tokenAnswer{}, answerError(text.Error, text.Description)
	case status == http.StatusUnauthorized:
		// RFC 6749 §5.2: 401 is only for invalid_client, also where a proxy ate the body.
		return tokenAnswer{}, answerError("invalid_client", "the token endpoint answered 401")
	case status != http.StatusOK:
		return tokenAnswer{}, fmt.Errorf("the token endpoint answered with status %d", status)
	case !isJSON(h):
		return tokenAnswer{}, fmt.Errorf("the token endpoint answered %q, not JSON", printable(h.Get("Content-Type"), 60))
	case parsed != nil:
		return tokenAnswer{}, errors.New("the token answer cannot be read") // its text may hold a token
	case !bearerText(text.Access):
		return tokenAnswer{}, errors.New("the token answer has no usable access_token")
	case !strings.EqualFold(text.Type, "Bearer"): // RFC 6749 §5.1: required, and without case
		return tokenAnswer{}, fmt.Errorf("the token answer has the token_type %q, this client can use Bearer only", printable(text.Type, 40))
	}
	scopes, err := oauth.ParseScopes(text.Scope)
	if err != nil {
		return tokenAnswer{}, fmt.Errorf("the scope of the token answer: %w", err)
	}
	life, err := lifetime(text.ExpiresIn)
	if err != nil {
		return tokenAnswer{}, err
	}
	answer := tokenAnswer{token.NewSecret(text.Access), token.NewSecret(text.Refresh), life, nil}
	if text.Scope != "" {
		answer.scopes = scopes
	}
	return answer, nil
}

const longest = 10 * 365 * 24 * time.Hour

// lifetime reads expires_in: a number of seconds (RFC 6749 §5.1), or the same in quotes, which some servers send.
func lifetime(v jsontext.Value) (time.Duration, error) {
	text := strings.Trim(string(v), `"`)
	if text == "" || text == "null" {
		return 0, nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || !(seconds >= 0) {
		return 0, errors.New("the expires_in of the token answer is not a number of seconds")
	}
	if seconds > longest.Seconds() {
		return longest, nil
	}
	// Zero would read as "not said": a token that is over already is over in an instant.
	return max(time.Duration(seconds*float64(time.Second)), time.Nanosecond), nil
}

const maxToken = 32 << 10

// bearerText reports whether s can stand in an Authorization header. RFC 6750 §2.1 has a narrower alphabet, RFC 6749
// §A.12 this one less the space.
func bearerText(s string) bool {
	return s != "" && len(s) <= maxToken && !strings.ContainsFunc(s, unprintable)
}

// sign puts the token on a request. Only ever in the header: RFC 6750 §2.1, MCP Access Token Usage.
func (c *tokens) sign(r *http.Request) {
	if c != nil {
		r.Header.Set("Authorization", "Bearer "+c.Access.Reveal())
	}
}
