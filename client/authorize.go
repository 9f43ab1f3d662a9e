package client

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/doorward-mcp/doorward/oauth"
)

// flow is one authorization request under way. It lives in memory only, under its state: two sign-ins at once cannot
// take each other's verifier.
type flow struct {
	found    discovered // the issuer is recorded before the browser goes there. MCP 2026-07-28, Authorization Response Validation
	client   registration
	redirect string
	scopes   oauth.Scopes
	state    string
	verifier string
}

func newFlow(found discovered, client registration, redirect string, scopes oauth.Scopes) flow {
	return flow{found, client, redirect, scopes, rand.Text(), oauth.NewVerifier()}
}

// address is the authorization request. RFC 6749 §4.1.1, RFC 7636 §4.3, RFC 8707 §2.
func (f flow) address() (string, error) {
	u, err := url.Parse(f.found.server.AuthorizationEndpoint)
	if err != nil {
		return "", err
	}
	q := u.Query() // RFC 6749 §3.1: a query that the endpoint has is kept
	q.Set("response_type", "code")
	q.Set("client_id", f.client.ID)
	q.Set("redirect_uri", f.redirect)
	q.Set("state", f.state)
	q.Set("code_challenge", oauth.S256(f.verifier))
	q.Set("code_challenge_method", methodS256)
	q.Set("resource", f.found.resource)
	if len(f.scopes) > 0 {
		q.Set("scope", f.scopes.String())
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// authorize shows the authorization address and waits for the browser to come back, or for the person to paste where
// it ended.
func (t *Transport) authorize(ctx context.Context, f flow, cb *callback) (code string, err error) {
	ctx, cancel := context.WithTimeout(ctx, t.o.Wait)
	defer cancel()
	address, err := f.address()
	if err != nil {
		return "", err
	}
	// MCP, Security Best Practices, OAuth Authorization URL Validation: only these schemes reach a browser.
	if err := t.net.endpoint(address); err != nil {
		return "", err
	}
	answers := make(chan oauth.Params)
	cb.serve(ctx, f.state, answers)
	t.asking()
	if err := t.o.Browser(ctx, address); err != nil {
		return "", fmt.Errorf("showing the sign-in page: %w", err)
	}
	pasted := make(chan error, 1)
	if t.o.Prompt != nil {
		go func() { pasted <- t.paste(ctx, f, address, answers) }()
	}
	for {
		select {
		case p := <-answers:
			return f.answer(p)
		case err := <-pasted:
			if err != nil && ctx.Err() == nil {
				t.log.InfoContext(ctx, "no address was pasted", "error", err)
			}
			pasted = nil // the listener is still there
		case <-ctx.Done():
			return "", fmt.Errorf("waiting for the sign-in: %w", ctx.Err())
		}
	}
}

const maxPastes = 5

// paste asks for the address that the browser ended at and takes its parameters.
func (t *Transport) paste(ctx context.Context, f flow, address string, answers chan<- oauth.Params) error {
	for range maxPastes {
		text, err := t.o.Prompt(ctx, address)
		if err != nil {
			return err
		}
		p, err := f.read(text)
		if err != nil {
			continue // a slip of the hand: asked again
		}
		select {
		case answers <- p:
		case <-ctx.Done():
		}
		return nil
	}
	return errors.New("none of the pasted addresses was the one that the browser ended at")
}

// read takes the parameters of a pasted address: the redirect address of this flow, with its state.
func (f flow) read(pasted string) (oauth.Params, error) {
	u, err := url.Parse(strings.TrimSpace(pasted))
	if err != nil {
		return oauth.Params{}, errors.New("it is not an address")
	}
	query := u.RawQuery
	u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = "", false, "", ""
	if u.String() != f.redirect {
		return oauth.Params{}, errors.New("it is not where the browser was sent")
	}
	p, err := oauth.ReadParams(query)
	if err == nil && !sameState(p.Get("state"), f.state) {
		err = errors.New("it belongs to another sign-in")
	}
	return p, err
}

func sameState(got, want string) bool {
	return subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1
}

// answer reads an authorization response whose state is this flow's.
func (f flow) answer(p oauth.Params) (code string, err error) {
	// RFC 9207 §2.4, first of all: a response of another issuer is not looked into, its error neither shown nor acted
	// on. Byte for byte; required when the metadata announces it, compared whenever it is there.
	iss := p.Get("iss")
	if iss == "" && f.found.server.IssParameter {
		return "", errors.New("the authorization response does not say its issuer, and the server's metadata says that it does: refused")
	}
	if iss != "" && iss != f.found.server.Issuer {
		return "", differ("the issuer of the authorization response", f.found.server.Issuer, iss)
	}
	if e := p.Get("error"); e != "" {
		err := answerError(e, p.Get("error_description"))
		return "", fmt.Errorf("the authorization server answered %w", err)
	}
	if code = p.Get("code"); code == "" {
		return "", errors.New("the authorization response has no code")
	}
	return code, nil
}
