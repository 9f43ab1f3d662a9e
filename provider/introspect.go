package provider

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// What an Introspection does where it is not told otherwise.
const (
	DefaultAtOnce = 32              // questions under way
	introspectFor = 5 * time.Second // how long one may take, waiting for its turn included
)

// Introspection asks an issuer about tokens. RFC 7662. Make one with NewIntrospection for each issuer; it is safe for
// concurrent use.
type Introspection struct {
	endpoint Endpoint
	under    chan struct{} // one element for each question under way
}

// NewIntrospection asks at e, at most atOnce questions at the same time; 0: DefaultAtOnce.
func NewIntrospection(e Endpoint, atOnce int) *Introspection {
	if atOnce <= 0 {
		atOnce = DefaultAtOnce
	}
	return &Introspection{e, make(chan struct{}, atOnce)}
}

// Ask gives what the issuer answers about a token: the whole body, not judged. An answer that is not 200 is an error, so that
// nobody takes our own credential's refusal for the token's. It asks as long as ctx lives, and never longer than 5 s.
func (i *Introspection) Ask(ctx context.Context, raw string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, introspectFor)
	defer cancel()
	select {
	case i.under <- struct{}{}:
		defer func() { <-i.under }()
	case <-ctx.Done():
		return nil, fmt.Errorf("asking about a token: all of %d questions are taken: %w", cap(i.under), ErrUnreachable)
	}
	status, body, err := i.endpoint.Post(ctx, url.Values{"token": {raw}, "token_type_hint": {"access_token"}})
	switch {
	case err != nil:
		return nil, fmt.Errorf("asking about a token: %w", err)
	case status != http.StatusOK:
		return nil, fmt.Errorf("asking about a token: %w: its status is %d", ErrAnswer, status)
	}
	return body, nil
}
