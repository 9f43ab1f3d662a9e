package token

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// answerKept is how long what an issuer said of a token is taken, good or bad; never past the token's end.
const answerKept = 30 * time.Second

// asking is one question about a token. Whoever has the same token meanwhile waits for the same answer.
type asking struct {
	over chan struct{} // closed when what follows is set
	g    *genuine
	err  error
}

// ask is what the issuer says of a token. RFC 7662.
func (v *Verifier) ask(ctx context.Context, now time.Time, i *Issuer, sum [32]byte, raw string) (*genuine, error) {
	v.mu.Lock()
	a, ok := v.asked[sum]
	if !ok {
		a = &asking{over: make(chan struct{})}
		v.asked[sum] = a
		// A caller who goes away must not end a question for whose answer others wait.
		go v.answer(context.WithoutCancel(ctx), now, i, sum, raw, a)
	}
	v.mu.Unlock()
	select {
	case <-a.over:
		return a.g, a.err
	case <-ctx.Done():
		return nil, noAnswer()
	}
}

func (v *Verifier) answer(ctx context.Context, now time.Time, i *Issuer, sum [32]byte, raw string, a *asking) {
	// Whatever happens, those who wait are let go, and are not let in.
	a.err = noAnswer()
	defer func() {
		v.mu.Lock()
		delete(v.asked, sum)
		v.mu.Unlock()
		close(a.over)
	}()
	body, err := i.Introspect(ctx, raw)
	if err != nil {
		return
	}
	c, err := readForeign(body)
	active := c["active"].Kind()
	if err != nil || active != 't' && active != 'f' { // RFC 7662 §2.2: it is REQUIRED, and a boolean
		return
	}
	g, err := i.answered(c, raw)
	if err != nil {
		g = &genuine{refused: err}
	}
	g.size = uint32(len(body)) + 1024
	g.until = now.Add(answerKept)
	if end := g.caller.Expires; !end.IsZero() && end.Before(g.until) {
		g.until = end
	}
	v.kept.Set(sum, g)
	a.g, a.err = g, nil
}

// answered judges what an issuer said of raw. RFC 7662 §4: a token that is active is not therefore one for this resource.
func (i *Issuer) answered(c foreign, raw string) (*genuine, error) {
	if c["active"].Kind() != 't' {
		return nil, invalid("inactive", "the token's issuer says that it is not good")
	}
	if _, ok := c.find("iss"); ok && !c.is("iss", []string{i.URL}) {
		return nil, invalid("issuer", "the token was issued by somebody else")
	}
	// Refresh tokens may be asked about too (RFC 7662 §2.1). Some issuers say which in token_use.
	if _, ok := c.find("token_type"); ok && !c.fold("token_type", "Bearer", "DPoP") {
		return nil, invalid("type", "the token is not one that is sent as Bearer or DPoP")
	}
	if _, ok := c.find("token_use"); ok && !c.fold("token_use", "access", "access_token") {
		return nil, invalid("not_access", "the token is none of its issuer's access tokens")
	}
	var ignored foreign
	if h, err := split(raw, &ignored); err == nil && !i.takesType(h.Type) {
		return nil, invalid("type", "the token is not an access token: its typ is another one")
	}
	g, err := i.genuine(c, len(raw))
	if err == nil && g.caller.Key == "" && c.fold("token_type", "DPoP") {
		// RFC 9449 §6.2: it is bound, and nobody says to which key.
		return nil, invalid("bound_otherwise", "the token is bound in a way that is not taken here")
	}
	return g, err
}

// fold reports whether a claim is one of values, in whatever case.
func (c foreign) fold(name string, values ...string) bool {
	got := c.first(nil, name)
	for _, v := range values {
		if strings.EqualFold(got, v) {
			return true
		}
	}
	return false
}

// says is who a token says to be from, read before anything is verified: it only chooses whom to ask. A token is a secret of
// its issuer, so one that names an issuer is shown to nobody else. signed is for what is a JWS and cannot be read whole.
func says(raw string) (issuer string, signed bool, err error) {
	var said struct {
		Issuer string `json:"iss"`
	}
	_, err = split(raw, &said)
	if err == nil {
		return said.Issuer, true, nil
	}
	head, _, _ := strings.Cut(raw, ".")
	b, wrong := base64.RawURLEncoding.DecodeString(head)
	signed = wrong == nil && strings.Count(raw, ".") == 2 && json.Valid(b) && bytes.HasPrefix(bytes.TrimSpace(b), []byte("{"))
	return "", signed, err
}

// sendable reports whether raw is a b64token, which all tokens are that a header can carry. RFC 6750 §2.1.
func sendable(raw string) bool {
	body := strings.TrimRight(raw, "=")
	return body != "" && !strings.ContainsFunc(body, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._~+/", r))
	})
}

func noAnswer() error {
	return unavailable("introspection_unavailable", "the token's issuer cannot be asked about it at the moment; try again")
}
