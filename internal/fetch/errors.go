package fetch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
)

// What a caller may have to tell apart. The text around each names the address and what to do.
var (
	ErrAddress  = errors.New("address not allowed")
	ErrTooLarge = errors.New("document too large")
	ErrTimeout  = errors.New("no whole answer in time")
	ErrBusy     = errors.New("too many requests at the moment")
	ErrType     = errors.New("unexpected media type")
)

// StatusError is an answer with another status than 200.
type StatusError struct{ Code int }

func (e *StatusError) Error() string {
	return fmt.Sprintf("answered %d %s", e.Code, http.StatusText(e.Code))
}

// explain gives an error of the connection its cause: whether our bound on time or the caller's context ended it.
func explain(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if slow, ok := errors.AsType[net.Error](err); ok && slow.Timeout() {
		return fmt.Errorf("%w: %w", ErrTimeout, err)
	}
	return err
}

// shown is an address fit for a message: without query, which may hold what is nobody's business.
func shown(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
