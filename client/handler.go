package client

import (
	"context"
	"net/http"
	"strings"

	"golang.org/x/oauth2"
)

// TokenSource and Authorize satisfy auth.OAuthHandler of the official go-sdk, for programs that give their transport
// a handler and not an http.Client. Use one of the two ways, not both.

// TokenSource gives the token of the next request, refreshed if it is due. nil without an error: there is none yet.
func (t *Transport) TokenSource(ctx context.Context) (oauth2.TokenSource, error) {
	cur, err := t.current(ctx)
	if err != nil || cur == nil {
		return nil, err
	}
	return oauth2.StaticTokenSource(&oauth2.Token{AccessToken: cur.Access.Reveal(), TokenType: "Bearer", Expiry: cur.Expires}), nil
}

// Authorize answers a refusal: it renews the token, or returns why the refusal stands. It closes resp's body.
func (t *Transport) Authorize(ctx context.Context, r *http.Request, resp *http.Response) error {
	defer drain(resp)
	if !t.covers(r.URL) {
		return errRefused(resp)
	}
	used, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	var body replay
	if r.GetBody != nil {
		body.again = r.GetBody
	}
	again, err := t.answer(ctx, t.sentWith(used), operation(r.Header, r.Method, body), resp)
	if err == nil && !again {
		return errRefused(resp)
	}
	return err
}

// sentWith is what is known of a token that was sent: the current one, or one that was replaced meanwhile.
func (t *Transport) sentWith(access string) *tokens {
	if access == "" {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cur != nil && t.cur.Access.Reveal() == access {
		return t.cur
	}
	return &tokens{}
}
