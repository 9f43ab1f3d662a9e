package fetch

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// Do sends one request to an address from outside, such as a token endpoint that metadata named, under the same rules as Get, and follows
// no redirect. It gives the answer whatever its status. The caller bounds what it reads of the body, and closes it; the time is bounded
// here, and reading fails when it is over. Errors are those of Get, without ErrTooLarge and ErrType.
func (c *Client) Do(req *http.Request) (*http.Response, error) {
	c.start()
	name := shown(req.URL)
	res, err := c.send(req)
	if err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, fmt.Errorf("asking %s: %w", name, err)
	}
	return res, nil
}

func (c *Client) send(req *http.Request) (*http.Response, error) {
	if err := c.judgeURL(req.URL); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(req.Context(), c.timeout(), ErrTimeout)
	release, err := c.admit(ctx, req)
	if err != nil {
		cancel()
		return nil, err
	}
	req = req.Clone(ctx)
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "doorward")
	}
	res, err := c.transport.RoundTrip(req)
	if err != nil {
		err = explain(ctx, err)
		cancel()
		release()
		return nil, err
	}
	res.Body = &body{ReadCloser: res.Body, ctx: ctx, done: sync.OnceFunc(func() { cancel(); release() })}
	return res, nil
}

// admit counts the request against the bounds. Addresses of this machine that the user began at are not counted.
func (c *Client) admit(ctx context.Context, req *http.Request) (release func(), err error) {
	if host := req.URL.Hostname(); !c.loopback || !isLoopbackHost(host) {
		if err := c.limits.count(host, c.now()); err != nil {
			return nil, err
		}
	}
	return c.limits.enter(ctx)
}

// body ends the request's time and place among those under way when it is closed.
type body struct {
	io.ReadCloser
	ctx  context.Context
	done func()
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	// A server that sees us hang up may still end its answer cleanly: what ends after the time is over is not whole.
	if err != nil && (err != io.EOF || b.ctx.Err() != nil) {
		err = explain(b.ctx, err)
	}
	return n, err
}

func (b *body) Close() error {
	defer b.done()
	return b.ReadCloser.Close()
}
