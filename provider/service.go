package provider

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"time"
)

// Service is an address that takes JSON and answers JSON. The zero Service reaches nothing.
type Service struct {
	URL     string
	Headers http.Header   // sent along: what authenticates us; nil: nothing does
	Timeout time.Duration // for a whole exchange; zero: the context's alone
	HTTP    *http.Client  // its transport and time limit are used, its cookies and redirects are not; nil: one with the system's authorities
}

// Post sends a JSON text and gives the answer's. The error is ErrUnreachable, ErrAnswer, also for every status but 200, the
// context's, or that of a Service that is not whole.
func (s Service) Post(ctx context.Context, body []byte) ([]byte, error) {
	u, err := url.Parse(s.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return nil, errors.New("a service without an http or https address")
	}
	if s.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.Timeout)
		defer cancel()
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("a service without an http or https address")
	}
	maps.Copy(r.Header, s.Headers)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	status, answer, err := send(s.HTTP, r)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("asking %s: %w: its status is %d", shown(u), ErrAnswer, status)
	}
	return answer, err
}
